/**
 * Proves that the stand-in for DigitalOcean's API works through the official client, keeps to the published specification, and fails as
 * it is told to. See test/support/digitalocean-lab.ts for what is real here.
 */
import { describe, expect, test } from 'vitest';
import { createStandIn } from '../../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { ca, clusterId, token, DigitalOceanLab } from '../../support/digitalocean-lab.ts';

const lab = new DigitalOceanLab();
const { handlers, start, client, api } = lab;

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
    lab.databaseAnswers = false;
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
    expect(lab.accounts.get('KEY1')).toEqual(grants);

    const listed = await client().spaces.keys.get({ queryParameters: { bucket: 'acme-media' } });
    expect(listed?.keys).toHaveLength(1);
    expect(listed?.keys?.[0]).toMatchObject({ name: 'acme', accessKey: 'KEY1' });
    expect(listed?.keys?.[0]?.secretKey ?? null).toBeNull();

    await client().spaces.keys.byAccess_key('KEY1').delete();
    expect(lab.accounts.size).toBe(0);
    expect((await client().spaces.keys.get())?.keys).toEqual([]);
  });

  test('a wrong token is an error with status 401', async () => {
    const call = client('wrong').databases.byDatabase_cluster_uuid(clusterId).get();
    await expect(call).rejects.toMatchObject({ responseStatusCode: 401 });
  });
});

describe('faults', () => {
  const setFaults = (faults: object[], limits?: object) =>
    fetch(`${lab.endpoint}/control/faults`, {
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
    expect(Number(headers.get('ratelimit-reset'))).toBe(lab.clock.getTime() / 1000 + 600);
    await setFaults([{ status: 200, notJson: true }]);
    const page = await fetch(`${lab.endpoint}/v2/databases`, {
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
    expect(lab.changed).toHaveLength(1);
  });

  test('include other limits, and end when they are taken away', async () => {
    await setFaults([], { perHour: 2, perMinute: 250 });
    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    await setFaults([], { perHour: 5_000, perMinute: 250 });
    expect(await status()).toBe(200);
    const told = (await (await fetch(`${lab.endpoint}/control/faults`)).json()) as object;
    expect(told).toEqual({ faults: [], limits: { perHour: 5_000, perMinute: 250 } });
  });

  test('are no part of the API', async () => {
    expect((await fetch(`${lab.endpoint}/control/other`)).status).toBe(404);
    expect((await api('GET', '/v2/control/faults')).status).toBe(404);
  });
});

describe('every answer', () => {
  test('has a request id and the hourly quota', async () => {
    const { headers } = await api('GET', '/v2/databases');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get('ratelimit-limit')).toBe('5000');
    expect(headers.get('ratelimit-remaining')).toBe('4999');
    expect(Number(headers.get('ratelimit-reset'))).toBe(lab.clock.getTime() / 1000 + 3600);
  });

  test('without a token, or with a wrong one, is 401 as documented', async () => {
    const without = await fetch(`${lab.endpoint}/v2/databases`);
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
    lab.clock = new Date(lab.clock.getTime() + 60_001);
    expect(await status()).toBe(200);
  });

  test('beyond the limit of an hour is 429', async () => {
    await start({ limits: { perHour: 2, perMinute: 250 } });
    const status = async () => (await api('GET', '/v2/databases')).status;
    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    const { headers } = await api('GET', '/v2/databases');
    expect(headers.get('retry-after')).toBeNull();
    expect(headers.get('ratelimit-remaining')).toBe('0');
    expect(Number(headers.get('ratelimit-reset'))).toBe(lab.clock.getTime() / 1000 + 3600);
  });

  test('of another path or method is 404', async () => {
    expect((await api('GET', '/v2/droplets')).status).toBe(404);
    expect((await api('DELETE', `/v2/databases/${clusterId}/ca`)).status).toBe(404);
  });

  test('that would break the specification is a loud error instead', async () => {
    lab.expectViolations = true;
    const broken = async () => ({ status: 200, body: { database: { name: 'half a cluster' } } });
    await start({ handlers: { ...handlers(), databases_get_cluster: broken } });
    const { status, json } = await api('GET', `/v2/databases/${clusterId}`);
    expect([status, json['id']]).toEqual([500, 'stand_in_mistake']);
    expect(json['message']).toContain("must have required property 'engine'");
    expect(lab.logged.join('\n')).toContain('BROKEN ANSWER');
    expect((await fetch(`${lab.endpoint}/healthz`)).status).toBe(500);
  });

  test('leaves no secret in the log', async () => {
    await api('GET', `/v2/databases/${clusterId}`);
    await api('POST', '/v2/spaces/keys', { name: 'x', grants: [] });
    expect(lab.logged).not.toHaveLength(0);
    for (const secret of [token, 'admin-secret', 'wordpress-secret', 'shown-once']) {
      expect(lab.logged.join('\n')).not.toContain(secret);
    }
  });
});

test('an operation without a handler is told at the start', () => {
  const incomplete = handlers();
  delete incomplete['databases_get_ca'];
  expect(() => createStandIn({ token, handlers: incomplete })).toThrow('databases_get_ca');
});
