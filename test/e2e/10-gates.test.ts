/**
 * What a gate lets through and what it does not: rejected, expired, wrong digest, approver not listed, drift after the
 * approval. Proves for each that the site's objects and files are untouched. Does not prove the happy path.
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { OperationReport } from '../../src/domain/operation.ts';
import { resetAcme } from '../../deploy/sandbox/acme/reset.ts';
import {
  openGateDigest,
  resultOf,
  signal,
  startWithTemporal,
  status,
  untilClosed,
} from './support/operations.ts';
import {
  command,
  eventually,
  extensionHashes,
  kubectl,
  namespaceFingerprint,
  presslift,
  readyPods,
  startWorker,
  temporal,
  temporalCli,
  type WorkerProcess,
} from './support/platform.ts';

const id = 'acme/hybridStorage';
let worker: WorkerProcess;

async function siteAsItIs() {
  const [pod] = await readyPods();
  if (pod === undefined) throw new Error('acme has no ready pod');
  return {
    objects: await namespaceFingerprint(),
    extensions: await extensionHashes(pod.metadata.name),
  };
}

let before: Awaited<ReturnType<typeof siteAsItIs>>;

beforeAll(async () => {
  await resetAcme();
  worker = await startWorker();
  before = await siteAsItIs();
});

afterEach(async () => {
  // Leftovers of a failed test would hold the lock for the next one.
  await temporal(['workflow', 'terminate', '--workflow-id', id]).catch(() => undefined);
});

afterAll(async () => {
  await worker.stop();
});

const untouched = () =>
  eventually('the site as it was', async () => {
    const now = await siteAsItIs();
    expect(Object.keys(now.objects).sort()).toEqual(Object.keys(before.objects).sort());
    expect(now).toEqual(before);
    return true;
  });

test('a rejected gate changes nothing', async () => {
  await startWithTemporal('hybridStorage', id, { site: 'acme', requestedBy: 'dana' });
  const digest = await openGateDigest(id);
  const rejected = await presslift([
    'reject',
    'acme',
    '--as',
    'bob',
    '--yes',
    '--digest',
    digest,
    '--reason',
    'not in the sale week',
  ]);
  expect(rejected.stderr + rejected.stdout).toContain('rejected');
  expect(await untilClosed(id)).toBe('COMPLETED');
  expect((await resultOf<OperationReport>(id)).outcome).toBe('rejected');
  await untouched();
});

test('a wrong digest and an approver who is not listed are refused, by update and by signal', async () => {
  await startWithTemporal('hybridStorage', id, { site: 'acme' });
  const digest = await openGateDigest(id);
  const wrong = `sha256:${'0'.repeat(64)}`;

  const byUpdate = (approver: string, withDigest: string) =>
    command(temporalCli, [
      'workflow',
      'update',
      'execute',
      '--workflow-id',
      id,
      '--name',
      'decide',
      '--input',
      JSON.stringify({ gate: 'apply', digest: withDigest, decision: 'approve', approver }),
    ]);
  const wrongDigest = await byUpdate('alice', wrong);
  expect(wrongDigest.status).not.toBe(0);
  expect(wrongDigest.stderr + wrongDigest.stdout).toContain(`asks about ${digest}`);
  const mallory = await byUpdate('mallory', digest);
  expect(mallory.status).not.toBe(0);
  expect(mallory.stderr + mallory.stdout).toMatch(/mallory/);

  await signal(id, 'approve', { gate: 'apply', digest, approver: 'mallory' });
  await signal(id, 'approve', { gate: 'apply', digest: wrong, approver: 'alice' });
  const refused = await eventually('both signals kept as refused', async () => {
    const { gates } = await status(id);
    const list = gates.find((gate) => gate.state === 'open')?.refused ?? [];
    return list.length === 2 ? list : undefined;
  });
  expect(refused.map(({ approver }) => approver)).toEqual(['mallory', 'alice']);
  expect((await status(id)).state).toBe('waiting-for-approval');
  await signal(id, 'reject', { gate: 'apply', digest, approver: 'alice' });
  await untilClosed(id);
  await untouched();
});

test('drift after the approval is refused: nothing is applied and a new gate asks again', async () => {
  await startWithTemporal('hybridStorage', id, { site: 'acme' });
  const digest = await openGateDigest(id);
  const deployment = ['-n', 'acme', 'deployment/wordpress'];
  await kubectl(['annotate', ...deployment, 'acme.example/unrelated=1']);
  await kubectl(['patch', ...deployment, '--patch', '{"spec":{"progressDeadlineSeconds":599}}']);
  await signal(id, 'approve', { gate: 'apply', digest, approver: 'alice' });
  const next = await eventually('a new gate with another digest', async () => {
    const { gates } = await status(id);
    expect(gates.find((gate) => gate.digest === digest)?.state).not.toBe('open');
    return gates.find((gate) => gate.state === 'open' && gate.digest !== digest)?.digest;
  });
  const claims = await kubectl(['get', 'pvc', '-n', 'acme', '-o', 'name']);
  expect(claims).not.toContain('wp-content');
  await signal(id, 'reject', { gate: 'apply', digest: next, approver: 'bob' });
  await untilClosed(id);
  await kubectl(['annotate', ...deployment, 'acme.example/unrelated-']);
  await kubectl(['patch', ...deployment, '--patch', '{"spec":{"progressDeadlineSeconds":600}}']);
  await untouched();
});

test('a gate that nobody decides expires and fails closed', async () => {
  const sites = await mkdtemp(join(tmpdir(), 'presslift-sites-'));
  const acme = await readFile('sites/acme.yaml', 'utf8');
  await writeFile(
    join(sites, 'acme.yaml'),
    acme
      .replace('deadline: P3D', 'deadline: PT4S')
      .replace('remindEvery: P1D', 'remindEvery: PT2S'),
  );
  await worker.stop();
  worker = await startWorker({ PRESSLIFT_SITES_DIR: sites });
  await startWithTemporal('hybridStorage', id, { site: 'acme' });
  await openGateDigest(id);
  await untilClosed(id);
  expect((await resultOf<OperationReport>(id)).outcome).toBe('expired');
  await untouched();
  await worker.stop();
  worker = await startWorker();
});
