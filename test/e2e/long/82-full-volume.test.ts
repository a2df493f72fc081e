/**
 * A rollback of plugins and themes restores a second copy beside the live one. On a volume without room for it nothing is
 * switched, the failure says what to do, and after room was made the same operation goes on to its end.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { OperationReport } from '../../../src/domain/operation.ts';
import {
  approve,
  openGateDigest,
  resultOf,
  signal,
  startWithTemporal,
  untilClosed,
  untilState,
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
  takePoint,
  visit,
} from '../support/recovery.ts';
import { limitVolume, type LimitedVolume } from '../support/volumes.ts';

let worker: WorkerProcess;
let volume: LimitedVolume | undefined;

beforeAll(async () => {
  worker = await startWorker();
  await ensurePhaseOne();
  await openWorkbench();
});

afterEach(async () => {
  await volume?.restore();
});

afterAll(async () => {
  await closeWorkbench();
  await worker.stop();
});

const hashesOfEveryPod = async () =>
  Promise.all((await readyPods()).map(({ metadata }) => extensionHashes(metadata.name)));

test('a full volume stops a rollback before anything is switched, and it goes on when there is room', async () => {
  const point = await takePoint();
  const whole = await hashesOfEveryPod();
  // Plugins and themes are about ten.
  volume = await limitVolume('wp-content', 3);
  const [pod] = await readyPods();
  await inPod(pod?.metadata.name ?? '', ['rm', '-r', `${wpContent}/plugins/akismet`]);
  // A theme as well, so that the copy of all themes is needed.
  await inPod(pod?.metadata.name ?? '', [
    'sh',
    '-c',
    `for theme in ${wpContent}/themes/*/; do echo '/* changed */' >> "$theme/style.css"; done`,
  ]);
  const damaged = await hashesOfEveryPod();
  expect(damaged).not.toEqual(whole);

  const id = 'acme/rollback/e2e-full-volume';
  await startWithTemporal('rollback', id, { site: 'acme', point, layers: ['plugins-themes'] });
  await approve(id, await openGateDigest(id));
  const { operatorQuestion } = await untilState(id, 'needs-operator');
  expect(operatorQuestion).toMatchObject({ step: 'stage-extensions', failureType: 'NoSpace' });
  expect(operatorQuestion?.error).toMatch(/no space left/i);
  expect(await hashesOfEveryPod()).toEqual(damaged);
  expect(await visit('/')).toBe(200);
  expect(await leftovers()).toEqual([]);

  await volume.grow(200);
  await signal(id, 'retry', { by: 'alice' });
  expect(await untilClosed(id)).toBe('COMPLETED');
  const { outcome, criteria } = await resultOf<OperationReport>(id);
  expect({ outcome, missed: criteria.filter(({ pass }) => !pass) }).toEqual({
    outcome: 'done',
    missed: [],
  });
  expect(await hashesOfEveryPod()).toEqual(whole);
  expect(await visit('/')).toBe(200);
});
