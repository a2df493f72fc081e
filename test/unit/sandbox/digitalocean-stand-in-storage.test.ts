/** NFS shares with their snapshots and keys of Spaces in the stand-in for DigitalOcean. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { NfsState } from '../../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import { createDigitalOcean } from '../../../src/activities/digitalocean/client.ts';
import { Secret } from '../../../src/activities/secrets/secret.ts';
import { token, DigitalOceanLab } from '../../support/digitalocean-lab.ts';

const lab = new DigitalOceanLab();
const { start, api, keysFile } = lab;

describe('NFS', () => {
  const product = () => createDigitalOcean({ token: new Secret(token), endpoint: lab.endpoint });

  async function share() {
    const wanted = { name: 'wp-content', size_gib: 50, region: 'nyc3', vpc_ids: ['vpc'] };
    const { json } = await api('POST', '/v2/nfs', wanted);
    const { id } = json['share'] as { id: string };
    const kept = JSON.parse(await readFile(join(lab.folder, 'nfs.json'), 'utf8')) as NfsState;
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
    await lab.nfs.settled();
    const kept = JSON.parse(await readFile(join(lab.folder, 'nfs.json'), 'utf8')) as NfsState;
    kept.snapshots[0]!.status = 'CREATING';
    await writeFile(join(lab.folder, 'nfs.json'), JSON.stringify(kept));
    await start();
    await lab.nfs.resume();
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
    expect(lab.accounts.size).toBe(0);
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
      lab.clock = new Date(lab.clock.getTime() + 1000);
      await create(name);
    }
    const names = ({ json }: { json: Record<string, unknown> }) =>
      (json['keys'] as { name: string }[]).map(({ name }) => name);
    const first = await api('GET', '/v2/spaces/keys?per_page=2');
    expect(names(first)).toEqual(['five', 'four']);
    expect(first.json['meta']).toEqual({ total: 5 });
    expect(first.json['links']).toEqual({
      pages: {
        next: `${lab.endpoint}/v2/spaces/keys?per_page=2&page=2`,
        last: `${lab.endpoint}/v2/spaces/keys?per_page=2&page=3`,
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
