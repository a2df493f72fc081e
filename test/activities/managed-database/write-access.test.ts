/** Taking the right to write from an account and giving it back, on a real MySQL. */
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  accountsOf,
  makeReadOnly,
  makeWritable,
} from '../../../src/activities/managed-database/write-access.ts';
import { Secret } from '../../../src/activities/secrets/secret.ts';
import { startMySql, type TestDatabase } from '../../support/database-servers.ts';

let server: TestDatabase;
const administrator = () => ({
  ...{ host: server.host, port: server.port, ca: server.ca },
  account: { username: 'adm', password: new Secret('pass-word') },
});

beforeAll(async () => {
  server = await startMySql();
  await server.admin(`
    CREATE DATABASE wordpress;
    CREATE TABLE wordpress.entries (id INT);
    CREATE USER adm IDENTIFIED BY 'pass-word';
    GRANT ALL PRIVILEGES ON *.* TO adm WITH GRANT OPTION;
    CREATE USER wp IDENTIFIED BY 'pass-word';
    GRANT ALL PRIVILEGES ON wordpress.* TO wp;
  `);
});
afterAll(() => server?.stop());

async function writes(): Promise<boolean> {
  const connection = await createConnection({
    ...{ host: server.host, port: server.port, user: 'wp', password: 'pass-word' },
    ssl: { ca: server.ca },
  });
  try {
    await connection.query('SELECT * FROM wordpress.entries');
    return await connection.query('INSERT INTO wordpress.entries VALUES (1)').then(
      () => true,
      () => false,
    );
  } finally {
    connection.destroy();
  }
}

test('an account reads on without its right to write, and gets exactly that back', async () => {
  const accounts = await accountsOf(administrator(), 'wp');
  await makeReadOnly(administrator(), accounts);
  expect(await writes()).toBe(false);
  await makeWritable(administrator(), accounts);
  expect(await writes()).toBe(true);
});

test('an account that writes by a role of a role is refused, one that reads by it is not', async () => {
  await server.admin(`
    CREATE ROLE writer, shop;
    GRANT INSERT ON wordpress.* TO writer;
    GRANT writer TO shop;
    GRANT shop TO wp;
  `);
  await expect(accountsOf(administrator(), 'wp')).rejects.toMatchObject({
    type: 'PreconditionFailed',
    message: expect.stringContaining('`writer`@`%`') as string,
  });
  await server.admin(
    'REVOKE INSERT ON wordpress.* FROM writer; GRANT SELECT ON wordpress.* TO writer;',
  );
  expect(await accountsOf(administrator(), 'wp')).toMatchObject([{ user: 'wp' }]);
});
