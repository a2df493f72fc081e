import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { executionId, perExecution } from '../../../src/activities/rollback/execution.ts';
import type { ChangeInput, ChangeResult } from '../../../src/activities/contracts.ts';
import type { Change } from '../../../src/domain/plan.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

/** A workflow id that is used again: each run names its schemas, folders, Jobs and restarts for itself. */

const run = (runId: string) =>
  new MockActivityEnvironment({
    workflowExecution: { workflowId: 'acme/rollback/by-hand', runId },
  });

const change = (params: Change['params']): Change => ({
  id: 'switch-database',
  title: 'Exchange',
  target: 'Database',
  before: null,
  after: null,
  risk: 'high',
  riskReason: '',
  undo: { possible: true, how: '' },
  touches: [],
  params,
});

describe('an execution', () => {
  it('is the same in every attempt of a run, and another one in the next run', async () => {
    const named = async () => executionId('acme/rollback/by-hand');
    const first = await run('one').run(named);
    expect(await run('one').run(named)).toBe(first);
    expect(await run('two').run(named)).not.toBe(first);
  });

  it('reaches the activities in place of the workflow id, as the plan has it', async () => {
    const seen: string[] = [];
    const { switchDatabase } = perExecution({
      switchDatabase: async ({ operationId }: ChangeInput): Promise<ChangeResult> => {
        seen.push(operationId);
        return {};
      },
    });
    const input = { site: acme(), operationId: 'acme/rollback/by-hand', recoveryPoint: null };
    await switchDatabase({ ...input, change: change({ execution: 'acme/rollback/by-hand/one' }) });
    // Whichever run takes it back.
    await run('two').run(() =>
      switchDatabase({ ...input, change: change({ execution: 'acme/rollback/by-hand/one' }) }),
    );
    await switchDatabase({ ...input, change: change({}) });
    expect(seen).toEqual([
      'acme/rollback/by-hand/one',
      'acme/rollback/by-hand/one',
      'acme/rollback/by-hand',
    ]);
  });
});
