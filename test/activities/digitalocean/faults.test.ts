/**
 * Proves what the client makes of answers that go wrong, against the stand-in that follows the published specification: which
 * failure of the table they are, what wait they carry to Temporal, and that nothing incomplete passes for empty.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fault } from '../../../deploy/sandbox/stand-ins/digitalocean/faults.ts';
import { createNfs } from '../../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import {
  createStandIn,
  type Handlers,
  type StandIn,
} from '../../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { spacesKeyHandlers } from '../../../deploy/sandbox/stand-ins/digitalocean/spaces-keys.ts';
import { loadSpecification } from '../../../deploy/sandbox/stand-ins/digitalocean/specification.ts';
import { close, listen } from '../../../deploy/sandbox/stand-ins/http.ts';
import { JsonFile } from '../../../deploy/sandbox/stand-ins/json-file.ts';
import {
  createDigitalOcean,
  type DigitalOcean,
} from '../../../src/activities/digitalocean/client.ts';
import { Secret } from '../../../src/activities/secrets/secret.ts';

const token = 'dop_v1_faults';
const id = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';

let folder: string;
let standIn: StandIn;
let endpoint: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-faults-'));
  const others = loadSpecification().operations.map(({ id: operation }) => [
    operation,
    () => Promise.reject(new Error(`${operation} is not asked here`)),
  ]);
  const file = <T>(name: string, initial: T) => new JsonFile(join(folder, name), () => initial);
  const accounts = { create: () => Promise.reject(new Error('no keys')), remove: async () => {} };
  const now = () => new Date();
  standIn = createStandIn({
    token,
    handlers: {
      ...Object.fromEntries(others),
      ...createNfs(file('nfs.json', { shares: [], snapshots: [] }), folder, now).handlers,
      ...spacesKeyHandlers(file('keys.json', { keys: [] }), accounts, now),
      databases_list_firewall_rules: async () => ({ status: 200, body: { rules: [] } }),
    } as Handlers,
  });
  endpoint = `http://127.0.0.1:${await listen(standIn.server, '127.0.0.1', 0)}`;
});
beforeEach(() => standIn.faults.set([]));
afterAll(async () => {
  await close(standIn.server);
  await rm(folder, { recursive: true });
  expect(standIn.violations).toEqual([]);
});

const product = (options: { timeoutMs?: number; fetch?: typeof fetch } = {}) =>
  createDigitalOcean({ token: new Secret(token), endpoint, ...options });

const calls: [string, (api: DigitalOcean) => Promise<unknown>][] = [
  ['databases', (api) => api.trustedSources(id)],
  ['NFS', (api) => api.nfsSnapshots({ id, region: 'nyc3' })],
  ['Spaces', (api) => api.spacesKeys({})],
];

async function failureOf(call: Promise<unknown>): Promise<{ type: string; waitMs: unknown }> {
  try {
    await call;
  } catch (error) {
    const { type, nextRetryDelay } = error as { type: string; nextRetryDelay?: unknown };
    expect(String(error)).not.toContain(token);
    return { type, waitMs: nextRetryDelay ?? null };
  }
  throw new Error('It did not fail');
}

describe.each(calls)('a call for %s', (_, call) => {
  it('is answered when nothing goes wrong', async () => {
    expect(await call(product())).toEqual([]);
  });

  it.each<[string, Fault, string, number | null]>([
    ['a bad request', { status: 400 }, 'InvalidInput', null],
    ['a wrong token', { status: 401 }, 'Unauthorized', null],
    ['a token without the right', { status: 403 }, 'Forbidden', null],
    ['a missing thing', { status: 404 }, 'NotFound', null],
    ['a conflict', { status: 409 }, 'Conflict', null],
    ['what cannot be done', { status: 422 }, 'InvalidInput', null],
    ['a burst', { status: 429, retryAfterSeconds: 7 }, 'RateLimited', 7_000],
    ['an error of the server', { status: 500 }, 'Unavailable', null],
    ['an outage with an end', { status: 503, retryAfterSeconds: 5 }, 'Unavailable', 5_000],
    ['no answer', { disconnect: true }, 'Unavailable', null],
    ['a lost answer', { disconnect: true, after: true }, 'Unavailable', null],
    ['a proxy that refuses', { status: 403, notJson: true }, 'Forbidden', null],
    [
      'a proxy that slows down',
      { status: 429, notJson: true, retryAfterSeconds: 9 },
      'RateLimited',
      9_000,
    ],
    ['a proxy that finds nothing', { status: 404, notJson: true }, 'Unavailable', null],
    ['a proxy without a server', { status: 502, notJson: true }, 'Unavailable', null],
    ['HTML that claims success', { status: 200, notJson: true }, 'Unavailable', null],
  ])('maps %s', async (_what, fault, type, waitMs) => {
    standIn.faults.set([fault]);
    expect(await failureOf(call(product()))).toEqual({ type, waitMs });
  });

  it('is given up when the answer takes too long', async () => {
    standIn.faults.set([{ delayMs: 3_000, times: 1 }]);
    const { type } = await failureOf(call(product({ timeoutMs: 300 })));
    expect(type).toBe('Unavailable');
  });

  it.each([
    ['until the oldest request expires', 600, 600_000],
    ['for an hour at most', 7_200, 3_600_000],
  ])('waits, with the hour’s requests used up, %s', async (_what, resetAfterSeconds, ms) => {
    standIn.faults.set([{ status: 429, resetAfterSeconds }]);
    const { type, waitMs } = await failureOf(call(product()));
    expect(type).toBe('RateLimited');
    // The header has whole seconds, and time passes on the way.
    expect(waitMs).toBeGreaterThan(ms - 60_000);
    expect(waitMs).toBeLessThanOrEqual(ms);
  });
});

it.each<[string, (api: DigitalOcean) => Promise<unknown>]>([
  ['database cluster', (api) => api.deleteDatabaseCluster(id)],
  ['NFS snapshot', (api) => api.deleteNfsSnapshot(id, 'nyc3')],
  ['Spaces key', (api) => api.deleteSpacesKey('KEY')],
])('a %s counts as gone by the word of the API alone', async (_, remove) => {
  standIn.faults.set([{ status: 404, notJson: true }]);
  expect(await failureOf(remove(product()))).toEqual({ type: 'Unavailable', waitMs: null });
  standIn.faults.set([{ status: 404 }]);
  await remove(product());
});

describe.each<[string, (api: DigitalOcean) => Promise<unknown>]>([
  ...calls,
  ['clusters', (api) => api.databaseClusters()],
  ['one cluster', (api) => api.databaseCluster(id)],
  ['users', (api) => api.databaseUsers(id)],
  ['backups', (api) => api.databaseBackups(id)],
  ['one share', (api) => api.nfsShare(id)],
])('an answer for %s', (_, call) => {
  it.each([
    ['without a body', () => new Response(null, { status: 204 })],
    ['of an empty document', () => Response.json({})],
    [
      'with null for a list',
      () =>
        Response.json({
          ...{ rules: null, databases: null, users: null, backups: null },
          ...{ snapshots: null, keys: null, database: null, share: null },
        }),
    ],
    ['of another document', () => Response.json({ items: [] })],
  ])('%s is incomplete, and not empty', async (_what, answer) => {
    const api = product({ fetch: async () => answer() });
    expect(await failureOf(call(api))).toEqual({ type: 'Unavailable', waitMs: null });
  });
});
