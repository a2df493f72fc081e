/** A worker that ends in the middle of everything, and the one that takes over. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Context } from '@temporalio/activity';
import type { OperationReport } from '../../src/domain/operation.ts';
import { useHarness } from '../support/use-harness.ts';

// Without a cache no task waits for the worker that is gone.
const harness = useHarness({ maxCachedWorkflows: 0 });

it('another worker goes on where the first one was, does nothing twice and counts visitors on', async () => {
  const site = harness().site('handed-over');
  // Every task replays all that was before it: fewer steps, and the test takes seconds.
  site.recovery.ready = false;
  const attempts: number[] = [];
  const watches = () => site.inputs.filter(({ name }) => name === 'watchVisitors');
  site.when('copyExtensions', async () => {
    attempts.push(Context.current().info.attempt);
    if (attempts.length === 1) return Context.current().cancelled;
    while (watches().length < 2) await delay(10);
    return { copied: true };
  });
  const run = await harness().start(
    'hybridStorage',
    { site: 'handed-over' },
    // A task that was handed to the first worker as it ended comes again after this time.
    { workflowTaskTimeout: 2_000 },
  );
  await run.approve();
  await site.untilCalled('watchVisitors');
  await site.untilCalled('copyExtensions');
  await harness().stopFirstWorker();
  const second = await harness().work();
  try {
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(attempts).toEqual([1, 2]);
    expect(watches().at(-1)?.input).toMatchObject({
      seen: { requests: expect.any(Number) as unknown },
    });
    expect(report.steps.find(({ id }) => id === 'visitors')?.state).toBe('done');
    for (const once of [
      'planHybridStorage',
      'takeRecoveryPoint',
      'createSharedClaim',
      'keepSalts',
    ]) {
      expect(site.calls.filter((name) => name === once)).toHaveLength(1);
    }
  } finally {
    await second.stop();
  }
});
