/** What a drill asks of a restored schema besides its manifest, on a real MySQL: character sets of tables, and whose site it is. */
import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { charsetDifferences, ownAddress } from '../../../src/activities/drill/restore.ts';
import type { DatabaseManifest, RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import { startMySql, type TestDatabase } from '../../support/database-servers.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

const site = acme();
const database = 'presslift_drill_test';
let server: TestDatabase;
let admin: Connection;

beforeAll(async () => {
  server = await startMySql();
  await server.admin(
    "CREATE USER 'boss'@'%' IDENTIFIED BY 'boss'; GRANT ALL PRIVILEGES ON *.* TO 'boss'@'%';",
  );
  const { host, port, ca } = server;
  const ssl = { ca, rejectUnauthorized: true };
  admin = await createConnection({ host, port, user: 'boss', password: 'boss', ssl });
});
afterAll(async () => {
  admin?.destroy();
  await server?.stop();
});
beforeEach(async () => {
  await admin.query(`DROP DATABASE IF EXISTS ${database}`);
  await admin.query(`CREATE DATABASE ${database}`);
});

const differences = {
  missingTables: [],
  extraTables: [],
  rows: [],
  changed: [],
  structure: [] as string[],
  triggers: [],
  routines: [],
  events: [],
  views: [],
  charset: null,
};

test('a table in another character set is told, one that only changed otherwise is not', async () => {
  await admin.query(`CREATE TABLE ${database}.wp_posts (a INT) CHARACTER SET latin1`);
  await admin.query(`CREATE TABLE ${database}.wp_users (a INT) CHARACTER SET utf8mb4`);
  const expected = { charset: 'utf8mb4' } as DatabaseManifest;
  const ask = (change: object) =>
    charsetDifferences(admin, database, { ...differences, ...change }, expected);
  expect(await ask({ structure: ['wp_posts', 'wp_users'] })).toEqual(['table wp_posts: latin1']);
  expect(await ask({ charset: { expected: 'utf8mb4/a', found: 'latin1/b' } })).toEqual([
    'schema: latin1/b instead of utf8mb4/a',
  ]);
  expect(await ask({})).toEqual([]);
});

const ask = (point: object) =>
  ownAddress(
    admin,
    {
      site,
      operationId: 'x',
      place: { drill: 'd', namespace: 'n', database, host: 'acme.drill.invalid', point: 'p' },
    },
    { site: 'acme', wordpress: { tablePrefix: 'wp_' }, ...point } as unknown as RecoveryPoint,
  );

test.each([
  ['this site’s addresses', ['https://acme.presslift.test', 'https://ACME.presslift.test/'], true],
  ['one of another site', ['https://acme.presslift.test', 'https://other.example'], false],
  ['no address', ['', ''], false],
  ['no rows', [], false],
])('%s', async (_, addresses, pass) => {
  await admin.query(
    `CREATE TABLE ${database}.wp_options (option_name VARCHAR(99) PRIMARY KEY, option_value TEXT)`,
  );
  for (const [at, address] of addresses.entries()) {
    const row = [['siteurl', 'home'][at], address];
    await admin.query(`INSERT INTO ${database}.wp_options VALUES (?, ?)`, row);
  }
  expect(await ask({})).toMatchObject({ id: 'wrong-site', pass });
});

test('a copy without options, or a point that does not describe WordPress, is told as not measured', async () => {
  for (const point of [{}, { wordpress: null }]) {
    expect(await ask(point)).toMatchObject({ id: 'wrong-site', pass: false, measured: null });
  }
});
