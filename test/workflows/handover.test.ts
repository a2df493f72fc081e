/** A worker that ends in the middle of everything, and the one that takes over. */
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
  site.when('copyExtensions', async () => {
    attempts.push(Context.current().info.attempt);
    return attempts.length > 1 ? { copied: true } : Context.current().cancelled;
  });
  const run = await harness().start(
    'hybridStorage',
    { site: 'handed-over' },
    // A task that was handed to the first worker as it ended comes again after this time.
    { workflowTaskTimeout: 2_000 },
  );
  await run.approve();
  await run.until(
    ({ steps }) => steps.some(({ id, state }) => id === 'copy-extensions' && state === 'running'),
    'copying',
  );
  const watches = () => site.inputs.filter(({ name }) => name === 'watchVisitors');
  const before = watches().length;
  await harness().stopFirstWorker();
  const second = await harness().work();
  try {
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(attempts).toEqual([1, 2]);
    expect(watches().length).toBeGreaterThan(before);
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
