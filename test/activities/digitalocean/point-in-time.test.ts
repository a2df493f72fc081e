/**
 * Proves the stand-in's database clusters through the product's own client, against real MySQL servers: a fork has every row
 * of before the wanted second and none of after it, its passwords are its own, it goes on when the stand-in ends, and nothing
 * of it is left when it is deleted. Packet filter rules and host names are the sandbox's matter, and not here.
 */
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ManagedDatabase } from '../../../src/activities/digitalocean/client.ts';
import {
  ownClusterId,
  passwords,
  startManagedMySql,
  type ManagedMySql,
} from '../../support/managed-mysql.ts';

vi.setConfig({ testTimeout: 240_000 });

let managed: ManagedMySql;
/** The fork that the first test makes; later ones go on with it. */
let fork: ManagedDatabase;
let forkPassword: string;

beforeAll(async () => {
  managed = await startManagedMySql();
});
afterAll(() => managed?.stop());

async function online(id: string): Promise<ManagedDatabase> {
  await managed.service().settled();
  const cluster = await managed.api.databaseCluster(id);
  expect(cluster.status).toBe('online');
  return cluster;
}

async function forked(name: string, at: string | null, from = ownClusterId) {
  const source = await managed.api.databaseCluster(from);
  return managed.api.createDatabaseFork({ name, source, at, trustedSources: [] });
}

const secondAfter = (ms: number) => new Date(Math.ceil(ms / 1000) * 1000).toISOString();

test('a fork has every row of before the second and none of after it', async () => {
  const admin = await managed.connect(managed.port, 'doadmin', passwords.doadmin, 'wordpress');
  await admin.query('CREATE TABLE entries (id INT PRIMARY KEY, at CHAR(24), text VARCHAR(99))');
  await admin.query(
    "CREATE TRIGGER stamp BEFORE INSERT ON entries FOR EACH ROW BEGIN SET NEW.text = CONCAT(NEW.text, ';ü'); END",
  );
  const begun = Date.now();
  for (let id = 1; Date.now() < begun + 3_000; id += 1) {
    // The time that the server's log has, and text that a careless reader of the log would break.
    await admin.query("INSERT INTO entries VALUES (?, DATE_FORMAT(NOW(), '%Y-%m-%dT%T'), ?)", [
      id,
      "line\r\nother\u2028line 'quoted' \\ /*!*/;",
    ]);
    await sleep(20);
  }
  const [all] = await admin.query<RowDataPacket[]>('SELECT * FROM entries ORDER BY id');
  await admin.query('DROP TABLE entries');
  await sleep(1_100);

  const at = secondAfter(begun + 1_000);
  const local = await serverTime(admin, at);
  const made = await forked('as-of-a-second', at);
  expect(made.status).toBe('creating');
  fork = await online(made.id);
  expect(fork.connection?.port).not.toBe(managed.port);

  forkPassword = (await managed.api.resetDatabasePassword(fork.id, 'doadmin')).reveal();
  const there = await managed.connect(fork.connection!.port, 'doadmin', forkPassword, 'wordpress');
  const [kept] = await there.query<RowDataPacket[]>('SELECT * FROM entries ORDER BY id');
  const expected = all.filter((row) => String(row['at']) < local);
  expect(expected.length).toBeGreaterThan(10);
  expect(all.length - expected.length).toBeGreaterThan(10);
  expect(kept).toEqual(expected);
  const [triggers] = await there.query<RowDataPacket[]>('SHOW TRIGGERS');
  expect(triggers.map((row) => String(row['Trigger']))).toEqual(['stamp']);
  there.destroy();
  admin.destroy();
});

/** A UTC time as the server's own clock shows it. */
async function serverTime(
  connection: Awaited<ReturnType<ManagedMySql['connect']>>,
  at: string,
): Promise<string> {
  const [rows] = await connection.query<RowDataPacket[]>(
    "SELECT DATE_FORMAT(FROM_UNIXTIME(?), '%Y-%m-%dT%T') AS local",
    [Date.parse(at) / 1000],
  );
  return String(rows[0]?.['local']);
}

test('the passwords of a fork are its own, and a reset one works from then on alone', async () => {
  await expect(
    managed.connect(fork.connection!.port, 'wordpress', passwords.wordpress, 'wordpress'),
  ).rejects.toMatchObject({ code: 'ER_ACCESS_DENIED_ERROR' });
  const first = (await managed.api.resetDatabasePassword(fork.id, 'wordpress')).reveal();
  (await managed.connect(fork.connection!.port, 'wordpress', first, 'wordpress')).destroy();
  const second = (await managed.api.resetDatabasePassword(fork.id, 'wordpress')).reveal();
  await expect(managed.connect(fork.connection!.port, 'wordpress', first)).rejects.toMatchObject({
    code: 'ER_ACCESS_DENIED_ERROR',
  });
  (await managed.connect(fork.connection!.port, 'wordpress', second, 'wordpress')).destroy();
  // Those of the source are as before.
  (await managed.connect(managed.port, 'wordpress', passwords.wordpress)).destroy();
});

test('backups are listed, a fork’s own too, and one can be taken at once', async () => {
  expect(await managed.api.databaseBackups(ownClusterId)).toHaveLength(1);
  expect(await managed.api.databaseBackups(fork.id)).toHaveLength(1);
  await fetch(`${managed.endpoint}/control/backups`, {
    method: 'POST',
    body: JSON.stringify({ cluster: 'own' }),
  });
  const [newest, oldest] = await managed.api.databaseBackups(ownClusterId);
  expect(newest!.createdAt > oldest!.createdAt).toBe(true);
  expect(newest!.sizeGigabytes).toBeGreaterThan(0.01);
});

test('a fork goes on when the stand-in ends, and the stand-in finds it again', async () => {
  const before = await managed.forkedServers();
  expect(before).toHaveLength(1);
  await managed.restart();
  expect(await managed.forkedServers()).toEqual(before);
  expect((await managed.api.databaseCluster(fork.id)).status).toBe('online');
});

test('a fork that was not finished is begun anew at the next start', async () => {
  const made = await forked('interrupted', null);
  // The restore runs now; what is kept says that it is not done.
  await managed.restart();
  await managed.service().settled();
  expect((await managed.api.databaseCluster(made.id)).status).toBe('online');
  await managed.api.deleteDatabaseCluster(made.id);
});

test('a fork whose restore fails is gone, so that nobody waits for it', async () => {
  const backups = join(managed.home, 'backups');
  await rename(backups, `${backups}-aside`);
  const made = await forked('without-a-base', null);
  await managed.service().settled();
  await rename(`${backups}-aside`, backups);
  await expect(managed.api.databaseCluster(made.id)).rejects.toMatchObject({ type: 'NotFound' });
  expect(await managed.forkedServers()).toHaveLength(1);
});

test('forks that are begun at the same time have ports of their own', async () => {
  const made = await Promise.all([forked('left-twin', null), forked('right-twin', null)]);
  const ports = made.map(({ connection }) => connection?.port);
  expect(new Set([...ports, fork.connection?.port]).size).toBe(3);
  for (const { id } of made) await managed.api.deleteDatabaseCluster(id);
});

test('a fork can be forked', async () => {
  const made = await forked('second-generation', null, fork.id);
  const { connection } = await online(made.id);
  const password = (await managed.api.resetDatabasePassword(made.id, 'doadmin')).reveal();
  const there = await managed.connect(connection!.port, 'doadmin', password, 'wordpress');
  const [rows] = await there.query<RowDataPacket[]>('SELECT COUNT(*) AS count FROM entries');
  expect(Number(rows[0]?.['count'])).toBeGreaterThan(10);
  there.destroy();
  await managed.api.deleteDatabaseCluster(made.id);
});

test.each([
  ['before the first backup', () => '2020-01-01T00:00:00Z', 'no backup from before'],
  ['in the future', () => new Date(Date.now() + 60_000).toISOString(), 'in the future'],
])('a time %s is refused', async (_, at, message) => {
  await expect(forked('refused', at())).rejects.toMatchObject({
    type: 'InvalidInput',
    message: expect.stringContaining(message) as string,
  });
});

test('a name that is taken, and a source that does not exist, are refused', async () => {
  await expect(forked('as-of-a-second', null)).rejects.toMatchObject({ type: 'InvalidInput' });
  const source = { ...(await managed.api.databaseCluster(ownClusterId)), name: 'nobody' };
  const request = { name: 'orphan', source, at: null, trustedSources: [] };
  await expect(managed.api.createDatabaseFork(request)).rejects.toMatchObject({ type: 'NotFound' });
});

test('trusted sources are kept with the cluster and put into force', async () => {
  const sources = [{ type: 'ip_addr', value: '192.0.2.7', description: 'office' }] as const;
  await managed.api.setTrustedSources(fork.id, sources);
  expect(await managed.api.trustedSources(fork.id)).toEqual(sources);
  expect(
    managed.firewall().find(({ port }) => port === fork.connection?.port)?.rules,
  ).toMatchObject([{ type: 'ip_addr', value: '192.0.2.7' }]);
  await expect(
    managed.api.setTrustedSources(fork.id, [
      { type: 'ip_addr', value: '2001:db8::1', description: null },
    ]),
  ).rejects.toMatchObject({ type: 'InvalidInput' });
});

test('a deleted fork leaves nothing, and deleting it again is no error', async () => {
  await managed.api.deleteDatabaseCluster(fork.id);
  expect(await managed.forkedServers()).toEqual([]);
  expect(await readdir(join(managed.home, 'forks'))).toEqual([]);
  expect(await readdir(join(managed.home, 'backups'))).toHaveLength(2);
  await managed.api.deleteDatabaseCluster(fork.id);
  await expect(managed.api.databaseCluster(fork.id)).rejects.toMatchObject({ type: 'NotFound' });
  expect(managed.firewall().some(({ port }) => port === fork.connection?.port)).toBe(false);
  expect(managed.standIn().violations).toEqual([]);
});
