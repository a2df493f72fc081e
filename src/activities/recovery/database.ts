import type { Connection, RowDataPacket } from 'mysql2/promise';
import {
  definitionStatements,
  manifestSession,
  parseManifest,
  tableStatements,
  type ManifestRow,
} from '../../domain/recovery/database-manifest.ts';
import type { DatabaseManifest } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { throwIfCancelled } from '../activity-context.ts';
import {
  connectVerified,
  databaseFailure,
  type VerifiedConnectionOptions,
} from '../database/connection.ts';
import { failure } from '../failure.ts';
import type { RecoveryCoreDeps } from './deps.ts';
import { toolboxPaths } from './toolbox-manifest.ts';

/**
 * How to connect to the site's database server; no database is chosen yet.
 * @param role `admin` is the account that makes throwaway databases (`database.adminCredentials`).
 * @throws PreconditionFailed when the site file names no such account, SecretMissing
 */
export async function databaseAccess(
  deps: RecoveryCoreDeps,
  site: Site,
  role: 'site' | 'admin',
): Promise<VerifiedConnectionOptions> {
  const { host, port, credentials, adminCredentials, ca } = site.database;
  const reference = role === 'site' ? credentials : adminCredentials;
  if (reference === undefined) {
    throw failure(
      'PreconditionFailed',
      `The site file of ${site.name} names no database.adminCredentials: nobody may make a database to restore to`,
    );
  }
  return {
    host,
    port,
    ca: ca === undefined ? undefined : await deps.secrets.resolve(ca),
    account: {
      username: await deps.secrets.resolve(reference, 'username'),
      password: await deps.secrets.secret(reference, 'password'),
    },
  };
}

/** Connects, does something, and closes the connection in every case. Errors are failures of the table. */
export async function withDatabase<T>(
  access: VerifiedConnectionOptions,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connectVerified(access);
  try {
    return await use(connection);
  } catch (error) {
    throw databaseFailure(error, access);
  } finally {
    connection.destroy();
  }
}

/**
 * The manifest of a schema, computed by the server: each table as it is at the beginning. For a large database this takes as
 * long as reading it.
 *
 * @param access Of an account that may read the whole schema.
 * @param onTable called before each table is read.
 * @throws NotFound (no such schema), PreconditionFailed (it cannot be measured), or the connection's failure
 */
export async function measureDatabase(
  access: VerifiedConnectionOptions,
  schema: string,
  onTable?: (name: string) => void,
): Promise<DatabaseManifest> {
  // Two, because a server reads a table with one processor and has more than one.
  return withDatabase(access, (one) =>
    withDatabase(access, (other) => measureBy([one, other], schema, onTable)),
  );
}

async function measureBy(
  connections: readonly [Connection, ...Connection[]],
  schema: string,
  onTable: ((name: string) => void) | undefined,
): Promise<DatabaseManifest> {
  const [first] = connections;
  for (const connection of connections) {
    for (const statement of manifestSession) await connection.query(statement);
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  }
  await Promise.all(
    connections.map((one) => one.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')),
  );
  const rows: ManifestRow[] = [];
  for (const statement of definitionStatements(schema)) {
    rows.push(...(await ask(first, statement)));
  }
  const statements = (await ask(first, tableStatements(schema))).values();
  await Promise.all(
    connections.map(async (connection) => {
      // Each takes the next table that nobody has taken.
      for (const [statement] of statements) {
        throwIfCancelled();
        onTable?.(/^SELECT 'table', '((?:[^'\\]|\\.)*)'/.exec(String(statement))?.[1] ?? '');
        rows.push(...(await ask(connection, String(statement))));
      }
    }),
  );
  return manifestOf(schema, rows);
}

/** @throws NotFound (no such schema), PreconditionFailed (a row or table could not be measured) */
export function manifestOf(schema: string, rows: readonly ManifestRow[]): DatabaseManifest {
  try {
    return parseManifest(schema, rows);
  } catch (error) {
    const { message } = error as Error;
    throw failure(
      message.startsWith('There is no database') ? 'NotFound' : 'PreconditionFailed',
      message,
    );
  }
}

/**
 * Files for the MariaDB client and mariadb-dump: `--defaults-extra-file=/presslift/secrets/client.cnf` logs in over TLS with
 * the certificate and its name verified. Spread into `secretFiles`.
 */
export function mysqlFiles(access: VerifiedConnectionOptions): Record<string, string> {
  const quoted = (value: string) => `"${value.replaceAll(/[\\"]/g, (found) => `\\${found}`)}"`;
  const ca =
    access.ca === undefined
      ? '/etc/ssl/certs/ca-certificates.crt'
      : `${toolboxPaths.secrets}/database-ca.crt`;
  return {
    'client.cnf': [
      '[client]',
      `host=${quoted(access.host)}`,
      `port=${access.port}`,
      `user=${quoted(access.account.username)}`,
      `password=${quoted(access.account.password.reveal())}`,
      'protocol=tcp',
      `ssl-ca=${ca}`,
      'ssl-verify-server-cert',
      'default-character-set=utf8mb4',
      '',
    ].join('\n'),
    ...(access.ca !== undefined && { 'database-ca.crt': access.ca }),
  };
}

async function ask(connection: Connection, sql: string): Promise<ManifestRow[]> {
  const [rows] = await connection.query<RowDataPacket[][]>({ sql, rowsAsArray: true });
  return rows as unknown as ManifestRow[];
}
