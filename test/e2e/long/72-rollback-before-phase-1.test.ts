/**
 * A site before phase 1 has its whole document root on one volume of one node. Its plugins and themes go back there too, and
 * what was kept of them is nowhere that a visitor could ask for it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resetAcme } from '../../../deploy/sandbox/acme/reset.ts';
import {
  documentRoot,
  extensionHashes,
  inPod,
  presslift,
  readyPods,
  startWorker,
  wpContent,
  type WorkerProcess,
} from '../support/platform.ts';
import {
  closeWorkbench,
  leftovers,
  lines,
  openWorkbench,
  rollBack,
  takePoint,
  untilSiteAnswers,
  visit,
} from '../support/recovery.ts';
import { startVisitors } from '../support/visitors.ts';

let worker: WorkerProcess;

beforeAll(async () => {
  worker = await startWorker();
  await resetAcme();
  const prepared = await presslift(
    ['migrate', 'acme', '--to', '0', '--wait', '--yes', '--as', 'alice', '--json'],
    { timeoutMs: 600_000 },
  );
  if (prepared.status !== 0) throw new Error(prepared.stderr || prepared.stdout);
  await openWorkbench();
});

afterAll(async () => {
  await closeWorkbench();
  await worker.stop();
  await resetAcme();
});

test('plugins come back into the document root, and no visitor notices', async () => {
  const [pod] = await readyPods();
  const name = pod?.metadata.name ?? '';
  const point = await takePoint();
  const before = await extensionHashes(name);
  await inPod(name, ['rm', '-r', `${wpContent}/plugins/akismet`]);

  const visitors = await startVisitors({ name: 'before-phase-1', perSecond: 5, seconds: 300 });
  await rollBack('before-phase-1', { point, layers: ['plugins-themes'] });
  const seen = await visitors.finish();
  expect(seen.requests).toBeGreaterThan(20);
  expect(seen.failed).toBe(0);
  expect(await extensionHashes(name)).toEqual(before);
  expect((await readyPods()).map(({ metadata }) => metadata.name)).toEqual([name]);

  // What was live before is kept on the same volume, below the document root, and closed to visitors.
  const kept = lines(
    await inPod(name, [
      'find',
      documentRoot,
      '-path',
      '*/.presslift*',
      '-name',
      'acme-catalog.php',
      '-printf',
      '%P\\n',
    ]),
  );
  expect(kept.length).toBeGreaterThan(0);
  for (const path of kept) expect([403, 404]).toContain(await visit(`/${path}`));

  await rollBack('release-before-phase-1', { release: true });
  expect(await inPod(name, ['find', documentRoot, '-path', '*/kept/*'])).toBe('');
  await untilSiteAnswers();
  expect(await leftovers()).toEqual([]);
});
