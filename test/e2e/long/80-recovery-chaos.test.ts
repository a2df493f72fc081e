/**
 * The worker is killed with SIGKILL after every activity of a backup, a drill and a rollback. Proves the same end as without, and
 * that nothing is left over.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OperationReport } from '../../../src/domain/operation.ts';
import {
  approve,
  closedAs,
  history,
  openGateDigest,
  resultOf,
  startWithTemporal,
  untilClosed,
} from '../support/operations.ts';
import {
  extensionHashes,
  inPod,
  readyPods,
  startWorker,
  wpContent,
  type WorkerProcess,
} from '../support/platform.ts';
import {
  closeWorkbench,
  ensurePhaseOne,
  leftovers,
  openWorkbench,
  visit,
} from '../support/recovery.ts';

let worker: WorkerProcess;

beforeAll(async () => {
  worker = await startWorker();
  await ensurePhaseOne();
  await openWorkbench();
});

afterAll(async () => {
  await closeWorkbench();
  await worker.stop();
});

/** Kills the worker each time a further activity has completed, until the workflow is closed. Returns how often. */
async function killAtEveryBoundary(workflowId: string): Promise<number> {
  let seen = 0;
  let kills = 0;
  while ((await closedAs(workflowId)) === undefined) {
    const events = await history(workflowId);
    const completed = events.filter(({ eventType }) =>
      eventType.endsWith('ACTIVITY_TASK_COMPLETED'),
    ).length;
    if (completed === seen) continue;
    seen = completed;
    await worker.kill();
    worker = await startWorker();
    kills += 1;
  }
  return kills;
}

test('a backup survives SIGKILL at every activity boundary', async () => {
  const id = 'acme/backup/e2e-chaos';
  await startWithTemporal('backup', id, { site: 'acme' });
  const kills = await killAtEveryBoundary(id);
  expect(kills).toBeGreaterThan(8);
  expect(await untilClosed(id)).toBe('COMPLETED');
  const report = await resultOf<OperationReport>(id);
  expect(report.outcome).toBe('done');
  expect(report.criteria.filter(({ pass }) => !pass)).toEqual([]);
  expect(await leftovers()).toEqual([]);
});

test('a drill survives SIGKILL at every activity boundary', async () => {
  const id = 'acme/drill/e2e-chaos';
  await startWithTemporal('restoreDrill', id, { site: 'acme' });
  const kills = await killAtEveryBoundary(id);
  expect(kills).toBeGreaterThan(6);
  expect(await untilClosed(id)).toBe('COMPLETED');
  expect(await leftovers()).toEqual([]);
});

test('a rollback survives SIGKILL at every activity boundary', async () => {
  const [pod] = await readyPods();
  const name = pod?.metadata.name ?? '';
  const before = await extensionHashes(name);
  await inPod(name, ['rm', '-r', `${wpContent}/plugins/hello.php`]);
  const id = 'acme/rollback/e2e-chaos';
  await startWithTemporal('rollback', id, { site: 'acme', layers: ['plugins-themes'] });
  await approve(id, await openGateDigest(id));
  const kills = await killAtEveryBoundary(id);
  expect(kills).toBeGreaterThan(6);
  expect(await untilClosed(id)).toBe('COMPLETED');
  for (const serving of await readyPods()) {
    expect(await extensionHashes(serving.metadata.name)).toEqual(before);
  }
  expect(await visit('/')).toBe(200);
  expect(await leftovers()).toEqual([]);
});
