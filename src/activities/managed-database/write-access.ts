/** Taking the right to write from WordPress's account of a database that the site leaves, and giving it back. */
import type { Connection, RowDataPacket } from 'mysql2/promise';
import {
  parseGrants,
  regrants,
  revocations,
  rolesOf,
  writesOf,
  type Grant,
} from '../../domain/recovery/write-grants.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { VerifiedConnectionOptions } from '../database/connection.ts';
import { failure } from '../failure.ts';
import { withDatabase } from '../recovery/database.ts';
import { Secret } from '../secrets/secret.ts';
import type { ManagedDatabaseDeps } from './deps.ts';
import type { KeptFork, RestrictedAccount } from './kept.ts';

type AccountDeps = Pick<ManagedDatabaseDeps, 'secrets'>;

const adminIsSite =
  'WordPress uses the administrator’s account, which cannot give itself its rights back';

/** Why the old database cannot be made read-only for WordPress, or null when it can. */
export async function whyStaysWritable(deps: AccountDeps, site: Site): Promise<string | null> {
  const { adminCredentials, credentials } = site.database;
  if (adminCredentials === undefined) return 'the site file names no database.adminCredentials';
  const user = await deps.secrets.resolve(credentials, 'username');
  const admin = await deps.secrets.resolve(adminCredentials, 'username');
  return user === admin ? adminIsSite : null;
}

/** The same of a fork, whose accounts have the names of the old database's. */
export function whyForkStaysWritable({ account, administrator }: KeptFork): string | null {
  if (administrator === null) return 'the site file names no database.adminCredentials';
  return account.username === administrator.username ? adminIsSite : null;
}

/** How the administrator reaches the database that the site file names. @throws PreconditionFailed, SecretMissing */
export async function oldAdministrator(
  deps: AccountDeps,
  site: Site,
): Promise<VerifiedConnectionOptions> {
  const { host, port, adminCredentials, ca } = site.database;
  if (adminCredentials === undefined) {
    throw failure('PreconditionFailed', 'The site file names no database.adminCredentials');
  }
  return {
    ...{ host, port, ca: ca === undefined ? undefined : await deps.secrets.resolve(ca, 'ca.crt') },
    account: {
      username: await deps.secrets.resolve(adminCredentials, 'username'),
      password: await deps.secrets.secret(adminCredentials, 'password'),
    },
  };
}

/** How the administrator reaches a fork. @throws PreconditionFailed where it has none */
export function forkAdministrator({
  host,
  port,
  ca,
  administrator,
}: KeptFork): VerifiedConnectionOptions {
  if (administrator === null) {
    throw failure('PreconditionFailed', 'The site file names no database.adminCredentials');
  }
  const { username, password } = administrator;
  return { ...{ host, port, ca }, account: { username, password: new Secret(password) } };
}

/**
 * What an account may do there now, on each host that it is defined for. Changes nothing.
 * @throws PreconditionFailed when it may write by a role: that cannot be taken from it alone
 */
export async function accountsOf(
  administrator: VerifiedConnectionOptions,
  user: string,
): Promise<RestrictedAccount[]> {
  return withDatabase(administrator, async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>(
      'SELECT host AS host FROM mysql.user WHERE user = ?',
      [user],
    );
    const accounts: RestrictedAccount[] = [];
    for (const row of rows) {
      const host = String(row['host']);
      await refuseRoles(connection, user, host);
      accounts.push({ user, host, grants: await grantsOf(connection, user, host) });
    }
    return accounts;
  });
}

/**
 * Takes the right to write, and nothing else: reading goes on without a gap.
 * @throws PreconditionFailed when an account can still write afterwards
 */
export async function makeReadOnly(
  administrator: VerifiedConnectionOptions,
  accounts: readonly RestrictedAccount[],
): Promise<void> {
  await withDatabase(administrator, async (connection) => {
    for (const { user, host } of accounts) {
      const now = await grantsOf(connection, user, host);
      for (const statement of revocations(now, quoted(connection, user, host))) {
        await connection.query(statement);
      }
      const left = (await grantsOf(connection, user, host)).flatMap(writesOf);
      if (left.length > 0) {
        throw failure(
          'PreconditionFailed',
          `Account ${user}@${host} of the database on ${administrator.host} can still write: ${left.join(', ')}`,
        );
      }
    }
  });
}

/** Gives the accounts what they had. */
export async function makeWritable(
  administrator: VerifiedConnectionOptions,
  accounts: readonly RestrictedAccount[],
): Promise<void> {
  await withDatabase(administrator, async (connection) => {
    for (const { user, host, grants } of accounts) {
      for (const statement of regrants(grants, quoted(connection, user, host))) {
        await connection.query(statement);
      }
    }
  });
}

/** A role belongs to others as well, and `SET ROLE` brings back one that is only not active now. */
async function refuseRoles(connection: Connection, user: string, host: string): Promise<void> {
  const account = quoted(connection, user, host);
  const seen: string[] = [];
  const writing: string[] = [];
  // A role may have roles itself.
  for (let look = rolesOf(await linesOf(connection, account)); look.length > 0;) {
    const next: string[] = [];
    for (const role of look.filter((each) => !seen.includes(each))) {
      seen.push(role);
      const lines = await linesOf(connection, role);
      if (parseGrants(lines).flatMap(writesOf).length > 0) writing.push(role);
      next.push(...rolesOf(lines));
    }
    look = next;
  }
  if (writing.length === 0) return;
  throw failure(
    'PreconditionFailed',
    `Account ${user}@${host} may write by the role ${writing.join(', ')}, which cannot be taken from it alone. Grant the account itself what it needs, or leave database.adminCredentials out: the database that is left stays writable then`,
  );
}

async function grantsOf(connection: Connection, user: string, host: string): Promise<Grant[]> {
  return parseGrants(await linesOf(connection, quoted(connection, user, host)));
}

/** @param account quoted already */
async function linesOf(connection: Connection, account: string): Promise<string[]> {
  const [rows] = await connection.query<RowDataPacket[]>(`SHOW GRANTS FOR ${account}`);
  return rows.map((row) => String(Object.values(row)[0]));
}

function quoted(connection: Connection, user: string, host: string): string {
  return `${connection.escape(user)}@${connection.escape(host)}`;
}
