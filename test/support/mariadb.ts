import { spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { createCertificate } from '../../src/activities/database/x509.ts';

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
  /** Extra lines of the `[mysqld]` section. */
  settings?: string[];
  requireSecureTransport?: boolean;
  /** Addresses in the certificate; 127.0.0.1 when absent. */
  certificateAddresses?: string[];
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

/** Path of a program in one of the usual folders; a clear error when it is not installed. */
async function program(name: string, debianPackage: string): Promise<string> {
  for (const folder of ['/usr/sbin', '/usr/bin', '/usr/local/bin', '/usr/local/sbin']) {
    const path = join(folder, name);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw new Error(`${name} is not installed; on Debian: apt-get install ${debianPackage}`);
}

/** Starts a MariaDB server in a folder of its own, with TLS from a CA of its own, and waits until it answers. */
export async function startMariaDb(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const daemon = await program('mariadbd', 'mariadb-server-core');
  const user = userInfo().username;
  const base = await mkdtemp(join(tmpdir(), 'presslift-mariadb-'));
  const authority = createCertificate({ commonName: 'Presslift test CA' });
  const leaf = createCertificate({
    commonName: 'db.test',
    issuer: authority,
    dnsNames: ['db.test', 'localhost'],
    ipAddresses: options.certificateAddresses ?? ['127.0.0.1'],
  });
  const files = {
    'ca.pem': authority.certificate,
    'cert.pem': leaf.certificate,
    'key.pem': leaf.privateKey,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(base, name), content);
  await mkdir(join(base, 'data'));
  const port = await freePort();
  const socket = join(base, 's');
  await writeFile(
    join(base, 'my.cnf'),
    [
      '[mysqld]',
      `datadir=${join(base, 'data')}`,
      `socket=${socket}`,
      `pid-file=${join(base, 'pid')}`,
      `log-error=${join(base, 'error.log')}`,
      'bind-address=127.0.0.1',
      `port=${port}`,
      'skip-name-resolve',
      'innodb_buffer_pool_size=32M',
      'innodb_log_file_size=8M',
      'innodb_flush_log_at_trx_commit=0',
      'performance_schema=OFF',
      `ssl-ca=${join(base, 'ca.pem')}`,
      `ssl-cert=${join(base, 'cert.pem')}`,
      `ssl-key=${join(base, 'key.pem')}`,
      `require_secure_transport=${options.requireSecureTransport === false ? 'OFF' : 'ON'}`,
      `user=${user}`,
      ...(options.settings ?? []),
      '',
    ].join('\n'),
  );
  await bootstrap(daemon, base);
  const child = spawn(daemon, [`--defaults-file=${join(base, 'my.cnf')}`], { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const admin = async (sql: string) => {
    const connection = await createConnection({
      socketPath: socket,
      user: 'root',
      multipleStatements: true,
    });
    try {
      await connection.query(sql);
    } finally {
      connection.destroy();
    }
  };
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(base, { recursive: true, force: true });
  };
  for (let attempt = 0; ; attempt += 1) {
    if (
      await admin('SELECT 1').then(
        () => true,
        () => false,
      )
    )
      break;
    if (attempt > 300 || child.exitCode !== null) {
      const log = await readFile(join(base, 'error.log'), 'utf8').catch(() => '');
      await stop();
      throw new Error(`MariaDB does not start:\n${log.slice(-2000)}`);
    }
    await delay(100);
  }
  return { host: '127.0.0.1', port, ca: authority.certificate, name: 'db.test', admin, stop };
}

/** Makes the system tables: what mariadb-install-db does, without its need for the client package. */
async function bootstrap(daemon: string, base: string): Promise<void> {
  const scripts = ['mysql_system_tables.sql', 'mysql_system_tables_data.sql'];
  const sql = await Promise.all(
    scripts.map((name) => readFile(join('/usr/share/mysql', name), 'utf8')),
  );
  const child = spawn(
    daemon,
    [`--defaults-file=${join(base, 'my.cnf')}`, '--bootstrap', '--enforce-storage-engine='],
    { stdio: ['pipe', 'ignore', 'ignore'] },
  );
  child.stdin.end(
    ['CREATE DATABASE mysql;', 'USE mysql;', 'SET @auth_root_socket=NULL;', ...sql].join('\n'),
  );
  const status = await new Promise((resolve) => child.once('exit', resolve));
  if (status === 0) return;
  const log = await readFile(join(base, 'error.log'), 'utf8').catch(() => '');
  throw new Error(`MariaDB cannot make its system tables (status ${String(status)}):\n${log}`);
}
