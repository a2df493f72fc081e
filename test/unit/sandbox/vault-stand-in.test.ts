/** Proves that the stand-in for Vault answers as the KV version 2 HTTP API is published: paths, bodies, status codes. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { close, listen } from '../../../deploy/sandbox/stand-ins/http.ts';
import { JsonFile } from '../../../deploy/sandbox/stand-ins/json-file.ts';
import type { Secrets } from '../../../deploy/sandbox/stand-ins/vault/secrets.ts';
import { createVaultStandIn } from '../../../deploy/sandbox/stand-ins/vault/server.ts';

const token = 'hvs.test';

let folder: string;
let server: Server;
let endpoint: string;
const logged: string[] = [];

interface Body {
  errors?: string[];
  data?: Record<string, unknown>;
}

async function start(): Promise<void> {
  server = createVaultStandIn({
    token,
    secrets: new JsonFile<Secrets>(join(folder, 'secrets.json'), () => ({})),
    log: (line) => void logged.push(line),
  });
  endpoint = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}`;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) {
  const answer = await fetch(`${endpoint}/v1/${path}`, {
    method,
    headers: headers ?? { 'x-vault-token': token },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Body };
}

const write = (data: unknown, options?: unknown) =>
  call('POST', 'secret/data/acme/db', { data, options });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-vault-'));
  logged.length = 0;
  await start();
});

afterEach(async () => {
  await close(server);
  await rm(folder, { recursive: true });
});

describe('tokens', () => {
  test.each([{}, { 'x-vault-token': 'hvs.other' }, { 'x-vault-token': '' }])(
    'are needed: %o is denied',
    async (headers) => {
      const answer = await call(
        'GET',
        'secret/data/acme/db',
        undefined,
        headers as Record<string, string>,
      );
      expect(answer).toEqual({ status: 403, body: { errors: ['permission denied'] } });
    },
  );

  test('come by either header', async () => {
    const bearer = { authorization: `Bearer ${token}` };
    expect((await call('GET', 'secret/data/none', undefined, bearer)).status).toBe(404);
  });
});

describe('data', () => {
  test('is read as it was written, with its version', async () => {
    const written = await write({ username: 'wordpress', password: 'p' });
    expect(written.status).toBe(200);
    expect(written.body.data).toMatchObject({ version: 1, destroyed: false, deletion_time: '' });
    const { status, body } = await call('GET', 'secret/data/acme/db');
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      data: { username: 'wordpress', password: 'p' },
      metadata: { version: 1, custom_metadata: null },
    });
  });

  test('that is missing is 404 without an error', async () => {
    expect(await call('GET', 'secret/data/none')).toEqual({ status: 404, body: { errors: [] } });
  });

  test('of an older version stays readable', async () => {
    await write({ n: 1 });
    await write({ n: 2 });
    expect((await call('GET', 'secret/data/acme/db')).body.data).toMatchObject({ data: { n: 2 } });
    const old = await call('GET', 'secret/data/acme/db?version=1');
    expect(old.body.data).toMatchObject({ data: { n: 1 }, metadata: { version: 1 } });
    expect((await call('GET', 'secret/data/acme/db?version=3')).status).toBe(404);
    expect((await call('GET', 'secret/data/acme/db?version=one')).status).toBe(400);
  });

  test('is written only over the version that the writer knows', async () => {
    expect((await write({ n: 1 }, { cas: 0 })).status).toBe(200);
    const refused = await write({ n: 2 }, { cas: 0 });
    expect(refused.status).toBe(400);
    expect(refused.body.errors?.[0]).toContain('did not match the current version');
    expect((await write({ n: 2 }, { cas: 1 })).status).toBe(200);
  });

  test('without a body of the right form is refused', async () => {
    expect((await call('POST', 'secret/data/x', {})).body.errors).toEqual(['no data provided']);
    expect((await call('POST', 'secret/data/x', '{')).status).toBe(400);
    expect((await call('POST', 'secret/data/x', '[]')).status).toBe(400);
  });

  test('that was deleted is 404 with its metadata, until it is undeleted', async () => {
    await write({ n: 1 });
    expect((await call('DELETE', 'secret/data/acme/db')).status).toBe(204);
    const gone = await call('GET', 'secret/data/acme/db');
    expect([gone.status, gone.body.data?.['data']]).toEqual([404, null]);
    expect(gone.body.data?.['metadata']).toMatchObject({ version: 1, destroyed: false });
    expect((await call('POST', 'secret/undelete/acme/db', { versions: [1] })).status).toBe(204);
    expect((await call('GET', 'secret/data/acme/db')).status).toBe(200);
  });

  test('that was destroyed does not come back', async () => {
    await write({ n: 1 });
    expect((await call('PUT', 'secret/destroy/acme/db', { versions: [1] })).status).toBe(204);
    await call('POST', 'secret/undelete/acme/db', { versions: [1] });
    const gone = await call('GET', 'secret/data/acme/db');
    expect(gone.status).toBe(404);
    expect(gone.body.data?.['metadata']).toMatchObject({ destroyed: true });
    expect((await call('POST', 'secret/delete/acme/db', {})).status).toBe(400);
  });

  test('keeps ten versions, or as many as its metadata say', async () => {
    for (let n = 1; n <= 11; n += 1) await write({ n });
    expect((await call('GET', 'secret/data/acme/db?version=1')).status).toBe(404);
    expect((await call('GET', 'secret/data/acme/db?version=2')).status).toBe(200);
    await call('POST', 'secret/metadata/acme/db', { max_versions: 2 });
    await write({ n: 12 });
    const { body } = await call('GET', 'secret/metadata/acme/db');
    expect(Object.keys(body.data?.['versions'] as object)).toEqual(['11', '12']);
    expect(body.data).toMatchObject({ current_version: 12, oldest_version: 11, max_versions: 2 });
  });
});

describe('metadata', () => {
  test('lists names and folders', async () => {
    await call('POST', 'secret/data/acme/db', { data: {} });
    await call('POST', 'secret/data/acme/deep/er', { data: {} });
    const list = (path: string) => call('GET', `secret/metadata${path}?list=true`);
    expect((await list('/acme')).body.data).toEqual({ keys: ['db', 'deep/'] });
    expect((await list('/acme/')).body.data).toEqual({ keys: ['db', 'deep/'] });
    expect((await list('')).body.data).toEqual({ keys: ['acme/'] });
    expect(await list('/none')).toEqual({ status: 404, body: { errors: [] } });
  });

  test('can demand check-and-set', async () => {
    await call('POST', 'secret/metadata/acme/db', {
      cas_required: true,
      custom_metadata: { owner: 'dba' },
    });
    expect((await write({ n: 1 })).body.errors).toEqual([
      'check-and-set parameter required for this call',
    ]);
    expect((await write({ n: 1 }, { cas: 0 })).status).toBe(200);
    const { body } = await call('GET', 'secret/data/acme/db');
    expect(body.data?.['metadata']).toMatchObject({ custom_metadata: { owner: 'dba' } });
  });

  test('removed takes every version with it', async () => {
    await write({ n: 1 });
    expect((await call('DELETE', 'secret/metadata/acme/db')).status).toBe(204);
    expect((await call('GET', 'secret/data/acme/db')).status).toBe(404);
    expect((await call('GET', 'secret/metadata/acme/db')).status).toBe(404);
  });
});

test('health needs no token', async () => {
  const { status, body } = await call('GET', 'sys/health', undefined, {});
  expect([status, body]).toMatchObject([200, { initialized: true, sealed: false, standby: false }]);
});

test('other mounts and operations are told apart from missing secrets', async () => {
  const { status, body } = await call('GET', 'kv/data/x');
  expect(status).toBe(404);
  expect(body.errors?.[0]).toContain('no handler for route');
  expect((await call('GET', 'secret/config')).status).toBe(405);
});

test('secrets outlive the process in a file of the owner alone, and none is logged', async () => {
  await write({ password: 'planted-secret' });
  await close(server);
  await start();
  expect((await call('GET', 'secret/data/acme/db')).body.data).toMatchObject({
    data: { password: 'planted-secret' },
  });
  expect((await stat(join(folder, 'secrets.json'))).mode & 0o777).toBe(0o600);
  expect(logged).toContain('GET /v1/secret/data/acme/db 200');
  expect(logged.join()).not.toContain('planted-secret');
});
