/**
 * The database outside the cluster: MySQL 9.7, or MariaDB 10.11 where PRESSLIFT_SANDBOX_DATABASE says so. It runs in a
 * root of its own (mysql-packages.ts) under an own user id; its folders below `paths.state/mysql` are mounted into that
 * root in a mount namespace that ends with the process.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import type { Component, ComponentContext } from '../component.ts';
import { ensureCertificateAuthority, issueCertificate } from '../pki.ts';
import { hostNames, network, paths, ports } from '../settings.ts';
import type { ServerTree } from './mysql-packages.ts';
import { unpackedServer } from './mysql-packages.ts';
import type { ServerRuntime } from './mysql-root.ts';
import { foldersBelow, prepareServer, rootedRuntime, secure, serverCommand } from './mysql-root.ts';
import type { DatabaseEngine } from './mysql-server.ts';
import {
  engines,
  initialStatements,
  selectedEngine,
  serverSettings,
  serverUser,
} from './mysql-server.ts';

const addresses = [network.loopback, network.nodeAddress];

const home = join(paths.state, 'mysql');

/** Folders of the server: what is mounted where in its root. */
export const databaseFolders = foldersBelow(home);
const folders = databaseFolders;

/** Names the engine that the data folder belongs to: one engine cannot read the other's files. */
const engineFile = join(home, 'engine');

/** Root comes in by this socket and nowhere else. */
export const databaseSocket = join(folders.run, 'mysqld.sock');

/** The server's tree, unpacked once, with the server's user in it. */
export async function unpacked(
  engine: DatabaseEngine,
  context: Pick<ComponentContext, 'run' | 'progress'>,
): Promise<ServerTree> {
  const tree = await unpackedServer(engines[engine], paths.cache, context);
  const passwd = `root:x:0:0::/:/bin/false\n${serverUser.name}:x:${serverUser.uid}:${serverUser.gid}::/:/bin/false\n`;
  await writeFile(join(tree.root, 'etc/passwd'), passwd);
  await writeFile(
    join(tree.root, 'etc/group'),
    `root:x:0:\n${serverUser.name}:x:${serverUser.gid}:\n`,
  );
  return tree;
}

async function prepare(runtime: ServerRuntime): Promise<void> {
  const authority = await ensureCertificateAuthority('sandbox-ca');
  const certificate = await issueCertificate({
    ca: 'sandbox-ca',
    name: 'database',
    commonName: hostNames.database,
    dnsNames: [hostNames.database, hostNames.privateDatabase],
    usages: ['server'],
  });
  const settings = serverSettings(runtime.engine, {
    ...{ addresses, port: ports.database, folders: runtime.seen(folders) },
    ...{ basedir: runtime.basedir, user: runtime.user },
  });
  await prepareServer(runtime, folders, { authority, certificate, settings });
}

/** Makes the data folder with the sandbox's users in it. A folder that was left half made is made anew. */
async function initialise(
  runtime: ServerRuntime,
  tree: ServerTree,
  context: ComponentContext,
): Promise<void> {
  const { engine } = runtime;
  const before = await readFile(engineFile, 'utf8').catch(() => undefined);
  if (before === engine) return;
  if (before !== undefined) {
    throw new Error(
      `The sandbox's database files are those of ${before}, but ${engine} is selected: run "presslift sandbox reset" first`,
    );
  }
  context.progress('making the data folder');
  await rm(folders.data, { recursive: true, force: true });
  await mkdir(folders.data);
  await secure(runtime, folders.data, 0o750);
  const statements = initialStatements(engine, context.credentials);
  if (engine === 'mysql') {
    const file = join(folders.settings, 'initial.sql');
    await writeFile(file, statements, { mode: 0o600 });
    await secure(runtime, file);
    try {
      const args = ['--initialize-insecure', '--init-file=/etc/mysql/initial.sql'];
      const [command, commandArgs] = serverCommand(runtime, folders, args);
      await context.run(command, commandArgs, { timeoutMs: 300_000 });
    } finally {
      await rm(file, { force: true });
    }
  } else {
    const input = (await mariadbSystemTables(tree)) + statements;
    const args = ['--bootstrap', '--log-warnings=0', '--max-allowed-packet=8M'];
    const [command, commandArgs] = serverCommand(runtime, folders, args);
    await context.run(command, commandArgs, { input, timeoutMs: 300_000 });
  }
  await writeFile(`${engineFile}.new`, engine);
  await rename(`${engineFile}.new`, engineFile);
}

/** What mariadb-install-db sends to the server; that script needs more programs than the server's root has. */
async function mariadbSystemTables(tree: ServerTree): Promise<string> {
  const scripts = [
    'mysql_system_tables',
    'mysql_performance_tables',
    'mysql_system_tables_data',
    'fill_help_tables',
    'maria_add_gis_sp_bootstrap',
    'mysql_sys_schema',
  ];
  const read = (name: string) => readFile(join(tree.root, `usr/share/mysql/${name}.sql`), 'utf8');
  const contents = await Promise.all(scripts.map(read));
  return [
    'CREATE DATABASE IF NOT EXISTS mysql;',
    'USE mysql;',
    "SET @auth_root_socket='root';",
    ...contents,
    '',
  ].join('\n');
}

/** A TLS connection as the administrator, by name and with the sandbox's CA, whatever /etc/hosts says yet. */
async function answersOverTls(address: string, password: string): Promise<void> {
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');
  const connection = await createConnection({
    host: hostNames.database,
    user: 'doadmin',
    password,
    ssl: { ca: await readFile(certFile), rejectUnauthorized: true, verifyIdentity: true },
    // From where the provider itself connects, whatever trusted sources say.
    stream: () => connect({ port: ports.database, host: address, localAddress: network.provider }),
    connectTimeout: 3_000,
  });
  try {
    await connection.query('SELECT 1');
  } finally {
    connection.destroy();
  }
}

export const mysql: Component = {
  name: 'mysql',
  get title() {
    return selectedEngine() === 'mysql' ? 'MySQL 9.7' : 'MariaDB 10.11';
  },
  needs: ['node-network'],
  packages: ['debian-archive-keyring'],
  async build(context) {
    await unpacked(selectedEngine(), context);
  },
  async start(context) {
    if (await context.isRunning('mysql')) return;
    const engine = selectedEngine();
    const tree = await unpacked(engine, context);
    const runtime = rootedRuntime(tree, engine);
    await prepare(runtime);
    await initialise(runtime, tree, context);
    await context.daemon('mysql', ...serverCommand(runtime, folders));
  },
  async ready(context) {
    try {
      for (const address of addresses) {
        await answersOverTls(address, context.credentials.databaseAdminPassword);
      }
      return true;
    } catch {
      return false;
    }
  },
  async stop(context) {
    // Flushes its pages on SIGTERM; a kill would cost a recovery at the next start.
    await context.stopDaemon('mysql', { timeoutMs: 20_000 });
  },
  async reset() {
    await rm(home, { recursive: true, force: true });
  },
};
