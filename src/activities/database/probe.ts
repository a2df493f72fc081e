import { randomBytes } from 'node:crypto';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { DatabaseServer } from '../../domain/database-hazards.ts';
import { readGrants, type PrivilegeReport } from '../../domain/database-privileges.ts';
import { errorCode, failureTypeOf } from '../failure.ts';
import { Secret } from '../secrets/secret.ts';
import {
  attemptPlain,
  connectVerified,
  databaseFailure,
  type DatabaseAccount,
} from './connection.ts';
import { verifiedHandshake, type DatabaseAddress, type TlsFacts } from './handshake.ts';
import { createCertificate } from './x509.ts';

export interface DatabaseProbeOptions extends DatabaseAddress {
  /** Name of the site's database. */
  database: string;
  account: DatabaseAccount;
  /** PEM; the public authorities when absent. */
  ca?: string;
  timeoutMs?: number;
}

/** What was seen of the server as the site's own account. */
export interface DatabaseContent {
  server: DatabaseServer;
  privileges: PrivilegeReport;
  exists: boolean;
}

/** Whether a connection that must fail did fail; `refused` is null when it could not be found out. */
export interface RefusalFacts {
  refused: boolean | null;
  seen: string;
}

/**
 * Handshake, login and a look around, all over verified TLS.
 *
 * @throws TlsRejected, Unauthorized, Unavailable, Forbidden
 */
export async function probeDatabase(
  options: DatabaseProbeOptions,
): Promise<{ tls: TlsFacts; content: DatabaseContent }> {
  const tls = await verifiedHandshake(options, options.ca, options.timeoutMs);
  // No database is chosen at login: whether it exists is one of the questions.
  const connection = await connectVerified({ ...options, database: undefined });
  try {
    return { tls, content: await lookAround(connection, options.database) };
  } catch (error) {
    throw failureTypeOf(error) ? error : databaseFailure(error, options);
  } finally {
    connection.destroy();
  }
}

/** Tries to connect with a CA made a moment ago, which cannot have signed the server's certificate. */
export async function probeWrongCa(options: DatabaseProbeOptions): Promise<RefusalFacts> {
  const stranger = createCertificate({ commonName: 'A certification authority of no one' });
  try {
    const connection = await connectVerified({
      ...options,
      database: undefined,
      ca: stranger.certificate,
      // The account does not matter: TLS comes first, and no real password goes to an unverified server.
      account: { username: options.account.username, password: new Secret(randomPassword()) },
    });
    connection.destroy();
    return { refused: false, seen: 'the connection was made' };
  } catch (error) {
    const type = failureTypeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    if (type === 'TlsRejected') return { refused: true, seen: message };
    // Denied by the server means that the handshake was accepted.
    if (type === 'Unauthorized') return { refused: false, seen: 'the server checked the account' };
    return { refused: null, seen: message };
  }
}

/**
 * Tries to connect without TLS. First as nobody: a server that requires TLS says so before it looks at the account.
 * Where it does not, accounts can still require it, so the site's own account is tried, with challenge responses only.
 */
export async function probePlain(options: DatabaseProbeOptions): Promise<RefusalFacts> {
  const { host, port, timeoutMs } = options;
  const nobody = {
    username: `nobody_${randomBytes(4).toString('hex')}`,
    password: new Secret(randomPassword()),
  };
  const asNobody = await attemptPlain({ host, port, timeoutMs, account: nobody });
  if (asNobody.outcome === 'refused') return { refused: true, seen: asNobody.seen };
  if (asNobody.outcome === 'unreachable') return { refused: null, seen: asNobody.seen };
  const asSite = await attemptPlain({ host, port, timeoutMs, account: options.account });
  switch (asSite.outcome) {
    case 'refused':
      return { refused: true, seen: asSite.seen };
    case 'denied':
      return {
        refused: true,
        seen: 'the account requires TLS: denied without it, admitted with it',
      };
    case 'accepted':
      return { refused: false, seen: asSite.seen };
    case 'inconclusive':
    case 'unreachable':
      return { refused: null, seen: asSite.seen };
  }
}

function randomPassword(): string {
  return randomBytes(18).toString('base64url');
}

async function lookAround(connection: Connection, database: string): Promise<DatabaseContent> {
  const [first] = await rows(connection, 'SELECT VERSION() AS version, @@version_comment AS note');
  const version = String(first?.version);
  const engine = /mariadb/i.test(`${version} ${String(first?.note)}`) ? 'mariadb' : 'mysql';
  const variables = await globalVariables(connection);
  const [schema] = await rows(
    connection,
    'SELECT DEFAULT_CHARACTER_SET_NAME AS charset FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?',
    [database],
  );
  return {
    server: {
      engine,
      version,
      sqlModes: (variables.get('sql_mode') ?? '').toUpperCase().split(',').filter(Boolean),
      maxConnections: Number(variables.get('max_connections') ?? 0),
      requireSecureTransport: isOn(variables.get('require_secure_transport')),
      requirePrimaryKey: isOn(variables.get('sql_require_primary_key')),
      hasMd5: await hasMd5(connection),
      characterSet: schema ? String(schema.charset) : null,
    },
    privileges: await privileges(connection, database),
    exists: schema !== undefined,
  };
}

async function globalVariables(connection: Connection): Promise<Map<string, string>> {
  const found = await rows(
    connection,
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('sql_mode', 'max_connections', 'require_secure_transport', 'sql_require_primary_key')",
  );
  return new Map(found.map((row) => [String(row.Variable_name), String(row.Value)]));
}

async function hasMd5(connection: Connection): Promise<boolean> {
  try {
    const [row] = await rows(connection, "SELECT MD5('presslift') AS digest");
    return typeof row?.digest === 'string' && row.digest.length === 32;
  } catch (error) {
    // An unknown function is looked up among the database's own, and there is none (or no database is chosen).
    if (/^ER_(SP_DOES_NOT_EXIST|NO_DB_ERROR|FUNC)/.test(errorCode(error) ?? '')) {
      return false;
    }
    throw error;
  }
}

async function privileges(connection: Connection, database: string): Promise<PrivilegeReport> {
  return readGrants(await grantsOf(connection), database);
}

/** The lines of `SHOW GRANTS` for the connection's account, with what its roles give it where the server tells. */
export async function grantsOf(connection: Connection): Promise<string[]> {
  const lines = (found: RowDataPacket[]) => found.map((row) => String(Object.values(row)[0]));
  const direct = lines(await rows(connection, 'SHOW GRANTS'));
  const { roles } = readGrants(direct, '');
  if (roles.length === 0) return direct;
  // Names of roles come quoted from the server itself; they cannot be bound as parameters.
  return rows(connection, `SHOW GRANTS FOR CURRENT_USER() USING ${roles.join(', ')}`).then(
    lines,
    () => direct,
  );
}

async function rows(
  connection: Connection,
  sql: string,
  values: string[] = [],
): Promise<RowDataPacket[]> {
  const [found] = await connection.query<RowDataPacket[]>({ sql, values, timeout: 10_000 });
  return found;
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(on|1|true)$/i.test(value);
}
