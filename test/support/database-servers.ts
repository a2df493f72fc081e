import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { defaultCacheDir } from '../../deploy/sandbox/build/go-programs.ts';
import { unpackedServer } from '../../deploy/sandbox/components/mysql-packages.ts';
import { engines } from '../../deploy/sandbox/components/mysql-server.ts';
import { createCertificate } from '../../src/activities/database/x509.ts';

const run = promisify(execFile);

export type TestEngine = 'mysql' | 'mariadb';

export interface TestDatabase {
  host: string;
  port: number;
  /** PEM of the CA that signed the server's certificate. */
  ca: string;
  /** Name in the certificate besides 127.0.0.1. */
  name: string;
  /** Runs SQL as root over the socket. */
  admin(sql: string): Promise<void>;
  stop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Default true. */
  requireSecureTransport?: boolean;
  /** Addresses in the certificate; 127.0.0.1 when absent. */
  certificateAddresses?: string[];
  /** Extra lines of the `[mysqld]` section. */
  settings?: string[];
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** MySQL 9.7; see `startDatabase`. */
export const startMySql = (options?: TestDatabaseOptions) => startDatabase('mysql', options);

/** MariaDB 10.11; see `startDatabase`. */
export const startMariaDb = (options?: TestDatabaseOptions) => startDatabase('mariadb', options);

/**
 * Starts a server of the sandbox's packages (fetched once) in a folder of its own, with TLS from a CA of its own, and
 * waits until it answers.
 */
export async function startDatabase(
  engine: TestEngine,
  options: TestDatabaseOptions = {},
): Promise<TestDatabase> {
  const { root } = await unpackedServer(engines[engine], defaultCacheDir(), {
    run: async (command, args, { timeoutMs } = {}) => run(command, args, { timeout: timeoutMs }),
    progress: () => undefined,
  });
  const base = await mkdtemp(join(tmpdir(), 'presslift-db-'));
  const authority = createCertificate({ commonName: 'Presslift test CA' });
  const leaf = createCertificate({
    commonName: 'db.test',
    issuer: authority,
    dnsNames: ['db.test', 'localhost'],
    ipAddresses: options.certificateAddresses ?? ['127.0.0.1'],
  });
  const port = await freePort();
  const socket = join(base, 's');
  const settings = join(base, 'my.cnf');
  for (const [name, content] of [
    ['ca.pem', authority.certificate],
    ['cert.pem', leaf.certificate],
    ['key.pem', leaf.privateKey],
    ['my.cnf', settingsFile(engine, root, base, port, socket, options)],
  ] as const) {
    await writeFile(join(base, name), content, { mode: 0o600 });
  }
  await mkdir(join(base, 'data'));
  const start = (args: string[], input?: string) =>
    startProgram(engine, root, settings, args, input);
  await succeeded(await initialize(engine, root, start), base);
  const child = start([]);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const admin = async (sql: string) => {
    const connection = await createConnection({
      ...{ socketPath: socket, user: 'root', multipleStatements: true },
    });
    await connection.query(sql).finally(() => connection.destroy());
  };
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(base, { recursive: true, force: true });
  };
  for (let attempt = 0; ; attempt += 1) {
    if (await admin('SELECT 1').then(isTrue, isFalse)) break;
    if (attempt > 300 || child.exitCode !== null) {
      const log = await logOf(base);
      await stop();
      throw new Error(`${engine} does not start:\n${log}`);
    }
    await delay(100);
  }
  return { host: '127.0.0.1', port, ca: authority.certificate, name: 'db.test', admin, stop };
}

const isTrue = () => true;
const isFalse = () => false;

/** Every path is one of the machine: the server runs from its tree with the tree's own C library, without chroot. */
function settingsFile(
  engine: TestEngine,
  root: string,
  base: string,
  port: number,
  socket: string,
  options: TestDatabaseOptions,
): string {
  return [
    '[mysqld]',
    `basedir=${join(root, 'usr')}`,
    `datadir=${join(base, 'data')}`,
    `tmpdir=${base}`,
    `lc-messages-dir=${join(root, 'usr/share/mysql')}`,
    `character-sets-dir=${join(root, 'usr/share/mysql/charsets')}`,
    `socket=${socket}`,
    `pid-file=${join(base, 'pid')}`,
    `log-error=${join(base, 'error.log')}`,
    'bind-address=127.0.0.1',
    `port=${port}`,
    `user=${userInfo().username}`,
    'skip-name-resolve',
    'innodb_buffer_pool_size=32M',
    'innodb_flush_log_at_trx_commit=0',
    'performance_schema=OFF',
    `ssl-ca=${join(base, 'ca.pem')}`,
    `ssl-cert=${join(base, 'cert.pem')}`,
    `ssl-key=${join(base, 'key.pem')}`,
    `require_secure_transport=${options.requireSecureTransport === false ? 'OFF' : 'ON'}`,
    ...(engine === 'mysql' ? ['mysqlx=OFF', 'disable-log-bin', 'secure-file-priv=NULL'] : []),
    ...(options.settings ?? []),
    '',
  ].join('\n');
}

function startProgram(
  engine: TestEngine,
  root: string,
  settings: string,
  args: string[],
  input?: string,
): ChildProcess {
  const libraries = [
    'usr/lib/x86_64-linux-gnu',
    'usr/lib/aarch64-linux-gnu',
    'usr/lib/mysql/private',
  ];
  const loader = process.arch === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2';
  const folder = process.arch === 'arm64' ? 'usr/lib/aarch64-linux-gnu' : 'usr/lib64';
  const child = spawn(
    join(root, folder, loader),
    [
      ...['--library-path', libraries.map((path) => join(root, path)).join(':')],
      join(root, engines[engine].program),
      `--defaults-file=${settings}`,
      ...args,
    ],
    { stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'ignore'] },
  );
  child.stdin?.end(input);
  return child;
}

/** Makes the system tables, with a root account that has no password. */
async function initialize(
  engine: TestEngine,
  root: string,
  start: (args: string[], input?: string) => ChildProcess,
): Promise<ChildProcess> {
  if (engine === 'mysql') return start(['--initialize-insecure']);
  // What mariadb-install-db does, without its need for the client package.
  const scripts = ['mysql_system_tables.sql', 'mysql_system_tables_data.sql'];
  const sql = await Promise.all(
    scripts.map((name) => readFile(join(root, 'usr/share/mysql', name), 'utf8')),
  );
  const before = ['CREATE DATABASE mysql;', 'USE mysql;', 'SET @auth_root_socket=NULL;'];
  return start(['--bootstrap', '--enforce-storage-engine='], [...before, ...sql].join('\n'));
}

async function succeeded(child: ChildProcess, base: string): Promise<void> {
  const status = await new Promise((resolve) => child.once('exit', resolve));
  if (status === 0) return;
  throw new Error(
    `The database cannot make its system tables (${String(status)}):\n${await logOf(base)}`,
  );
}

async function logOf(base: string): Promise<string> {
  return (await readFile(join(base, 'error.log'), 'utf8').catch(() => '')).slice(-2_000);
}
