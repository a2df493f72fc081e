/** Database clusters of the stand-in for DigitalOcean: forks, users, databases, trusted sources. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { DatabasesState } from '../../../deploy/sandbox/stand-ins/digitalocean/clusters.ts';
import { clusterId, DigitalOceanLab } from '../../support/digitalocean-lab.ts';

const lab = new DigitalOceanLab();
const { api } = lab;

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
    lab.databaseAnswers = false;
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
    lab.backups = [
      backup('first', '2026-11-23T10:00:00.400Z'),
      backup('second', '2026-11-23T11:00:00.400Z'),
    ];
  });

  const keptClusters = async () =>
    (JSON.parse(await readFile(join(lab.folder, 'databases.json'), 'utf8')) as DatabasesState)
      .clusters;

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
    expect(lab.events).toEqual(['firewall', 'make acme-restored']);
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
    expect(lab.events).toEqual([]);
  });

  test('a deleted cluster is gone, the sandbox’s own stays', async () => {
    const { json } = await create();
    const { id } = json['database'] as { id: string };
    lab.events.length = 0;
    expect((await api('DELETE', `/v2/databases/${id}`)).status).toBe(204);
    expect(lab.events).toEqual(['remove acme-restored', 'forget acme-restored']);
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
    expect(lab.events).toEqual(['firewall', 'firewall']);
  });

  test('a reset password is set on the server, shown, and kept with the sandbox’s', async () => {
    const path = `/v2/databases/${clusterId}/users/wordpress/reset_auth`;
    const { status, json } = await api('POST', path, {});
    const { password } = json['user'] as { password: string };
    expect(status).toBe(200);
    expect(password).not.toBe('wordpress-secret');
    expect(lab.changed).toEqual([['db.presslift.test', 'wordpress', password]]);
    expect(lab.events).toEqual(['password of wordpress']);
    expect(lab.logged.join()).not.toContain(password);
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
