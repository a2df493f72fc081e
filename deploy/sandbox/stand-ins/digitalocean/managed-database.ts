/** A real database server behind one of the stand-in's database clusters. */
import { connect } from 'node:net';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { administratorPrivileges } from '../../components/mysql-server.ts';
import { ApiError } from './api-error.ts';

export interface DatabaseUser {
  name: string;
  authPlugin: string;
}

/** What the server itself says. */
export interface DatabaseFacts {
  /** Upstream version: `9.7.4`. */
  version: string;
  databases: string[];
  users: DatabaseUser[];
}

export interface ManagedDatabase {
  /** Asks the server over verified TLS. Rejects when it does not answer within seconds. */
  facts(): Promise<DatabaseFacts>;
  setPassword(user: string, password: string, authPlugin?: string): Promise<void>;
  addUser(name: string, password: string, authPlugin?: string): Promise<void>;
  removeUser(name: string): Promise<void>;
  addDatabase(name: string): Promise<void>;
  removeDatabase(name: string): Promise<void>;
}

export interface ConnectionDetails {
  /** Name that the server's certificate must have. */
  host: string;
  /** Where that name is now. */
  address: string;
  /** Where the provider's own connections come from. */
  from?: string;
  port: number;
  user: string;
  /** Asked at every connection: it may have been changed. */
  password: () => string;
  /** PEM. */
  ca: string;
  /** Root comes in here; null where nothing can be changed (MariaDB). */
  socket: string | null;
}

/** Databases of the server itself, which the API does not list. */
export const ownDatabases: ReadonlySet<string> = new Set([
  ...['information_schema', 'mysql', 'performance_schema', 'sys'],
]);

/** A connection as root by the server's socket; the peer's user id is the credential. */
export function connectAsRoot(socket: string): Promise<Connection> {
  const options = { socketPath: socket, user: 'root', connectTimeout: 3_000 };
  return createConnection({ ...options, multipleStatements: true });
}

export async function asRoot<T>(
  socket: string,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connectAsRoot(socket);
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
}

/** A database server reached over TLS as its administrator, and changed as root. */
export function createManagedDatabase(details: ConnectionDetails): ManagedDatabase {
  const { host, address, from, port, user, password, ca, socket } = details;

  async function rows(connection: Connection, sql: string): Promise<RowDataPacket[]> {
    const [result] = await connection.query<RowDataPacket[]>(sql);
    return result;
  }

  async function change(sql: string, values: string[]): Promise<void> {
    if (socket === null) {
      throw new ApiError(422, 'unprocessable_entity', 'changes need MySQL; here is MariaDB.');
    }
    await asRoot(socket, (connection) => connection.query(sql, values));
  }

  return {
    async facts() {
      const connection = await createConnection({
        ...{ host, user, password: password(), connectTimeout: 3_000 },
        ssl: { ca, rejectUnauthorized: true, verifyIdentity: true },
        stream: () => connect({ port, host: address, localAddress: from }),
      });
      try {
        const [version] = await rows(connection, 'SELECT VERSION() AS version');
        const databases = await rows(connection, 'SHOW DATABASES');
        const users = await rows(
          connection,
          "SELECT user AS name, plugin FROM mysql.user WHERE host = '%' ORDER BY user",
        );
        return {
          version: /^[\d.]+/.exec(String(version?.['version']))?.[0] ?? 'unknown',
          databases: databases
            .map((row) => String(row['Database']))
            .filter((name) => !ownDatabases.has(name)),
          users: users.map((row) => ({
            name: String(row['name']),
            authPlugin: String(row['plugin']),
          })),
        };
      } finally {
        connection.destroy();
      }
    },
    setPassword: (name, secret, plugin) =>
      plugin === undefined
        ? change("ALTER USER ?@'%' IDENTIFIED BY ?", [name, secret])
        : change("ALTER USER ?@'%' IDENTIFIED WITH ? BY ?", [name, plugin, secret]),
    addUser: (name, secret, plugin = 'caching_sha2_password') =>
      change(
        `CREATE USER ?@'%' IDENTIFIED WITH ? BY ? REQUIRE SSL; GRANT ${administratorPrivileges} ON *.* TO ?@'%'`,
        [name, plugin, secret, name],
      ),
    removeUser: (name) => change("DROP USER ?@'%'", [name]),
    addDatabase: (name) => change('CREATE DATABASE ??', [name]),
    removeDatabase: (name) => change('DROP DATABASE ??', [name]),
  };
}
