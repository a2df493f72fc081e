/**
 * The worker is killed by SIGKILL at the end of every activity of a backup, a drill and a rollback of every layer, when the outside is
 * changed already and nobody has heard of it. Proves that each activity can be done again, the same end as without, and that
 * nothing is left over.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OperationReport } from '../../../src/domain/operation.ts';
import type { RestoreDrillReport } from '../../../src/domain/recovery/request.ts';
import {
  approve,
  openGateDigest,
  resultOf,
  startWithTemporal,
  untilClosed,
} from '../support/operations.ts';
import { zoneRules, type ZoneRules } from '../support/cdn.ts';
import { childrenOf, completedKeys, spared } from '../support/kills.ts';
import {
  extensionHashes,
  inPod,
  kubectlJson,
  readyPods,
  runningImages,
  startWorker,
  startWorkerThatLosesAnswers,
  wpContent,
  type WorkerProcess,
} from '../support/platform.ts';
import {
  checksums,
  closeWorkbench,
  ensurePhaseOne,
  leftovers,
  openWorkbench,
  setBadImage,
  sql,
  takePoint,
  visit,
} from '../support/recovery.ts';

let folder = '';
let ledger = '';
let worker: WorkerProcess;
let rules: ZoneRules;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-kills-'));
  ledger = join(folder, 'kills');
  rules = await zoneRules();
  await undisturbed(ensurePhaseOne);
  await openWorkbench();
  worker = await startWorkerThatLosesAnswers(ledger);
});

/** Does something by a worker that nobody kills. */
async function undisturbed<T>(work: () => Promise<T>): Promise<T> {
  const calm = await startWorker();
  try {
    return await work();
  } finally {
    await calm.stop();
  }
}

afterAll(async () => {
  await worker.stop();
  await rules.putBack();
  await closeWorkbench();
  await rm(folder, { recursive: true, force: true });
});

/** Every activity that the history has as completed was met by a kill, and there were some. */
async function expectKilledEverywhere(workflowId: string, atLeast: number): Promise<void> {
  const completed = await completedKeys(workflowId);
  expect(completed.size).toBeGreaterThanOrEqual(atLeast);
  expect(await spared(workflowId, ledger)).toEqual([]);
  console.log(`${workflowId}: ${completed.size} activities, a worker killed at the end of each`);
}

const notMet = ({ criteria }: Pick<OperationReport, 'criteria'>) =>
  criteria.filter(({ pass }) => !pass);

test('a backup ends as without kills', async () => {
  const id = 'acme/backup/e2e-chaos';
  await startWithTemporal('backup', id, { site: 'acme' });
  expect(await untilClosed(id, 1_100_000)).toBe('COMPLETED');
  await expectKilledEverywhere(id, 15);
  const report = await resultOf<OperationReport>(id);
  expect({ outcome: report.outcome, notMet: notMet(report) }).toEqual({
    outcome: 'done',
    notMet: [],
  });
  // What was lost to a kill must not be missing in the point.
  expect(report.recoveryPoint?.missing).toEqual(['values of Secrets (their names alone)']);
  expect(await leftovers()).toEqual([]);
});

test('a drill ends as without kills, and so does its backup', async () => {
  const id = 'acme/drill/e2e-chaos';
  await startWithTemporal('restoreDrill', id, { site: 'acme' });
  expect(await untilClosed(id, 1_150_000)).toBe('COMPLETED');
  await expectKilledEverywhere(id, 10);
  for (const child of await childrenOf(id)) await expectKilledEverywhere(child, 12);
  const report = await resultOf<RestoreDrillReport>(id);
  expect(notMet(report)).toEqual([]);
  expect(await leftovers()).toEqual([]);
});

test('a rollback of every layer ends as without kills', async () => {
  await worker.stop();
  const point = await undisturbed(takePoint);
  worker = await startWorkerThatLosesAnswers(ledger);
  const [pod] = await readyPods();
  const name = pod?.metadata.name ?? '';
  const extensions = await extensionHashes(name);
  const tables = await checksums();
  const template = await podTemplate();
  const goodRules = await rules.digest();

  await inPod(name, ['rm', '-r', `${wpContent}/plugins/akismet`]);
  await sql('DROP TABLE wp_term_relationships');
  await rules.replace([
    { action: 'set_cache_settings', expression: 'true', action_parameters: { cache: true } },
  ]);
  await setBadImage();

  const id = 'acme/rollback/e2e-chaos';
  const layers = ['plugins-themes', 'app', 'cdn', 'database'];
  await startWithTemporal('rollback', id, { site: 'acme', point, layers });
  await approve(id, await openGateDigest(id));
  expect(await untilClosed(id, 1_150_000)).toBe('COMPLETED');
  await expectKilledEverywhere(id, 25);
  const report = await resultOf<OperationReport>(id);
  expect({ outcome: report.outcome, notMet: notMet(report) }).toEqual({
    outcome: 'done',
    notMet: [],
  });

  for (const serving of await readyPods()) {
    expect(await extensionHashes(serving.metadata.name)).toEqual(extensions);
  }
  expect(await checksums()).toEqual(tables);
  expect(await podTemplate()).toEqual(template);
  expect(await rules.digest()).toBe(goodRules);
  expect(await visit('/')).toBe(200);
  expect(await leftovers()).toEqual([]);
});

/** The template that pods are made of, with the images that really run in the place of their names. */
async function podTemplate(): Promise<unknown> {
  const { spec } = await kubectlJson<{
    spec: {
      template: { spec: Record<'containers' | 'initContainers', { image?: string }[] | undefined> };
    };
  }>(['get', 'deployment', 'wordpress', '-n', 'acme']);
  const { containers = [], initContainers = [] } = spec.template.spec;
  for (const container of [...containers, ...initContainers]) delete container.image;
  return { spec: spec.template.spec, images: await runningImages() };
}
