/**
 * Settings and first SQL statements of the sandbox's two database servers. They follow what a managed database of
 * DigitalOcean does, so that what works here works there: TLS only, ANSI SQL mode, tables need a primary key, binary
 * log kept for seven days, an administrator who is not root.
 */
import type { SandboxCredentials } from '../credentials.ts';
import type { ServerPackage } from './mysql-packages.ts';
import type { ServerFolders } from './mysql-root.ts';

export type DatabaseEngine = 'mysql' | 'mariadb';

export interface EngineTraits extends ServerPackage {
  /** The server program, as seen in its own root. */
  program: string;
  /** Lines of the server's section that only this engine knows. */
  settings: string[];
}

/** DigitalOcean's default for MySQL clusters. ANSI makes a double-quoted word a name, not a string. */
const managedSqlMode = [
  'ANSI',
  'ERROR_FOR_DIVISION_BY_ZERO',
  'NO_ENGINE_SUBSTITUTION',
  'NO_ZERO_DATE',
  'NO_ZERO_IN_DATE',
  'STRICT_ALL_TABLES',
].join(',');

export const engines: Record<DatabaseEngine, EngineTraits> = {
  mysql: {
    name: 'mysql',
    packageName: 'mysql-server-core',
    series: '9.7',
    suite: 'sid',
    program: '/usr/sbin/mysqld',
    settings: [
      'mysqlx=OFF',
      'secure-file-priv=NULL',
      'plugin-load-add=auth_socket.so',
      'gtid_mode=ON',
      'enforce_gtid_consistency=ON',
      'sql_require_primary_key=ON',
      `sql_mode=${managedSqlMode}`,
      'binlog_expire_logs_seconds=604800',
    ],
  },
  mariadb: {
    name: 'mariadb',
    packageName: 'mariadb-server-core',
    series: '10.11',
    suite: 'bookworm',
    program: '/usr/sbin/mariadbd',
    settings: [`sql_mode=${managedSqlMode}`, 'binlog_format=ROW', 'expire_logs_days=7'],
  },
};

/** The engine that PRESSLIFT_SANDBOX_DATABASE selects; MySQL by default. */
export function selectedEngine(selected = process.env.PRESSLIFT_SANDBOX_DATABASE): DatabaseEngine {
  if (selected === undefined || selected === '') return 'mysql';
  if (selected === 'mysql' || selected === 'mariadb') return selected;
  throw new Error(`PRESSLIFT_SANDBOX_DATABASE is ${selected}; it may be mysql or mariadb`);
}

/** Identity of the server in its root; far from what distributions give to people and services. */
export const serverUser = { name: 'mysql', uid: 913_306, gid: 913_306 } as const;

/** What of a server's settings differs from one server to the next. Every path is one that the server sees. */
export interface ServerPlace {
  addresses: readonly string[];
  port: number;
  folders: ServerFolders;
  basedir: string;
  /** Null: it runs as whoever starts it. */
  user: { name: string } | null;
  /** Further lines; they win over the ones before. */
  extra?: readonly string[];
}

/** The server's settings file. */
export function serverSettings(engine: DatabaseEngine, place: ServerPlace): string {
  const { data, run, settings, temporary } = place.folders;
  return [
    '[mysqld]',
    ...(place.user ? [`user=${place.user.name}`] : []),
    `basedir=${place.basedir}`,
    `datadir=${data}`,
    `tmpdir=${temporary}`,
    `socket=${run}/mysqld.sock`,
    `pid-file=${run}/mysqld.pid`,
    `bind-address=${place.addresses.join(',')}`,
    `port=${place.port}`,
    'skip-name-resolve=ON',
    'require_secure_transport=ON',
    'tls_version=TLSv1.2,TLSv1.3',
    `ssl-ca=${settings}/ca.crt`,
    `ssl-cert=${settings}/server.crt`,
    `ssl-key=${settings}/server.key`,
    'server-id=1',
    'log-bin=binlog',
    'sync_binlog=1',
    // The administrator of a managed database is not root and restores triggers all the same.
    'log_bin_trust_function_creators=ON',
    'character-set-server=utf8mb4',
    'max_connections=150',
    'innodb_buffer_pool_size=128M',
    'performance_schema=OFF',
    ...engines[engine].settings,
    ...(place.extra ?? []),
    '',
  ].join('\n');
}

/** What a managed database's administrator may do: everything but to touch the server itself. */
export const administratorPrivileges = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'CREATE',
  'DROP',
  'RELOAD',
  'PROCESS',
  'REFERENCES',
  'INDEX',
  'ALTER',
  'SHOW DATABASES',
  'CREATE TEMPORARY TABLES',
  'LOCK TABLES',
  'EXECUTE',
  'REPLICATION SLAVE',
  'REPLICATION CLIENT',
  'CREATE VIEW',
  'SHOW VIEW',
  'CREATE ROUTINE',
  'ALTER ROUTINE',
  'CREATE USER',
  'EVENT',
  'TRIGGER',
].join(', ');

/**
 * Statements that make a new server the sandbox's: the databases, WordPress's user, the administrator, and root by the
 * socket alone. One statement a line, as the servers' bootstrap modes read them.
 */
export function initialStatements(
  engine: DatabaseEngine,
  credentials: Pick<SandboxCredentials, 'databaseAdminPassword' | 'wordpressDatabasePassword'>,
): string {
  const account = (name: string, password: string): string =>
    `CREATE USER '${name}'@'%' IDENTIFIED BY ${sqlString(password)} REQUIRE SSL;`;
  // While MySQL initialises, no plugin is loaded and ALTER USER refuses auth_socket; the table takes it.
  const rootBySocket =
    engine === 'mysql'
      ? "UPDATE mysql.user SET plugin = 'auth_socket', authentication_string = '' WHERE user = 'root';"
      : 'FLUSH PRIVILEGES;';
  return [
    rootBySocket,
    'CREATE DATABASE defaultdb;',
    'CREATE DATABASE wordpress CHARACTER SET utf8mb4;',
    account('doadmin', credentials.databaseAdminPassword),
    `GRANT ${administratorPrivileges} ON *.* TO 'doadmin'@'%' WITH GRANT OPTION;`,
    account('wordpress', credentials.wordpressDatabasePassword),
    "GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%';",
    '',
  ].join('\n');
}

/** A string literal. Passwords are of a known alphabet, so anything else is refused instead of escaped. */
export function sqlString(value: string): string {
  if (!/^[\w.~-]+$/.test(value)) {
    throw new Error('A generated password has characters that SQL would need escaped');
  }
  return `'${value}'`;
}
