import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type TLSSocket } from 'node:tls';
import { TemporalFailure } from '@temporalio/common';
import { createConnection, type Connection, type ConnectionOptions } from 'mysql2/promise';
import { connectionFailure, failure } from '../failure.ts';
import type { Secret } from '../secrets/secret.ts';
import type { DatabaseAddress } from './handshake.ts';

export interface DatabaseAccount {
  username: string;
  password: Secret;
}

export interface VerifiedConnectionOptions extends DatabaseAddress {
  account: DatabaseAccount;
  /** PEM; the public authorities when absent. */
  ca?: string;
  database?: string;
  timeoutMs?: number;
}

/**
 * Connects over TLS 1.2 or newer with the certificate verified against `ca` and its names against the host, IP addresses
 * included (mysql2 itself skips them).
 *
 * Run `verifiedHandshake` before: where the host is an IP address, the name can be checked here only after login.
 *
 * @throws TlsRejected, Unauthorized, NotFound (database), Forbidden, Unavailable; never the password.
 */
export async function connectVerified(options: VerifiedConnectionOptions): Promise<Connection> {
  const { host, port } = options;
  const hostIsAddress = isIP(host) !== 0;
  let connection: Connection;
  try {
    connection = await createConnection({
      ...base(options),
      password: options.account.password.reveal(),
      database: options.database,
      ssl: {
        ca: options.ca,
        rejectUnauthorized: true,
        verifyIdentity: !hostIsAddress,
        minVersion: 'TLSv1.2',
      },
    });
  } catch (error) {
    throw databaseFailure(error, options);
  }
  const certificate = peerOf(connection)?.getPeerCertificate();
  const mismatch = certificate ? checkServerIdentity(host, certificate) : new Error('no TLS');
  if (mismatch) {
    connection.destroy();
    throw failure('TlsRejected', `Database ${host}:${port}: the certificate names another host`);
  }
  return connection;
}

/** The TLS socket under a connection, or null when it is plain. */
function peerOf(connection: Connection): TLSSocket | null {
  const { stream } = (connection as unknown as { connection: { stream: Partial<TLSSocket> } })
    .connection;
  return typeof stream.getPeerCertificate === 'function' ? (stream as TLSSocket) : null;
}

/**
 * How a server treats a connection without TLS. `refused`: it said that it wants TLS. `denied`: it went on to check the
 * account and denied it. `inconclusive`: it wanted the password itself, which is never sent in the clear.
 */
export interface PlainAttempt {
  outcome: 'refused' | 'denied' | 'accepted' | 'inconclusive' | 'unreachable';
  seen: string;
}

/** Tries to log in without TLS. Only challenge responses are sent, never a password. */
export async function attemptPlain(
  options: DatabaseAddress & { account: DatabaseAccount; timeoutMs?: number },
): Promise<PlainAttempt> {
  try {
    const connection = await createConnection({
      ...base(options),
      password: options.account.password.reveal(),
      authPlugins: {
        caching_sha2_password: () => challengeOnly(options.account.password),
        sha256_password: () => refuseToSend,
        mysql_clear_password: () => refuseToSend,
      },
    });
    connection.destroy();
    return { outcome: 'accepted', seen: 'logged in without TLS' };
  } catch (error) {
    const { code = 'UNKNOWN', message = '' } = error as { code?: string; message?: string };
    if (
      code === 'ER_SECURE_TRANSPORT_REQUIRED' ||
      /insecure transport are prohibited/i.test(message)
    ) {
      return { outcome: 'refused', seen: 'Connections using insecure transport are prohibited' };
    }
    if (code === 'ER_ACCESS_DENIED_ERROR') return { outcome: 'denied', seen: code };
    if (message.includes(PASSWORD_ASKED)) return { outcome: 'inconclusive', seen: PASSWORD_ASKED };
    return { outcome: 'unreachable', seen: code };
  }
}

const PASSWORD_ASKED = 'the server asked for the password itself over a plain connection';

function refuseToSend(): never {
  throw new Error(PASSWORD_ASKED);
}

/** The fast path of caching_sha2_password: XOR(SHA256(p), SHA256(SHA256(SHA256(p)) + challenge)). */
function challengeOnly(password: Secret) {
  const sha256 = (...parts: Buffer[]) => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  let challenged = false;
  return (data: Buffer): Buffer | null => {
    if (!challenged) {
      challenged = true;
      const once = sha256(Buffer.from(password.reveal()));
      const mask = sha256(sha256(once), data.subarray(0, 20));
      return Buffer.from(once.map((byte, index) => byte ^ (mask[index] ?? 0)));
    }
    if (data[0] === 3) return null; // accepted by the server's cache
    return refuseToSend();
  };
}

function base(
  options: DatabaseAddress & { account: { username: string }; timeoutMs?: number },
): ConnectionOptions {
  return {
    host: options.host,
    port: options.port,
    user: options.account.username,
    connectTimeout: options.timeoutMs ?? 10_000,
    multipleStatements: false,
    charset: 'utf8mb4',
  };
}

/** Maps an error of mysql2 to a failure; the server's text is quoted only where it cannot hold a value. */
export function databaseFailure(error: unknown, address: DatabaseAddress): unknown {
  // A cancellation, or what was told already.
  if (error instanceof TemporalFailure) return error;
  const what = `Database ${address.host}:${address.port}`;
  const mapped = connectionFailure(error, what);
  if (mapped !== error) return mapped;
  const { code = '', message = '' } = error as { code?: string; message?: string };
  switch (code) {
    case 'HANDSHAKE_SSL_ERROR':
    case 'HANDSHAKE_NO_SSL_SUPPORT':
      return failure('TlsRejected', `${what}: ${tlsReason(message)}`);
    case 'ER_ACCESS_DENIED_ERROR':
    case 'ER_ACCESS_DENIED_NO_PASSWORD_ERROR':
      return failure('Unauthorized', `${what} denies the account`);
    case 'ER_DBACCESS_DENIED_ERROR':
      return failure('Forbidden', `${what}: the account may not use the database`);
    case 'ER_TABLEACCESS_DENIED_ERROR':
    case 'ER_COLUMNACCESS_DENIED_ERROR':
    case 'ER_SPECIFIC_ACCESS_DENIED_ERROR':
    case 'ER_PROCACCESS_DENIED_ERROR':
      return failure('Forbidden', `${what}: the account lacks a privilege (${code})`);
    case 'ER_DISK_FULL':
    case 'ER_DISK_FULL_NOWAIT':
    case 'ER_RECORD_FILE_FULL':
      return failure('NoSpace', `${what} is full (${code})`);
    case 'ER_BAD_DB_ERROR':
      return failure('NotFound', `${what} has no such database`);
    case 'ER_CON_COUNT_ERROR':
      return failure('Unavailable', `${what} has no free connections`);
    case 'ER_HOST_NOT_PRIVILEGED':
    case 'ER_HOST_IS_BLOCKED':
      return failure('Forbidden', `${what} admits no connections from here (${code})`);
    default:
      return failure('Unavailable', `${what}: ${code || 'the connection failed'}`);
  }
}

function tlsReason(message: string): string {
  return message.includes('does not support') ? 'it does not offer TLS' : message.slice(0, 200);
}
