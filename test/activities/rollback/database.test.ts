/**
 * The changes of a database and their undos against a real MySQL: what is dropped, what stays and for whom. How the tables
 * are exchanged is in database-switch.test.ts; that a dump is restored as it was is the recovery tests'.
 */
import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ChangeInput } from '../../../src/activities/contracts.ts';
import { failure } from '../../../src/activities/failure.ts';
import type { KubernetesClients } from '../../../src/activities/kubernetes/clients.ts';
import { createDatabase } from '../../../src/activities/rollback/database.ts';
import type { RollbackDeps } from '../../../src/activities/rollback/deps.ts';
import { keptDatabases } from '../../../src/activities/rollback/kept.ts';
import { rowsOf, schemaExists } from '../../../src/activities/rollback/sql.ts';
import { createSecretResolver } from '../../../src/activities/secrets/index.ts';
import { rollbackSchemas } from '../../../src/domain/planners/rollback-names.ts';
import { startMySql, type TestDatabase } from '../../support/database-servers.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

let server: TestDatabase;
let root: Connection;
let changes: ReturnType<typeof createDatabase>;
const site = acme();
const operationId = 'acme/rollback/x';
const { staged, kept } = rollbackSchemas(site, operationId);
const input = {
  ...{ site, operationId, recoveryPoint: null },
  change: { id: 'switch-database', params: { point: 'p', staged, kept } },
} as unknown as ChangeInput;

const connect = (user: string) =>
  createConnection({
    ...{ host: '127.0.0.1', port: server.port, user, password: 'pass-word' },
    ssl: { ca: server.ca },
  });

beforeAll(async () => {
  server = await startMySql();
  await server.admin(`
    CREATE USER adm IDENTIFIED BY 'pass-word';
    GRANT ALL PRIVILEGES ON *.* TO adm WITH GRANT OPTION;
    CREATE USER wp IDENTIFIED BY 'pass-word';
  `);
  Object.assign(site.database, {
    ...{ host: '127.0.0.1', port: server.port, ca: 'env:CA', name: 'wordpress' },
    ...{ credentials: 'env:SITE', adminCredentials: 'env:ADMIN' },
  });
  const account = (username: string) => JSON.stringify({ username, password: 'pass-word' });
  const noPods = () => {
    throw failure('Unavailable', 'no pod answers here');
  };
  changes = createDatabase({
    kubernetes: { forContext: noPods } as unknown as KubernetesClients,
    secrets: createSecretResolver({
      env: { CA: server.ca, SITE: account('wp'), ADMIN: account('adm') },
    }),
    now: () => new Date(),
  } as unknown as RollbackDeps);
  root = await connect('adm');
});
afterAll(async () => {
  root?.destroy();
  await server?.stop();
});

beforeEach(async () => {
  for (const schema of ['wordpress', staged, kept]) {
    if (!(await schemaExists(root, schema))) continue;
    await root.query(`ALTER DATABASE ${schema} READ ONLY = 0`);
    await root.query(`DROP DATABASE ${schema}`);
  }
  await root.query("GRANT ALL PRIVILEGES ON wordpress.* TO 'wp'");
  for (const [schema, mark] of [
    ['wordpress', 'live'],
    [staged, 'point'],
  ] as const) {
    await root.query(`CREATE DATABASE ${schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`);
    await root.query(`CREATE TABLE ${schema}.wp_form_entries (text VARCHAR(50))`);
    await root.query(`INSERT INTO ${schema}.wp_form_entries VALUES ('${mark}')`);
  }
});

const entries = async (schema: string) =>
  (await rowsOf<{ text: string }>(root, `SELECT text FROM ${schema}.wp_form_entries`)).map(
    ({ text }) => text,
  );

const visitorWrites = async (text: string) => {
  const visitor = await connect('wp');
  try {
    await visitor.query('INSERT INTO wordpress.wp_form_entries VALUES (?)', [text]);
  } finally {
    visitor.destroy();
  }
};

it('keeps whatever visitors wrote while the restored tables served them, also when asked twice', async () => {
  // WordPress may be down, which is why the database goes back: what it cannot be told is said, and stops nothing.
  const unheard = { asked: false, why: 'no pod answers here' };
  expect(await changes.switchDatabase(input)).toMatchObject({ cache: unheard, updates: unheard });
  await visitorWrites('a booking');
  await changes.switchDatabaseBack(input);
  expect(await entries('wordpress')).toEqual(['live']);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    expect(await changes.unstageDatabase(input)).toMatchObject({ dropped: false, kept: staged });
    expect(await entries(staged)).toEqual(['point', 'a booking']);
  }
  // Read-only, and letting go of what is kept finds it.
  await expect(root.query(`DELETE FROM ${staged}.wp_form_entries`)).rejects.toMatchObject({
    code: 'ER_SCHEMA_READ_ONLY',
  });
  expect(await keptDatabases(root, site)).toMatchObject([{ schemas: [kept, staged] }]);
});

it('drops a restored schema that never served the site', async () => {
  expect(await changes.unstageDatabase(input)).toEqual({ dropped: true });
  expect(await schemaExists(root, staged)).toBe(false);
  expect(await entries('wordpress')).toEqual(['live']);
});

it('drops it also when the exchange was begun and did not come', async () => {
  const reader = await connect('adm');
  try {
    await reader.query('START TRANSACTION');
    await reader.query('SELECT * FROM wordpress.wp_form_entries');
    await expect(changes.switchDatabase(input)).rejects.toMatchObject({ type: 'Unavailable' });
  } finally {
    reader.destroy();
  }
  await changes.switchDatabaseBack(input);
  expect(await changes.unstageDatabase(input)).toEqual({ dropped: true });
  expect(await entries('wordpress')).toEqual(['live']);
}, 90_000);

it('makes a schema that is gone again, with the rights that went with it, and takes it away on the way back', async () => {
  await root.query('DROP DATABASE wordpress');
  await root.query("REVOKE ALL PRIVILEGES ON wordpress.* FROM 'wp'");
  expect(await changes.switchDatabase(input)).toMatchObject({ rightsGiven: true });
  await visitorWrites('an order');
  expect(await entries('wordpress')).toEqual(['point', 'an order']);
  expect(await changes.switchDatabase(input)).toMatchObject({ rightsGiven: false });

  await changes.switchDatabaseBack(input);
  expect(await schemaExists(root, 'wordpress')).toBe(false);
  expect(await changes.unstageDatabase(input)).toMatchObject({ dropped: false });
  expect(await entries(staged)).toEqual(['point', 'an order']);
});
