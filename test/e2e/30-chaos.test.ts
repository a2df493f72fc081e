/**
 * The worker is killed with SIGKILL at five activity boundaries and in the middle of the copy, and the Temporal server is
 * killed and started again, all in one migration. Proves the same end state, that no change was done twice, and that no
 * Job, claim or pod is left over.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resetAcme } from '../../deploy/sandbox/acme/reset.ts';
import { sandboxUp } from '../../deploy/sandbox/engine.ts';
import { paths } from '../../deploy/sandbox/settings.ts';
import type { OperationReport } from '../../src/domain/operation.ts';
import {
  approve,
  completedActivities,
  openGateDigest,
  resultOf,
  startWithTemporal,
  untilClosed,
} from './support/operations.ts';
import {
  eventually,
  extensionHashes,
  kubectl,
  kubectlJson,
  readyPods,
  startWorker,
  temporal,
  type PodView,
  type WorkerProcess,
} from './support/platform.ts';

const id = 'acme/hybridStorage';
let worker: WorkerProcess;

beforeAll(async () => {
  await resetAcme();
  worker = await startWorker();
});

afterAll(async () => {
  await temporal(['workflow', 'terminate', '--workflow-id', id]).catch(() => undefined);
  await worker.stop();
});

/** Kills the worker as soon as the history shows the boundary, and starts another one. */
async function killWorkerWhen(what: string, reached: () => Promise<boolean>): Promise<void> {
  await eventually(what, async () => ((await reached()) ? true : undefined), {
    everyMs: 100,
    timeoutMs: 240_000,
  });
  await worker.kill();
  worker = await startWorker();
}

const completed = (activity: string) => async () =>
  ((await completedActivities(id)).get(activity) ?? 0) > 0;

async function killTemporalServer(): Promise<void> {
  const { pid } = JSON.parse(await readFile(join(paths.pids, 'temporal.json'), 'utf8')) as {
    pid: number;
  };
  process.kill(pid, 'SIGKILL');
  await eventually('the Temporal server gone', async () => {
    try {
      process.kill(pid, 0);
      return undefined;
    } catch {
      return true;
    }
  });
  await sandboxUp({ only: ['temporal'] });
}

test('killed workers and a killed Temporal server change nothing about the end', async () => {
  const [old] = await readyPods();
  if (old === undefined) throw new Error('acme has no ready pod');
  const extensions = await extensionHashes(old.metadata.name);

  await startWithTemporal('hybridStorage', id, { site: 'acme' });
  await killWorkerWhen('the plan is made', completed('planHybridStorage'));
  await approve('acme', await openGateDigest(id));
  await killWorkerWhen('the recovery point is taken', completed('takeRecoveryPoint'));
  await killWorkerWhen('the copy runs', async () => {
    const jobs = await kubectl(['get', 'jobs', '-n', 'acme', '-o', 'name']);
    return jobs.includes('job.batch/') || (await completed('copyExtensions')());
  });
  await killWorkerWhen('the salts are kept', completed('keepSalts'));
  await killTemporalServer();
  await killWorkerWhen('traffic has moved', completed('moveTraffic'));
  await killWorkerWhen('the site is scaled out', completed('scaleOut'));
  expect(await untilClosed(id)).toBe('COMPLETED');

  const report = await resultOf<OperationReport>(id);
  expect(report.outcome).toBe('done');
  expect(report.criteria.filter(({ pass }) => !pass)).toEqual([]);
  // The watch over visitors was killed with its workers and still tells what it saw.
  expect(report.criteria.map(({ id: criterion }) => criterion)).toContain(
    'no-failed-visitor-request',
  );

  // Nothing twice: each change completed once, and the Deployment went through two templates in all.
  const counts = await completedActivities(id);
  for (const change of [
    'createSharedClaim',
    'copyExtensions',
    'keepSalts',
    'applyConfiguration',
    'startNewPods',
    'moveTraffic',
    'retireOldPods',
    'scaleOut',
  ]) {
    expect(counts.get(change), change).toBe(1);
  }
  const replicaSets = await kubectlJson<{ items: { metadata: { name: string } }[] }>([
    'get',
    'replicasets',
    '-n',
    'acme',
  ]);
  expect(replicaSets.items).toHaveLength(2);

  // No leftovers.
  expect((await kubectl(['get', 'jobs', '-n', 'acme', '-o', 'name'])).trim()).toBe('');
  const claims = (await kubectl(['get', 'pvc', '-n', 'acme', '-o', 'name'])).trim().split('\n');
  expect(claims.filter((name) => name.endsWith('/wp-content'))).toHaveLength(1);
  expect(claims).toHaveLength(2);
  const pods = await kubectlJson<{ items: PodView[] }>(['get', 'pods', '-n', 'acme']);
  expect(pods.items.filter(({ metadata }) => !metadata.name.startsWith('wordpress-'))).toEqual([]);

  const serving = await readyPods();
  expect(serving).toHaveLength(2);
  for (const pod of serving) {
    expect(await extensionHashes(pod.metadata.name)).toEqual(extensions);
  }
});
