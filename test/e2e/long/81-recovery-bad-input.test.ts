/**
 * What people get wrong and what breaks underneath: each ends in a clear error, with nothing lost and nothing half-switched.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { paths } from '../../../deploy/sandbox/settings.ts';
import { history, startWithTemporal, status, untilClosed } from '../support/operations.ts';
import {
  extensionHashes,
  namespaceFingerprint,
  readyPods,
  startWorker,
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
  return {
    namespace: await namespaceFingerprint(),
    extensions: await extensionHashes(pods[0]?.metadata.name ?? ''),
    tables: await sql(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = 'wordpress' ORDER BY 1",
    ),
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
  await variant('nobucket', { 'storage.objects.bucket': 'no-such-bucket-anywhere' });
  await variant('wrongpassword', {
    'backup.password': 'env:E2E_WRONG_PASSWORD',
    'backup.repository': 's3:https://s3.presslift.test:17070/acme-media/presslift/acme/restic',
  });
  worker = await startWorker({
    PRESSLIFT_SITES_DIR: sites,
    E2E_WRONG_PASSWORD: JSON.stringify({ password: 'not the password' }),
  });
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

/** Runs a workflow that has to fail and returns what it says. */
async function refusal(
  type: string,
  input: { site: string } & Record<string, unknown>,
): Promise<string> {
  runs += 1;
  const id = `${input.site}/${type === 'restoreDrill' ? 'drill' : type}/e2e-bad-${runs}`;
  await startWithTemporal(type, id, input);
  expect(await untilClosed(id, 300_000)).toBe('FAILED');
  // An input that is refused before anything else leaves no status, only its failure.
  const { steps, criteria } = await status(id).catch(() => ({ steps: [], criteria: [] }));
  return [await history(id), steps, criteria].map((part) => JSON.stringify(part)).join('\n');
}

test('an unknown recovery point', async () => {
  expect(
    await refusal('rollback', { site: 'acme', point: '20200101T000000Z-acme-backup' }),
  ).toContain('20200101T000000Z-acme-backup');
});

test('a text that is no recovery point, and a layer that there is not', async () => {
  const said = await refusal('rollback', {
    site: 'acme',
    point: '../../etc/passwd',
    layers: ['everything'],
  });
  expect(said).toMatch(/point/);
  expect(said).toMatch(/layers/);
});

test('a point of another site', async () => {
  expect(await refusal('rollback', { site: 'wrongpassword', point })).toMatch(
    /acme|another site|no recovery point/i,
  );
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
    expect(await refusal('rollback', { site: 'acme', point })).toContain('CatalogueTampered');
    expect(await refusal('restoreDrill', { site: 'acme', point })).toMatch(
      /CatalogueTampered|catalogue/,
    );
  } finally {
    await writeFile(file, good);
  }
});

test('a bucket that is gone', async () => {
  expect(await refusal('backup', { site: 'nobucket' })).toContain('no-such-bucket-anywhere');
});

test('a wrong password for the repository', async () => {
  const said = await refusal('backup', { site: 'wrongpassword' });
  expect(said).toContain('RepositoryRefused');
  expect(said).not.toContain('not the password');
});
