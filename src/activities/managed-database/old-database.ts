/** The database that a site has left: it stays, and WordPress's account there can only read. */
import type { Connection, RowDataPacket } from 'mysql2/promise';
import {
  parseGrants,
  regrants,
  revocations,
  writesOf,
  type Grant,
} from '../../domain/recovery/write-grants.ts';
import type { Site } from '../../domain/site/schema.ts';
import { failure } from '../failure.ts';
import { withDatabase } from '../recovery/database.ts';
import type { ManagedDatabaseDeps } from './deps.ts';
import type { RestrictedAccount } from './kept.ts';

type AccountDeps = Pick<ManagedDatabaseDeps, 'secrets'>;

/** Why the old database cannot be made read-only for WordPress, or null when it can. */
export async function whyStaysWritable(deps: AccountDeps, site: Site): Promise<string | null> {
  const { adminCredentials, credentials } = site.database;
  if (adminCredentials === undefined) return 'the site file names no database.adminCredentials';
  const user = await deps.secrets.resolve(credentials, 'username');
  const admin = await deps.secrets.resolve(adminCredentials, 'username');
  return user === admin
    ? 'WordPress uses the administrator’s account, which cannot give itself its rights back'
    : null;
}

/** What WordPress's account may do there now, on each host that it is defined for. Changes nothing. */
export async function accountsOf(deps: AccountDeps, site: Site): Promise<RestrictedAccount[]> {
  const user = await deps.secrets.resolve(site.database.credentials, 'username');
  return asAdministrator(deps, site, async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>(
      'SELECT host AS host FROM mysql.user WHERE user = ?',
      [user],
    );
    const accounts: RestrictedAccount[] = [];
    for (const row of rows) {
      const host = String(row['host']);
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
  deps: AccountDeps,
  site: Site,
  accounts: readonly RestrictedAccount[],
): Promise<void> {
  await asAdministrator(deps, site, async (connection) => {
    for (const { user, host } of accounts) {
      const now = await grantsOf(connection, user, host);
      for (const statement of revocations(now, quoted(connection, user, host))) {
        await connection.query(statement);
      }
      const left = (await grantsOf(connection, user, host)).flatMap(writesOf);
      if (left.length > 0) {
        throw failure(
          'PreconditionFailed',
          `Account ${user}@${host} of the old database can still write: ${left.join(', ')}`,
        );
      }
    }
  });
}

/** Gives the accounts what they had. */
export async function makeWritable(
  deps: AccountDeps,
  site: Site,
  accounts: readonly RestrictedAccount[],
): Promise<void> {
  await asAdministrator(deps, site, async (connection) => {
    for (const { user, host, grants } of accounts) {
      for (const statement of regrants(grants, quoted(connection, user, host))) {
        await connection.query(statement);
      }
    }
  });
}

async function asAdministrator<T>(
  deps: AccountDeps,
  site: Site,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { host, port, adminCredentials, ca } = site.database;
  if (adminCredentials === undefined) {
    throw failure('PreconditionFailed', 'The site file names no database.adminCredentials');
  }
  const access = {
    ...{ host, port, ca: ca === undefined ? undefined : await deps.secrets.resolve(ca, 'ca.crt') },
    account: {
      username: await deps.secrets.resolve(adminCredentials, 'username'),
      password: await deps.secrets.secret(adminCredentials, 'password'),
    },
  };
  return withDatabase(access, work);
}

async function grantsOf(connection: Connection, user: string, host: string): Promise<Grant[]> {
  const [rows] = await connection.query<RowDataPacket[]>(
    `SHOW GRANTS FOR ${quoted(connection, user, host)}`,
  );
  return parseGrants(rows.map((row) => String(Object.values(row)[0])));
}

function quoted(connection: Connection, user: string, host: string): string {
  return `${connection.escape(user)}@${connection.escape(host)}`;
}
