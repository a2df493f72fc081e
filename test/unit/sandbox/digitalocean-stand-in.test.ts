/**
 * Proves that the stand-in for DigitalOcean's API works through the official client and keeps to the published
 * specification. Real here: the HTTP server, the specification's checks, the client, the state file. Fakes stand for the
 * database server and the object storage's accounts, which the end-to-end tests have real.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FetchRequestAdapter } from '@microsoft/kiota-http-fetchlibrary';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  DatabasesState,
  StoredBackup,
  StoredCluster,
} from '../../../deploy/sandbox/stand-ins/digitalocean/clusters.ts';
import { databaseHandlers } from '../../../deploy/sandbox/stand-ins/digitalocean/databases.ts';
import type { DatabaseFacts } from '../../../deploy/sandbox/stand-ins/digitalocean/managed-database.ts';
import type { Nfs, NfsState } from '../../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import { createNfs } from '../../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import type { Handlers, StandIn } from '../../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { createStandIn } from '../../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import type { Grant } from '../../../deploy/sandbox/stand-ins/digitalocean/spaces-accounts.ts';
import type { SpacesKeysState } from '../../../deploy/sandbox/stand-ins/digitalocean/spaces-keys.ts';
import { spacesKeyHandlers } from '../../../deploy/sandbox/stand-ins/digitalocean/spaces-keys.ts';
import { close, listen } from '../../../deploy/sandbox/stand-ins/http.ts';
import { JsonFile } from '../../../deploy/sandbox/stand-ins/json-file.ts';
import { createDigitalOcean } from '../../../src/activities/digitalocean/client.ts';
import {
  createDigitalOceanClient,
  DigitalOceanApiKeyAuthenticationProvider,
} from '../../../src/activities/digitalocean/dots.js';
import { Secret } from '../../../src/activities/secrets/secret.ts';

const token = 'dop_v1_test';
const clusterId = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
const ca = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

let folder: string;
let standIn: StandIn;
let nfs: Nfs;
let endpoint: string;
let databaseAnswers: boolean;
let expectViolations: boolean;
let accounts: Map<string, readonly Grant[]>;
let clock: Date;
const logged: string[] = [];

/** What the handlers had done, in order; passwords that they set. */
const events: string[] = [];
const changed: string[][] = [];
let backups: StoredBackup[] = [];

const initialFacts: DatabaseFacts = {
  version: '9.7.4',
  databases: ['defaultdb', 'wordpress'],
  users: [
    { name: 'doadmin', authPlugin: 'caching_sha2_password' },
    { name: 'wordpress', authPlugin: 'caching_sha2_password' },
  ],
};

let facts: DatabaseFacts;

const keysFile = (): string => join(folder, 'spaces-keys.json');

function handlers(): Handlers {
  const cluster: StoredCluster = {
    ...{ id: clusterId, name: 'acme-db', region: 'nyc3', host: 'db.presslift.test', port: 13306 },
    privateHost: 'private-db.presslift.test',
    ...{ size: 'db-s-1vcpu-1gb', nodes: 1, storageMib: 10_240, tags: [], rules: [], fork: null },
    privateNetwork: 'd455e75d-4858-4eec-8c95-da2f0a5f93a7',
    projectId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff31',
    createdAt: '2026-01-02T03:04:05.000Z',
    passwords: { doadmin: 'admin-secret', wordpress: 'wordpress-secret' },
  };
  const database = (host: string) => ({
    facts: async () => {
      if (!databaseAnswers) throw new Error('connection refused');
      return facts;
    },
    setPassword: async (user: string, password: string) =>
      void changed.push([host, user, password]),
    addUser: async (user: string) =>
      void facts.users.push({ name: user, authPlugin: 'caching_sha2_password' }),
    removeUser: async (user: string) => {
      facts.users = facts.users.filter(({ name }) => name !== user);
    },
    addDatabase: async (name: string) => void facts.databases.push(name),
    removeDatabase: async (name: string) => {
      facts.databases = facts.databases.filter((each) => each !== name);
    },
  });
  const databases = new JsonFile<DatabasesState>(join(folder, 'databases.json'), () => ({
    clusters: [cluster],
    backups: [],
  }));
  const spacesAccounts = {
    create: async (grants: readonly Grant[]) => {
      const accessKey = `KEY${accounts.size + 1}`;
      accounts.set(accessKey, grants);
      return { accessKey, secretKey: 'shown-once', userName: `user of ${accessKey}` };
    },
    remove: async ({ accessKey }: { accessKey: string }) => void accounts.delete(accessKey),
  };
  const file = new JsonFile<SpacesKeysState>(keysFile(), () => ({ keys: [] }));
  nfs = createNfs(
    new JsonFile<NfsState>(join(folder, 'nfs.json'), () => ({ shares: [], snapshots: [] })),
    join(folder, 'nfs'),
    () => clock,
  );
  return {
    ...databaseHandlers({
      ...{ file: databases, ca, administrator: 'doadmin', now: () => clock },
      databaseOf: ({ host }) => database(host),
      backups: { of: async (id) => backups.filter((backup) => backup.clusterId === id) },
      forks: {
        make: ({ name }) => void events.push(`make ${name}`),
        remove: async ({ name }) => void events.push(`remove ${name}`),
      },
      placeFor: async (name) => ({
        ...{ host: `${name}.db.presslift.test`, port: 13310 },
        privateHost: `${name}.private-db.presslift.test`,
      }),
      applyFirewall: async () => void events.push('firewall'),
      forget: async ({ id, name }) => {
        events.push(`forget ${name}`);
        await databases.update((state) => {
          state.clusters = state.clusters.filter((each) => each.id !== id);
        });
      },
      passwordChanged: async (user) => void events.push(`password of ${user}`),
    }),
    ...nfs.handlers,
    ...spacesKeyHandlers(file, spacesAccounts, () => clock),
  };
}

async function start(
  options: { handlers?: Handlers; limits?: { perHour: number; perMinute: number } } = {},
) {
  if (standIn) await close(standIn.server);
  standIn = createStandIn({
    ...{ token, handlers: handlers(), now: () => clock, log: (line) => void logged.push(line) },
    ...options,
  });
  endpoint = `http://127.0.0.1:${await listen(standIn.server, '127.0.0.1', 0)}`;
}

function client(withToken = token) {
  const adapter = new FetchRequestAdapter(new DigitalOceanApiKeyAuthenticationProvider(withToken));
  adapter.baseUrl = endpoint;
  return createDigitalOceanClient(adapter).v2;
}

/** A request of our own, for what the client hides. */
async function api(method: string, path: string, body?: unknown, withToken = token) {
  const answer = await fetch(`${endpoint}${path}`, {
    method,
    headers: { authorization: `Bearer ${withToken}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  const json = (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown>;
  return { status: answer.status, headers: answer.headers, json };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-digitalocean-'));
  databaseAnswers = true;
  expectViolations = false;
  accounts = new Map();
  clock = new Date('2026-11-23T12:00:00Z');
  for (const list of [logged, events, changed]) list.length = 0;
  backups = [];
  facts = structuredClone(initialFacts);
  await start();
});

afterEach(async () => {
  await close(standIn.server);
  await nfs.settled();
  await rm(folder, { recursive: true });
  expect(standIn.violations.length > 0).toBe(expectViolations);
});

describe('through the official client', () => {
  test('the database cluster is online with the real server’s version', async () => {
    const answer = await client().databases.byDatabase_cluster_uuid(clusterId).get();
    expect(answer?.database).toMatchObject({
      ...{ name: 'acme-db', engine: 'mysql', status: 'online', region: 'nyc3' },
      ...{ version: '9.7', semanticVersion: '9.7.4' },
      connection: { host: 'db.presslift.test', port: 13306 },
      privateConnection: { host: 'private-db.presslift.test', port: 13306 },
    });
  });

  test('a cluster whose server does not answer is not online', async () => {
    databaseAnswers = false;
    const answer = await client().databases.byDatabase_cluster_uuid(clusterId).get();
    expect(answer?.database?.status).toBe('creating');
  });

  test('the CA comes in base64', async () => {
    const answer = await client().databases.byDatabase_cluster_uuid(clusterId).ca.get();
    expect(Buffer.from(answer?.ca?.certificate ?? '', 'base64').toString()).toBe(ca);
  });

  test('a key is created with its secret, listed without it and deleted', async () => {
    const grants = [{ bucket: 'acme-media', permission: 'readwrite' }];
    const created = await client().spaces.keys.post({ name: 'acme', grants });
    expect(created?.key).toMatchObject({
      name: 'acme',
      accessKey: 'KEY1',
      secretKey: 'shown-once',
      grants,
    });
    expect(accounts.get('KEY1')).toEqual(grants);

    const listed = await client().spaces.keys.get({ queryParameters: { bucket: 'acme-media' } });
    expect(listed?.keys).toHaveLength(1);
    expect(listed?.keys?.[0]).toMatchObject({ name: 'acme', accessKey: 'KEY1' });
    expect(listed?.keys?.[0]?.secretKey ?? null).toBeNull();

    await client().spaces.keys.byAccess_key('KEY1').delete();
    expect(accounts.size).toBe(0);
    expect((await client().spaces.keys.get())?.keys).toEqual([]);
  });

  test('a wrong token is an error with status 401', async () => {
    const call = client('wrong').databases.byDatabase_cluster_uuid(clusterId).get();
    await expect(call).rejects.toMatchObject({ responseStatusCode: 401 });
  });
});

describe('databases', () => {
  test('the list has the cluster, and nothing for a tag that it has not', async () => {
    expect((await api('GET', '/v2/databases')).json['databases']).toHaveLength(1);
    expect((await api('GET', '/v2/databases?tag_name=other')).json['databases']).toEqual([]);
  });

  test('users come with role, password and plugin', async () => {
    const path = `/v2/databases/${clusterId}/users`;
    expect((await api('GET', `${path}/wordpress`)).json['user']).toEqual({
      ...{ name: 'wordpress', role: 'normal', password: 'wordpress-secret' },
      mysql_settings: { auth_plugin: 'caching_sha2_password' },
    });
    expect((await api('GET', path)).json['users']).toHaveLength(2);
    expect((await api('GET', `${path}/nobody`)).status).toBe(404);
  });

  test('databases are those of the real server', async () => {
    const { json } = await api('GET', `/v2/databases/${clusterId}/dbs`);
    expect(json).toEqual({ dbs: [{ name: 'defaultdb' }, { name: 'wordpress' }] });
  });

  test('a server that does not answer is a documented error', async () => {
    databaseAnswers = false;
    const { status, json } = await api('GET', `/v2/databases/${clusterId}/dbs`);
    expect([status, json['id']]).toEqual([500, 'server_error']);
  });

  test('trusted sources are listed', async () => {
    expect((await api('GET', `/v2/databases/${clusterId}/firewall`)).json).toEqual({ rules: [] });
  });

  test.each(['9cc10173-e9ea-4176-9dbc-a4cee4c4ff3f', 'no-uuid'])(
    'cluster %s is not found, by any operation',
    async (id) => {
      for (const rest of ['', '/ca', '/firewall', '/users', '/users/doadmin', '/dbs']) {
        const { status, json } = await api('GET', `/v2/databases/${id}${rest}`);
        expect([status, json['id']]).toEqual([404, 'not_found']);
      }
    },
  );
});

describe('changing databases', () => {
  const wanted = {
    ...{ name: 'acme-restored', engine: 'mysql', region: 'nyc3', size: 'db-s-1vcpu-1gb' },
    ...{ num_nodes: 1, backup_restore: { database_name: 'acme-db' } },
  };
  const backup = (id: string, createdAt: string) => ({
    ...{ id, clusterId, createdAt, sizeBytes: 5e7, firstLog: 'binlog.000001' },
  });
  const create = (changed: object = {}) => api('POST', '/v2/databases', { ...wanted, ...changed });
  const at = (time: string) => ({
    backup_restore: { database_name: 'acme-db', backup_created_at: time },
  });

  beforeEach(() => {
    backups = [
      backup('first', '2026-11-23T10:00:00.400Z'),
      backup('second', '2026-11-23T11:00:00.400Z'),
    ];
  });

  const keptClusters = async () =>
    (JSON.parse(await readFile(join(folder, 'databases.json'), 'utf8')) as DatabasesState).clusters;

  test.each([
    ['the newest backup', {}, null, 'second'],
    ['a time after the newest', at('2026-11-23T11:30:00Z'), '2026-11-23T11:30:00.000Z', 'second'],
    ['a time between two', at('2026-11-23T10:59:59.9Z'), '2026-11-23T10:59:59.000Z', 'first'],
    // That second is not over before the backup is.
    ['the second of a backup', at('2026-11-23T11:00:00Z'), '2026-11-23T11:00:00.000Z', 'first'],
  ])('a fork as of %s begins with the right backup', async (_, changed, time, id) => {
    const { status, json } = await create({
      ...changed,
      rules: [{ type: 'ip_addr', value: '192.0.2.7' }],
    });
    expect(status).toBe(201);
    expect(json['database']).toMatchObject({
      ...{ name: 'acme-restored', status: 'creating' },
      connection: { host: 'acme-restored.db.presslift.test', port: 13310 },
      private_connection: { host: 'acme-restored.private-db.presslift.test', port: 13310 },
      rules: [{ type: 'ip_addr', value: '192.0.2.7' }],
    });
    expect((await keptClusters())[1]?.fork).toMatchObject({ at: time, backupId: id });
    // Nobody may come in before the rules are there.
    expect(events).toEqual(['firewall', 'make acme-restored']);
  });

  test.each([
    ['a time before all backups', at('2026-11-23T09:00:00Z'), 'no backup from before'],
    ['a time to come', at('2026-11-23T13:00:00Z'), 'in the future'],
    ['a name that is taken', { name: 'acme-db' }, 'not available'],
    ['a name that is none', { name: 'Acme_DB' }, 'invalid cluster name'],
    ['another engine', { engine: 'pg' }, 'MySQL alone'],
    ['no backup', { backup_restore: undefined }, 'from a backup alone'],
    ['an unknown source', { backup_restore: { database_name: 'other' } }, 'does not exist'],
    ['no region', { region: undefined }, 'region'],
    ['a rule of another type', { rules: [{ type: 'asn', value: '1' }] }, 'allowed values'],
  ])('%s is refused and nothing is made', async (_, changed, message) => {
    const { status, json } = await create(changed);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(json['message']).toContain(message);
    expect(events).toEqual([]);
  });

  test('a deleted cluster is gone, the sandbox’s own stays', async () => {
    const { json } = await create();
    const { id } = json['database'] as { id: string };
    events.length = 0;
    expect((await api('DELETE', `/v2/databases/${id}`)).status).toBe(204);
    expect(events).toEqual(['remove acme-restored', 'forget acme-restored']);
    expect((await api('GET', `/v2/databases/${id}`)).status).toBe(404);
    expect((await api('DELETE', `/v2/databases/${clusterId}`)).json['id']).toBe('forbidden');
  });

  test('trusted sources are replaced as a whole', async () => {
    const path = `/v2/databases/${clusterId}/firewall`;
    const put = (...values: string[]) =>
      api('PUT', path, { rules: values.map((value) => ({ type: 'tag', value })) });
    expect((await put('a', 'b')).status).toBe(204);
    expect((await put('c')).status).toBe(204);
    const { rules } = (await api('GET', path)).json as { rules: object[] };
    expect(rules).toMatchObject([{ type: 'tag', value: 'c', cluster_uuid: clusterId }]);
    expect(events).toEqual(['firewall', 'firewall']);
  });

  test('a reset password is set on the server, shown, and kept with the sandbox’s', async () => {
    const path = `/v2/databases/${clusterId}/users/wordpress/reset_auth`;
    const { status, json } = await api('POST', path, {});
    const { password } = json['user'] as { password: string };
    expect(status).toBe(200);
    expect(password).not.toBe('wordpress-secret');
    expect(changed).toEqual([['db.presslift.test', 'wordpress', password]]);
    expect(events).toEqual(['password of wordpress']);
    expect(logged.join()).not.toContain(password);
    const old = { mysql_settings: { auth_plugin: 'mysql_native_password' } };
    expect((await api('POST', path, old)).status).toBe(422);
  });

  test('users and databases are made and deleted', async () => {
    const users = `/v2/databases/${clusterId}/users`;
    const { json } = await api('POST', users, { name: 'reader' });
    expect(json['user']).toMatchObject({ name: 'reader', role: 'normal' });
    expect((await api('POST', users, { name: 'reader' })).status).toBe(422);
    expect((await api('DELETE', `${users}/reader`)).status).toBe(204);
    expect((await api('DELETE', `${users}/doadmin`)).status).toBe(422);
    const databases = `/v2/databases/${clusterId}/dbs`;
    expect((await api('POST', databases, { name: 'shop' })).json).toEqual({ db: { name: 'shop' } });
    expect((await api('GET', `${databases}/shop`)).status).toBe(200);
    expect((await api('DELETE', `${databases}/shop`)).status).toBe(204);
    expect((await api('GET', `${databases}/shop`)).status).toBe(404);
  });
});

describe('NFS', () => {
  const product = () => createDigitalOcean({ token: new Secret(token), endpoint });

  async function share() {
    const wanted = { name: 'wp-content', size_gib: 50, region: 'nyc3', vpc_ids: ['vpc'] };
    const { json } = await api('POST', '/v2/nfs', wanted);
    const { id } = json['share'] as { id: string };
    const kept = JSON.parse(await readFile(join(folder, 'nfs.json'), 'utf8')) as NfsState;
    return { id, region: 'nyc3', folder: kept.shares[0]!.folder };
  }

  test('a snapshot is a copy under its own name, and later changes do not touch it', async () => {
    const { id, region, folder: files } = await share();
    await mkdir(join(files, 'plugins'));
    await writeFile(join(files, 'plugins/a.php'), 'then', { mode: 0o640 });
    await writeFile(join(files, '.hidden'), 'too');
    const client = product();
    await client.createNfsSnapshot({ id, region }, 'daily');
    await expect
      .poll(async () => (await client.nfsSnapshots({ id, region }))[0]?.status)
      .toBe('ACTIVE');
    await writeFile(join(files, 'plugins/a.php'), 'now');
    await client.createNfsSnapshot({ id, region }, 'weekly');
    await expect
      .poll(async () => (await client.nfsSnapshots({ id, region })).map(({ status }) => status))
      .toEqual(['ACTIVE', 'ACTIVE']);
    const read = (path: string) => readFile(join(files, '.snapshot', path), 'utf8');
    expect(await read('daily/plugins/a.php')).toBe('then');
    expect(await read('daily/.hidden')).toBe('too');
    expect(await read('weekly/plugins/a.php')).toBe('now');
    expect((await stat(join(files, '.snapshot/daily/plugins/a.php'))).mode & 0o777).toBe(0o640);
    expect(await readdir(join(files, '.snapshot/weekly'))).not.toContain('.snapshot');

    const [snapshot] = (await client.nfsSnapshots({ id, region })).filter(
      ({ name }) => name === 'daily',
    );
    expect(await client.nfsSnapshot(snapshot!.id, region)).toEqual(snapshot);
    await client.deleteNfsSnapshot(snapshot!.id, region);
    await client.deleteNfsSnapshot(snapshot!.id, region);
    expect(await readdir(join(files, '.snapshot'))).toEqual(['weekly']);
  });

  test('a name that is taken, another region and a share that is too small are refused', async () => {
    const { id, region } = await share();
    const client = product();
    await client.createNfsSnapshot({ id, region }, 'daily');
    await expect(client.createNfsSnapshot({ id, region }, 'daily')).rejects.toMatchObject({
      type: 'Conflict',
    });
    expect(await client.nfsSnapshots({ id, region: 'ams3' })).toEqual([]);
    await expect(client.nfsShare('other')).rejects.toMatchObject({ type: 'NotFound' });
    expect(await client.nfsShare(id)).toMatchObject({ id, status: 'ACTIVE', sizeGib: 50 });
    const small = { name: 'x', size_gib: 49, region, vpc_ids: [] };
    expect((await api('POST', '/v2/nfs', small)).json['id']).toBe('bad_request');
  });

  test('a copy that broke off with the process has failed at the next start', async () => {
    const { id, region } = await share();
    await product().createNfsSnapshot({ id, region }, 'daily');
    await nfs.settled();
    const kept = JSON.parse(await readFile(join(folder, 'nfs.json'), 'utf8')) as NfsState;
    kept.snapshots[0]!.status = 'CREATING';
    await writeFile(join(folder, 'nfs.json'), JSON.stringify(kept));
    await start();
    await nfs.resume();
    expect(await product().nfsSnapshots({ id, region })).toMatchObject([{ status: 'FAILED' }]);
  });

  test('a deleted share is gone with its snapshots', async () => {
    const { id, region, folder: files } = await share();
    await product().createNfsSnapshot({ id, region }, 'daily');
    await expect
      .poll(async () => (await product().nfsSnapshots({ id, region }))[0]?.status)
      .toBe('ACTIVE');
    expect((await api('DELETE', `/v2/nfs/${id}?region=nyc3`)).status).toBe(204);
    expect((await api('GET', '/v2/nfs/snapshots?region=nyc3')).json).toEqual({ snapshots: [] });
    await expect(stat(files)).rejects.toThrow();
  });
});

describe('faults', () => {
  const setFaults = (faults: object[], limits?: object) =>
    fetch(`${endpoint}/control/faults`, {
      method: 'PUT',
      body: JSON.stringify({ faults, limits }),
    });
  const status = async () => (await api('GET', '/v2/databases')).status;

  test('are answered as documented, as often as asked for, and by the operation alone', async () => {
    await setFaults([{ operation: 'databases_list_clusters', status: 500, times: 2 }]);
    expect((await api('GET', `/v2/databases/${clusterId}`)).status).toBe(200);
    expect([await status(), await status(), await status()]).toEqual([500, 500, 200]);
    await setFaults([{ status: 429, retryAfterSeconds: 7, times: 1 }]);
    const { headers, json } = await api('GET', '/v2/databases');
    expect([headers.get('retry-after'), json['id']]).toEqual(['7', 'too_many_requests']);
  });

  test('can say that the hour is used up, or be a page of something in between', async () => {
    await setFaults([{ status: 429, resetAfterSeconds: 600, times: 1 }]);
    const { headers } = await api('GET', '/v2/databases');
    expect(headers.get('retry-after')).toBeNull();
    expect(headers.get('ratelimit-remaining')).toBe('0');
    expect(Number(headers.get('ratelimit-reset'))).toBe(clock.getTime() / 1000 + 600);
    await setFaults([{ status: 200, notJson: true }]);
    const page = await fetch(`${endpoint}/v2/databases`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html']);
  });

  test.each([
    ['an operation that there is not', { operation: 'databases_get_clusters' }, 'no operation'],
    ['an unknown member', { operation: 'databases_get_cluster', state: 500 }, 'state'],
    ['a status that is none', { status: '500' }, 'number'],
    ['an error that is none', { status: 204 }, 'from 400 on'],
    ['a fault that never fires', { status: 500, times: 0 }, 'times'],
  ])('with %s are refused, and those of before stay', async (_, fault, message) => {
    await setFaults([{ status: 503 }]);
    const refused = await setFaults([fault]);
    expect(refused.status).toBe(400);
    expect(((await refused.json()) as { message: string }).message).toContain(message);
    expect(await status()).toBe(503);
  });

  test('can lose the answer of what was done', async () => {
    await setFaults([{ operation: 'databases_reset_auth', disconnect: true, after: true }]);
    const lost = api('POST', `/v2/databases/${clusterId}/users/wordpress/reset_auth`, {});
    await expect(lost).rejects.toThrow();
    expect(changed).toHaveLength(1);
  });

  test('include other limits, and end when they are taken away', async () => {
    await setFaults([], { perHour: 2, perMinute: 250 });
    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    await setFaults([], { perHour: 5_000, perMinute: 250 });
    expect(await status()).toBe(200);
    const told = (await (await fetch(`${endpoint}/control/faults`)).json()) as object;
    expect(told).toEqual({ faults: [], limits: { perHour: 5_000, perMinute: 250 } });
  });

  test('are no part of the API', async () => {
    expect((await fetch(`${endpoint}/control/other`)).status).toBe(404);
    expect((await api('GET', '/v2/control/faults')).status).toBe(404);
  });
});

describe('Spaces keys', () => {
  const media = { bucket: 'acme-media', permission: 'readwrite' };
  const create = (name: string, grants: unknown = [media]) =>
    api('POST', '/v2/spaces/keys', { name, grants });

  test.each([
    ['mixed full and limited', [media, { bucket: '', permission: 'fullaccess' }], 'cannot mix'],
    ['an unknown permission', [{ bucket: 'acme-media', permission: 'own' }], 'invalid permission'],
    ['a wildcard for a bucket', [{ bucket: '*', permission: 'read' }], 'invalid bucket name'],
    ['a grant without a bucket', [{ permission: 'read' }], 'bucket'],
    ['grants that are no list', 'all', 'must be array'],
  ])('%s is refused and makes no account', async (_, grants, message) => {
    const { status, json } = await create('bad', grants);
    expect([status, json['id']]).toEqual([400, 'bad_request']);
    expect(json['message']).toContain(message);
    expect(accounts.size).toBe(0);
  });

  test('a body that is missing or no JSON is refused', async () => {
    expect((await api('POST', '/v2/spaces/keys')).status).toBe(400);
    expect((await api('POST', '/v2/spaces/keys', '{')).status).toBe(400);
  });

  test('the name can be changed, by PUT and PATCH, the grants cannot', async () => {
    await create('old');
    for (const [method, name] of [
      ['PUT', 'new'],
      ['PATCH', 'newer'],
    ] as const) {
      const { status, json } = await api(method, '/v2/spaces/keys/KEY1', { name });
      expect([status, json['key']]).toMatchObject([200, { name, grants: [media] }]);
    }
    const grants = [{ bucket: 'other', permission: 'read' }];
    expect((await api('PUT', '/v2/spaces/keys/KEY1', { name: 'x', grants })).status).toBe(400);
    expect((await api('GET', '/v2/spaces/keys/KEY1')).json['key']).toMatchObject({ name: 'newer' });
  });

  test('a key that does not exist is not found', async () => {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const body = method.startsWith('P') ? { name: 'x' } : undefined;
      expect((await api(method, '/v2/spaces/keys/NONE', body)).status).toBe(404);
    }
  });

  test('lists are paged, with links to the other pages only', async () => {
    for (const name of ['one', 'two', 'three', 'four', 'five']) {
      clock = new Date(clock.getTime() + 1000);
      await create(name);
    }
    const names = ({ json }: { json: Record<string, unknown> }) =>
      (json['keys'] as { name: string }[]).map(({ name }) => name);
    const first = await api('GET', '/v2/spaces/keys?per_page=2');
    expect(names(first)).toEqual(['five', 'four']);
    expect(first.json['meta']).toEqual({ total: 5 });
    expect(first.json['links']).toEqual({
      pages: {
        next: `${endpoint}/v2/spaces/keys?per_page=2&page=2`,
        last: `${endpoint}/v2/spaces/keys?per_page=2&page=3`,
      },
    });
    const last = await api('GET', '/v2/spaces/keys?per_page=2&page=3');
    expect(names(last)).toEqual(['one']);
    expect(Object.keys((last.json['links'] as { pages: object }).pages)).toEqual(['first', 'prev']);
    expect((await api('GET', '/v2/spaces/keys')).json['links']).toEqual({});
    const sorted = await api('GET', '/v2/spaces/keys?sort=name&sort_direction=asc&per_page=1');
    expect(names(sorted)).toEqual(['five']);
  });

  test('lists are filtered by name, bucket and permission', async () => {
    await create('a');
    await create('b', [{ bucket: 'other', permission: 'read' }]);
    const total = async (query: string) =>
      (await api('GET', `/v2/spaces/keys?${query}`)).json['meta'];
    expect(await total('name=a')).toEqual({ total: 1 });
    expect(await total('bucket=other')).toEqual({ total: 1 });
    expect(await total('permission=read')).toEqual({ total: 1 });
    expect(await total('bucket=none')).toEqual({ total: 0 });
  });

  test('a page of no or too many entries breaks the specification', async () => {
    for (const query of ['per_page=0', 'per_page=201', 'page=first']) {
      expect((await api('GET', `/v2/spaces/keys?${query}`)).status).toBe(422);
    }
  });

  test('keys outlive the process; the file is the owner’s alone and has no secret', async () => {
    await create('kept');
    await start();
    expect((await api('GET', '/v2/spaces/keys')).json['meta']).toEqual({ total: 1 });
    expect((await stat(keysFile())).mode & 0o777).toBe(0o600);
    expect(await readFile(keysFile(), 'utf8')).not.toContain('shown-once');
  });

  test('keys created at the same time are all kept', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => create(name)));
    expect((await api('GET', '/v2/spaces/keys')).json['meta']).toEqual({ total: 4 });
  });
});

describe('every answer', () => {
  test('has a request id and the hourly quota', async () => {
    const { headers } = await api('GET', '/v2/databases');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get('ratelimit-limit')).toBe('5000');
    expect(headers.get('ratelimit-remaining')).toBe('4999');
    expect(Number(headers.get('ratelimit-reset'))).toBe(clock.getTime() / 1000 + 3600);
  });

  test('without a token, or with a wrong one, is 401 as documented', async () => {
    const without = await fetch(`${endpoint}/v2/databases`);
    expect(without.status).toBe(401);
    const { status, json } = await api('GET', '/v2/databases', undefined, 'wrong');
    expect(status).toBe(401);
    expect(json).toMatchObject({ id: 'unauthorized', message: 'Unable to authenticate you.' });
  });

  test('beyond the limit of a minute is 429 until the minute is over', async () => {
    await start({ limits: { perHour: 10, perMinute: 2 } });
    const status = async () => (await api('GET', '/v2/databases')).status;
    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    const { headers } = await api('GET', '/v2/databases');
    expect(headers.get('retry-after')).toBe('60');
    // As the specification says of a burst, however many are left in the hour.
    expect(headers.get('ratelimit-remaining')).toBe('0');
    clock = new Date(clock.getTime() + 60_001);
    expect(await status()).toBe(200);
  });

  test('beyond the limit of an hour is 429', async () => {
    await start({ limits: { perHour: 2, perMinute: 250 } });
    const status = async () => (await api('GET', '/v2/databases')).status;
    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    const { headers } = await api('GET', '/v2/databases');
    expect(headers.get('retry-after')).toBeNull();
    expect(headers.get('ratelimit-remaining')).toBe('0');
    expect(Number(headers.get('ratelimit-reset'))).toBe(clock.getTime() / 1000 + 3600);
  });

  test('of another path or method is 404', async () => {
    expect((await api('GET', '/v2/droplets')).status).toBe(404);
    expect((await api('DELETE', `/v2/databases/${clusterId}/ca`)).status).toBe(404);
  });

  test('that would break the specification is a loud error instead', async () => {
    expectViolations = true;
    const broken = async () => ({ status: 200, body: { database: { name: 'half a cluster' } } });
    await start({ handlers: { ...handlers(), databases_get_cluster: broken } });
    const { status, json } = await api('GET', `/v2/databases/${clusterId}`);
    expect([status, json['id']]).toEqual([500, 'stand_in_mistake']);
    expect(json['message']).toContain("must have required property 'engine'");
    expect(logged.join('\n')).toContain('BROKEN ANSWER');
    expect((await fetch(`${endpoint}/healthz`)).status).toBe(500);
  });

  test('leaves no secret in the log', async () => {
    await api('GET', `/v2/databases/${clusterId}`);
    await api('POST', '/v2/spaces/keys', { name: 'x', grants: [] });
    expect(logged).not.toHaveLength(0);
    for (const secret of [token, 'admin-secret', 'wordpress-secret', 'shown-once']) {
      expect(logged.join('\n')).not.toContain(secret);
    }
  });
});

test('an operation without a handler is told at the start', () => {
  const incomplete = handlers();
  delete incomplete['databases_get_ca'];
  expect(() => createStandIn({ token, handlers: incomplete })).toThrow('databases_get_ca');
});
