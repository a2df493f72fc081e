/**
 * Proves what a backup makes of a share that takes no snapshot, takes it slowly, or belongs to several sites, through the
 * product's client against the stand-in that follows the published specification.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  createNfs,
  type Nfs,
  type NfsState,
} from '../../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import {
  createStandIn,
  type Handlers,
  type StandIn,
} from '../../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { loadSpecification } from '../../../deploy/sandbox/stand-ins/digitalocean/specification.ts';
import { close, listen } from '../../../deploy/sandbox/stand-ins/http.ts';
import { JsonFile } from '../../../deploy/sandbox/stand-ins/json-file.ts';
import type { BackupDeps } from '../../../src/activities/backup/deps.ts';
import { snapshotName } from '../../../src/activities/backup/names.ts';
import {
  createNfsSnapshots,
  nfsSnapshotName,
} from '../../../src/activities/backup/snapshots-digitalocean-nfs.ts';
import { createSecretResolver } from '../../../src/activities/secrets/index.ts';
import type { ContentVolume } from '../../../src/domain/recovery/point.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

const token = 'dop_v1_share';
const id = '20261123T030000Z-acme-backup';
const volume: ContentVolume = {
  ...{ claim: 'wp-content', subPath: '', provides: ['wp-content/plugins'], storageClass: null },
  ...{ accessModes: ['ReadWriteMany'], size: '50Gi' },
};

let folder: string;
let file: JsonFile<NfsState>;
let nfs: Nfs;
let standIn: StandIn;
let site: Site;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-share-'));
  await writeFile(join(folder, 'a.php'), 'then');
  file = new JsonFile<NfsState>(join(folder, '..', `${Date.now()}-nfs.json`), () => ({
    ...{ shares: [], snapshots: [] },
  }));
  nfs = createNfs(file, folder, () => new Date());
  const others = loadSpecification().operations.map(({ id: operation }) => [
    operation,
    () => Promise.reject(new Error(`${operation} is not asked here`)),
  ]);
  const handlers = { ...Object.fromEntries(others), ...nfs.handlers } as Handlers;
  standIn = createStandIn({ token, handlers });
  const endpoint = `http://127.0.0.1:${await listen(standIn.server, '127.0.0.1', 0)}`;
  const share = (await nfs.addShare({ name: 'acme', region: 'nyc3', folder })) as {
    id: string;
    mount_path: string;
  };
  site = acme();
  site.storage.sharedClaim.name = volume.claim;
  site.storage.provisioner = {
    ...{ kind: 'digitalocean-nfs', server: '10.0.0.2', path: share.mount_path },
    ...{ shareId: share.id, token: 'env:SHARE_TOKEN' },
  };
  delete site.database.managed;
  deps = {
    secrets: createSecretResolver({ env: { SHARE_TOKEN: token } }),
    digitaloceanEndpoint: endpoint,
  } as unknown as BackupDeps;
});
afterEach(async () => {
  await close(standIn.server);
  await nfs.settled();
  await rm(folder, { recursive: true });
  expect(standIn.violations).toEqual([]);
});

let deps: BackupDeps;
const kind = () => createNfsSnapshots(deps, { readyMs: 600, refusedMs: 400, intervalMs: 50 });

/** Names of the share's snapshots. */
const listed = async () => (await file.read()).snapshots.map(({ name }) => name);

test('a self-hosted database needs no account at the provider: the share has a token of its own', async () => {
  expect(await kind().supports(site, volume)).toBe(true);
  expect(await kind().begin(site, id, volume)).toBe(true);
  expect(await kind().finish(site, id, volume)).toMatchObject({ kind: 'digitalocean-nfs' });
});

test('a share without a token, another claim and a folder below the share have no snapshots', async () => {
  expect(await kind().supports(site, { ...volume, claim: 'other' })).toBe(false);
  const provisioner = site.storage.provisioner as { path: string; token?: string };
  const { path } = provisioner;
  provisioner.path = `${path}/`;
  expect(await kind().supports(site, volume)).toBe(true);
  provisioner.path = `${path}/acme`;
  expect(await kind().supports(site, volume)).toBe(false);
  provisioner.path = path;
  delete provisioner.token;
  expect(await kind().supports(site, volume)).toBe(false);
});

test.each([400, 409, 422])('a refusal with %s for long means no snapshot', async (status) => {
  standIn.faults.set([{ operation: 'nfs_create_action', status }]);
  expect(await kind().begin(site, id, volume)).toBe(false);
  expect(await listed()).toEqual([]);
});

test('a refusal that passes, an outage and a lost answer are got over, with one snapshot', async () => {
  standIn.faults.set([
    { operation: 'nfs_create_action', status: 422, times: 1 },
    { operation: 'nfs_create_action', status: 503, times: 1 },
    { operation: 'nfs_create_action', disconnect: true, after: true, times: 1 },
  ]);
  expect(await kind().begin(site, id, volume)).toBe(true);
  expect(await listed()).toEqual([nfsSnapshotName(site, snapshotName(id, volume.claim))]);
});

test.each([
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
])('a token that may not, by %s, is told and not passed over', async (status, type) => {
  standIn.faults.set([{ operation: 'nfs_create_action', status }]);
  await expect(kind().begin(site, id, volume)).rejects.toMatchObject({ type });
});

test.each(['CREATING', 'FAILED'] as const)(
  'a snapshot that stays %s is given up and removed',
  async (status) => {
    await kind().begin(site, id, volume);
    await nfs.settled();
    await file.update((state) => void (state.snapshots[0]!.status = status));
    expect(await kind().finish(site, id, volume)).toBeNull();
    expect(await listed()).toEqual([]);
  },
);

test('sites that share a share leave each other’s snapshots alone', async () => {
  const staging: Site = { ...structuredClone(site), name: 'acme-staging' };
  const elsewhere = structuredClone(site);
  elsewhere.storage.objects.bucket = 'another-catalogue';
  for (const each of [site, staging, elsewhere]) {
    await kind().begin(each, id, volume);
    await kind().finish(each, id, volume);
  }
  const name = snapshotName(id, volume.claim);
  expect(await kind().removeAll(site, (one) => one.name === name)).toEqual([]);
  expect(await kind().removeAll(site, () => false)).toEqual([nfsSnapshotName(site, name)]);
  expect(await listed()).toEqual([
    nfsSnapshotName(staging, name),
    nfsSnapshotName(elsewhere, name),
  ]);
});

test('a snapshot is read from its own folder, and one that is gone is not found', async () => {
  await kind().begin(site, id, volume);
  const taken = await kind().finish(site, id, volume);
  const read = () => kind().source(site, id, { ...volume, subPath: 'wp' }, taken!);
  const name = nfsSnapshotName(site, snapshotName(id, volume.claim));
  expect(await read()).toMatchObject({ subPath: `.snapshot/${name}/wp`, live: false });
  await kind().removeAll(site, () => false);
  await expect(read()).rejects.toMatchObject({ type: 'NotFound' });
});
