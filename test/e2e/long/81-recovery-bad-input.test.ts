/**
 * What people get wrong and what breaks underneath: each ends in a clear error, with nothing lost and nothing half-switched.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { paths } from '../../../deploy/sandbox/settings.ts';
import { failureOf, startWithTemporal, status, untilClosed } from '../support/operations.ts';
import {
  extensionHashes,
  kubectl,
  kubectlJson,
  namespaceFingerprint,
  readyPods,
  startWorker,
  temporal,
  type WorkerProcess,
} from '../support/platform.ts';
import {
  closeWorkbench,
  ensurePhaseOne,
  leftovers,
  openWorkbench,
  sql,
  takePoint,
  visit,
} from '../support/recovery.ts';

let worker: WorkerProcess;
let sites = '';
let point = '';
let before: unknown;

/** What must be as it was after every refused input. */
async function siteAsSeen() {
  const pods = await readyPods();
  const tables = await sql(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'wordpress' ORDER BY 1",
  );
  const contents = tables.split('\n').filter((table) => /^wp_(posts|postmeta|users)$/.test(table));
  return {
    namespace: await namespaceFingerprint(),
    extensions: await Promise.all(pods.map(({ metadata }) => extensionHashes(metadata.name))),
    tables,
    contents: await sql(`CHECKSUM TABLE ${contents.join(', ')}`),
    schemas: await sql('SHOW DATABASES', 'defaultdb'),
    front: await visit('/'),
  };
}

/** acme once more under another name, with some of its site file changed. */
async function variant(name: string, changes: Record<string, string>): Promise<void> {
  const document = parseDocument(await readFile('sites/acme.yaml', 'utf8'));
  document.set('name', name);
  for (const [path, value] of Object.entries(changes)) document.setIn(path.split('.'), value);
  await writeFile(join(sites, `${name}.yaml`), document.toString());
}

beforeAll(async () => {
  sites = await mkdtemp(join(tmpdir(), 'presslift-sites-'));
  await variant('acme', {});
  await variant('other', {});
  await variant('nobucket', { 'storage.objects.bucket': 'no-such-bucket-anywhere' });
  worker = await startWorker({ PRESSLIFT_SITES_DIR: sites });
  await ensurePhaseOne();
  await openWorkbench();
  point = await takePoint();
  before = await siteAsSeen();
});

afterEach(async () => {
  expect(await siteAsSeen()).toEqual(before);
  expect(await leftovers()).toEqual([]);
});

afterAll(async () => {
  await closeWorkbench();
  await worker.stop();
  await rm(sites, { recursive: true, force: true });
});

let runs = 0;

interface Refusal {
  workflowId: string;
  type: string;
  message: string;
  /** Criteria that were not met, where some were measured. */
  missed: string[];
}

/** Runs a workflow that has to fail and returns what it ended with. */
async function refusal(
  type: string,
  input: { site: string } & Record<string, unknown>,
): Promise<Refusal> {
  runs += 1;
  const workflowId = `${input.site}/${type === 'restoreDrill' ? 'drill' : type}/e2e-bad-${runs}`;
  await startWithTemporal(type, workflowId, input);
  expect(await untilClosed(workflowId, 300_000)).toBe('FAILED');
  // An input that is refused before anything else leaves no status, only its failure.
  const { criteria } = await status(workflowId).catch(() => ({ criteria: [] }));
  const missed = criteria.filter(({ pass }) => !pass).map(({ id }) => id);
  return { workflowId, ...(await failureOf(workflowId)), missed };
}

test('an unknown recovery point', async () => {
  const unknown = '20200101T000000Z-acme-backup';
  for (const type of ['rollback', 'restoreDrill']) {
    const { message, ...ended } = await refusal(type, { site: 'acme', point: unknown });
    expect(ended.type).toBe(type === 'rollback' ? 'NotFound' : 'RestoreDiffers');
    expect(message).toContain(`Site acme has no recovery point ${unknown}`);
  }
});

test('a text that is no recovery point, and a layer that there is not', async () => {
  const { type, message } = await refusal('rollback', {
    site: 'acme',
    point: '../../etc/passwd',
    layers: ['everything'],
  });
  expect(type).toBe('InvalidInput');
  expect(message).toMatch(/point/);
  expect(message).toMatch(/layers/);
});

test('a point of another site', async () => {
  const { type, message } = await refusal('rollback', { site: 'other', point });
  expect(type).toBe('InvalidInput');
  expect(message).toContain(`${point} is no recovery point of site other`);
});

test('a catalogue that somebody changed', async () => {
  const file = join(
    paths.state,
    'object-storage/buckets/acme-media/presslift/acme/recovery-points',
    point,
    'point.json',
  );
  const good = await readFile(file, 'utf8');
  const rows = /"rows":\s?\d/.exec(good)?.[0];
  if (rows === undefined) throw new Error('the document counts no rows');
  const digit = rows.at(-1) === '9' ? '8' : '9';
  await writeFile(file, good.replace(rows, `${rows.slice(0, -1)}${digit}`));
  try {
    const rollback = await refusal('rollback', { site: 'acme', point });
    expect(rollback.type).toBe('CatalogueTampered');
    const drill = await refusal('restoreDrill', { site: 'acme', point });
    expect(drill.type).toBe('RestoreDiffers');
    expect(drill.missed).toContain('catalogue');
  } finally {
    await writeFile(file, good);
  }
});

test('a bucket that is gone', async () => {
  for (const type of ['backup', 'rollback', 'restoreDrill']) {
    const ended = await refusal(type, { site: 'nobucket' });
    expect(ended.message, type).toContain('no-such-bucket-anywhere');
  }
});

test('a wrong password for the repository', async () => {
  const secret = ['secret', 'acme-backup', '-n', 'presslift'];
  const { data } = await kubectlJson<{ data: { password: string } }>(['get', ...secret]);
  const patch = (password: string) =>
    kubectl(['patch', ...secret, '-p', JSON.stringify({ data: { password } })]);
  const wrong = 'not-the-password';
  await patch(Buffer.from(wrong).toString('base64'));
  try {
    for (const type of ['backup', 'rollback']) {
      const ended = await refusal(type, { site: 'acme' });
      expect(ended.type, type).toBe('RepositoryRefused');
      expect(await everythingSaidBy(ended.workflowId)).not.toContain(wrong);
    }
    const drill = await refusal('restoreDrill', { site: 'acme', point });
    expect(drill.type).toBe('RestoreDiffers');
    expect(await everythingSaidBy(drill.workflowId)).not.toContain(wrong);
  } finally {
    await patch(data.password);
  }
});

/** A workflow's history with every payload decoded: what an auditor could read of it. */
async function everythingSaidBy(workflowId: string): Promise<string> {
  const shown = await temporal([
    ...['workflow', 'show', '--workflow-id', workflowId, '--output', 'json'],
  ]);
  return shown.replaceAll(
    /"data":\s*"([A-Za-z0-9+/=]+)"/g,
    (_whole, data: string) => `"data": ${Buffer.from(data, 'base64').toString('utf8')}`,
  );
}
