/**
 * `presslift migrate acme --to 1` with approvals while visitors come in at a constant rate. Proves: all criteria pass, no
 * visitor's request fails, and a second run plans nothing and passes. The state afterwards is asked from the cluster, the
 * database and the site itself. How long visitors wait is printed, and measured by `npm run bench:visitors`: a machine that others
 * use too is slower at times.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resetAcme } from '../../deploy/sandbox/acme/reset.ts';
import type { RoadmapReport } from '../../src/domain/operation.ts';
import { approve, openGateDigest, resultOf, status, untilClosed } from './support/operations.ts';
import {
  command,
  eventually,
  inPod,
  kubectlJson,
  presslift,
  readyPods,
  startWorker,
  wpContent,
  type WorkerProcess,
} from './support/platform.ts';
import { startVisitors } from './support/visitors.ts';
import { endpoints, paths } from '../../deploy/sandbox/settings.ts';

/** What two slow processors serve that do the work of the migration besides. */
const perSecond = 8;
let worker: WorkerProcess;

beforeAll(async () => {
  await resetAcme();
  worker = await startWorker();
});

afterAll(async () => {
  await worker.stop();
});

test('the roadmap to phase 1 loses no visitor', async () => {
  const quiet = await startVisitors({ name: 'before', perSecond, seconds: 40 });
  await new Promise((resolve) => setTimeout(resolve, 41_000));
  const before = await quiet.finish();
  expect(before.failed).toBe(0);
  expect(before.requests).toBeGreaterThan(30 * perSecond);

  const visitors = await startVisitors({ name: 'during', perSecond, seconds: 900 });
  const startedAt = Date.now();
  const started = await presslift(['migrate', 'acme', '--to', '1', '--detach', '--as', 'dana']);
  expect(started.status, started.stderr).toBe(0);
  const phase0 = 'acme/prerequisites';
  const phase1 = 'acme/hybridStorage';
  await approveWhenAsked('roadmap/acme', phase0, 'apply');
  await approveWhenAsked('roadmap/acme', 'roadmap/acme', 'go-no-go');
  await approve('acme', await openGateDigest(phase1), 'bob');
  expect(await untilClosed('roadmap/acme', 600_000)).toBe('COMPLETED');
  const enough = 5_400 / perSecond;
  const left = enough - (Date.now() - startedAt) / 1000;
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left * 1000));
  const during = await visitors.finish();

  const roadmap = await resultOf<RoadmapReport>('roadmap/acme');
  const criteria = roadmap.phases.flatMap((phase) => phase.criteria);
  expect(criteria.filter(({ pass }) => !pass)).toEqual([]);
  expect(criteria.length).toBeGreaterThan(8);

  console.log(
    `visitors before ${JSON.stringify(before)}\nvisitors during ${JSON.stringify(during)}`,
  );
  expect(during.failed).toBe(0);
  expect(during.sessionLost).toBe(0);
  expect(during.requests).toBeGreaterThanOrEqual(5_000);
});

const testBegan = new Date().toISOString();

/** Approves the gate if the operation opens one; a phase that plans nothing opens none. */
async function approveWhenAsked(parent: string, workflowId: string, gate: string): Promise<void> {
  await eventually(
    `${workflowId} passed ${gate}`,
    async () => {
      const now = await status(workflowId);
      // Runs of the same ids may be left of other tests.
      if (now.startedAt < testBegan) return undefined;
      const found = now.gates.find((candidate) => candidate.id.startsWith(gate));
      if (found?.state === 'approved') return true;
      if (found?.state === 'open') {
        await approve(workflowId, found.digest, 'alice');
        return undefined;
      }
      return found === undefined && now.state === 'done' ? true : undefined;
    },
    { timeoutMs: 300_000 },
  ).catch(async (error: unknown) => {
    const { state } = await status(parent);
    throw new Error(`${String(error)}; the roadmap is ${state}`);
  });
}

test('the site is a hybrid now, seen from outside', async () => {
  const pods = await readyPods();
  expect(pods).toHaveLength(2);
  for (const { metadata } of pods) {
    await inPod(metadata.name, [
      'sh',
      '-c',
      `echo ${metadata.name} > ${wpContent}/plugins/seen.txt`,
    ]);
    for (const other of pods) {
      const seen = await inPod(other.metadata.name, ['cat', `${wpContent}/plugins/seen.txt`]);
      expect(seen.trim()).toBe(metadata.name);
    }
    await inPod(metadata.name, ['rm', `${wpContent}/plugins/seen.txt`]);
    const config = await inPod(metadata.name, [
      'php',
      '-r',
      'define("WP_USE_THEMES", false); require "/var/www/html/wp-load.php"; echo json_encode([DISALLOW_FILE_EDIT, WP_AUTO_UPDATE_CORE]);',
    ]);
    expect(JSON.parse(config)).toEqual([true, false]);
  }
  const budget = await kubectlJson<{ items: unknown[] }>(['get', 'pdb', '-n', 'acme']);
  expect(budget.items).toHaveLength(1);
  const page = await command('curl', [
    '--silent',
    '--show-error',
    '--fail',
    '--cacert',
    `${paths.pki}/sandbox-ca.crt`,
    `${endpoints.acme}/`,
  ]);
  expect(page.stdout).toContain('</html>');
});

test('a second run plans nothing and passes', async () => {
  const again = await presslift(
    ['migrate', 'acme', '--to', '1', '--wait', '--yes', '--as', 'alice', '--json'],
    { timeoutMs: 600_000 },
  );
  expect(again.status, again.stderr + again.stdout).toBe(0);
  const roadmap = await resultOf<RoadmapReport>('roadmap/acme');
  expect(roadmap.phases.map(({ operation }) => operation)).toEqual([
    'prerequisites',
    'hybridStorage',
  ]);
  for (const { alreadyThere, criteria } of roadmap.phases) {
    expect(alreadyThere).toBe(true);
    expect(criteria.length).toBeGreaterThan(5);
    expect(criteria.filter(({ pass }) => !pass)).toEqual([]);
  }
});
