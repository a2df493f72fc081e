/** The real database server behind the stand-in's database cluster. */
import { connect } from 'node:net';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';

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
}

export interface ConnectionDetails {
  /** Name that the server's certificate must have. */
  host: string;
  /** Where that name is now. */
  address: string;
  port: number;
  user: string;
  password: string;
  /** PEM. */
  ca: string;
}

/** Databases of the server itself, which the API does not list. */
const ownDatabases = new Set(['information_schema', 'mysql', 'performance_schema', 'sys']);

/** A database server reached over TLS as its administrator. */
export function createManagedDatabase(details: ConnectionDetails): ManagedDatabase {
  const { host, address, port, user, password, ca } = details;

  async function rows(connection: Connection, sql: string): Promise<RowDataPacket[]> {
    const [result] = await connection.query<RowDataPacket[]>(sql);
    return result;
  }

  return {
    async facts() {
      const connection = await createConnection({
        ...{ host, user, password, connectTimeout: 3_000 },
        ssl: { ca, rejectUnauthorized: true, verifyIdentity: true },
        stream: () => connect(port, address),
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
  };
}
