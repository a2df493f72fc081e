import type { V1Secret } from '@kubernetes/client-node';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { siteDatabasePrefix } from '../../domain/recovery/drill-place.ts';
import { sealSecret } from '../../domain/recovery/drill-template.ts';
import type { DatabaseManifest } from '../../domain/recovery/point.ts';
import { drillDatabasePrefix } from '../../domain/recovery/request.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { DrillPlace } from '../contracts.ts';
import type { DatabaseAccount } from '../database/connection.ts';
import { failure } from '../failure.ts';
import { read } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { Secret } from '../secrets/secret.ts';

/** What WordPress needs in its own schema, and what the dump's triggers, views, routines and events take, to be made and to run. */
const privileges = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'CREATE',
  'DROP',
  'ALTER',
  'INDEX',
  'REFERENCES',
  'CREATE TEMPORARY TABLES',
  'LOCK TABLES',
  'EXECUTE',
  'TRIGGER',
  'CREATE VIEW',
  'SHOW VIEW',
  'CREATE ROUTINE',
  'ALTER ROUTINE',
  'EVENT',
].join(', ');

/**
 * Makes the throwaway user and schema, empty and with the character set of the one that was backed up. The user comes first
 * and goes last: a schema without it is not ours.
 *
 * @throws PreconditionFailed when a schema of that name is somebody else's.
 */
export async function ensureDrillDatabase(
  admin: Connection,
  name: string,
  password: string,
  manifest: Pick<DatabaseManifest, 'charset' | 'collation'> | null,
): Promise<void> {
  requireDrillName(name);
  const [schemas, users] = [await schemaNames(admin, name), await userNames(admin, name)];
  if (schemas.includes(name) && !users.includes(name)) {
    throw failure(
      'PreconditionFailed',
      `Schema ${name} is there and no drill made it: nothing is restored over it`,
    );
  }
  const account = `${admin.escape(name)}@'%'`;
  await admin.query(`CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY ? REQUIRE SSL`, [password]);
  await admin.query(`ALTER USER ${account} IDENTIFIED BY ? REQUIRE SSL`, [password]);
  await admin.query(`GRANT ${privileges} ON ${await schemaPattern(admin, name)}.* TO ${account}`);
  await admin.query(
    `CREATE DATABASE IF NOT EXISTS ${admin.escapeId(name)}${charsetClause(manifest)}`,
  );
}

/**
 * The throwaway account, which reaches nothing but its own schema.
 * @throws PreconditionFailed when the drill's namespace does not have its password (any more)
 */
export async function drillAccount(
  k: KubernetesClients,
  { namespace, database }: DrillPlace,
): Promise<DatabaseAccount> {
  const ref = { apiVersion: 'v1', kind: 'Secret', namespace, name: sealSecret };
  const drawn = (await read<V1Secret>(k, ref))?.data?.['password'];
  if (drawn === undefined) {
    throw failure('PreconditionFailed', `${namespace} has no Secret ${sealSecret}`);
  }
  return {
    username: database,
    password: new Secret(Buffer.from(drawn, 'base64').toString('utf8')),
  };
}

/** Removes a throwaway schema and its user; what is not there is no error. */
export async function dropDrillDatabase(admin: Connection, name: string): Promise<boolean> {
  requireDrillName(name);
  const [schemas, users] = [await schemaNames(admin, name), await userNames(admin, name)];
  // Without its user the schema is somebody else's, whatever it is called.
  if (schemas.includes(name) && users.includes(name)) {
    await endConnections(admin, name);
    await admin.query(`DROP DATABASE IF EXISTS ${admin.escapeId(name)}`);
  }
  if (users.includes(name)) await admin.query(`DROP USER IF EXISTS ${admin.escape(name)}@'%'`);
  return users.includes(name);
}

/** Names of this site's throwaway users, and so of the schemas that drills made for it. */
export async function drillDatabases(admin: Connection, site: Site): Promise<string[]> {
  return userNames(admin, `${siteDatabasePrefix(site)}%`);
}

function requireDrillName(name: string): void {
  if (!/^presslift_drill_[a-f0-9_]{1,16}$/.test(name) || !name.startsWith(drillDatabasePrefix)) {
    throw failure('PreconditionFailed', `${name} is no name of a drill's database`);
  }
}

/** In a grant `_` stands for any character, unless the server has partial revokes. */
async function schemaPattern(admin: Connection, name: string): Promise<string> {
  const [rows] = await admin.query<RowDataPacket[]>("SHOW VARIABLES LIKE 'partial_revokes'");
  const literal = rows[0]?.['Value'] === 'ON';
  return admin.escapeId(literal ? name : name.replaceAll('_', '\\_'));
}

function charsetClause(manifest: Pick<DatabaseManifest, 'charset' | 'collation'> | null): string {
  if (manifest === null) return '';
  const { charset, collation } = manifest;
  if (!/^\w+$/.test(charset) || !/^\w+$/.test(collation)) {
    throw failure('InvalidInput', 'The recovery point names no character set of its database');
  }
  return ` CHARACTER SET ${charset} COLLATE ${collation}`;
}

async function schemaNames(admin: Connection, pattern: string): Promise<string[]> {
  const [rows] = await admin.query<RowDataPacket[]>(
    'SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE ?',
    [likePattern(pattern)],
  );
  return rows.map((row) => String(row['name']));
}

async function userNames(admin: Connection, pattern: string): Promise<string[]> {
  const [rows] = await admin.query<RowDataPacket[]>(
    'SELECT DISTINCT GRANTEE AS grantee FROM information_schema.USER_PRIVILEGES WHERE GRANTEE LIKE ?',
    [`'${likePattern(pattern)}'@'\\%'`],
  );
  return rows.flatMap((row) => /^'([^']+)'@/.exec(String(row['grantee']))?.[1] ?? []);
}

/** A name as LIKE pattern; a `%` at its end stays one. */
const likePattern = (name: string) => name.replaceAll('_', '\\_');

/** A pod of the copy may still hold a table, and the server would wait for it. Not every administrator may end others. */
async function endConnections(admin: Connection, user: string): Promise<void> {
  const [rows] = await admin.query<RowDataPacket[]>(
    'SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = ?',
    [user],
  );
  for (const row of rows) {
    await admin.query(`KILL ${Number(row['id'])}`).catch(() => undefined);
  }
}
