/**
 * DigitalOcean's stand-in with real MySQL behind it, without root: servers run from the unpacked tree as whoever runs the
 * tests. Only names and packet filter rules are recorded instead of made; the sandbox has those real.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createConnection, type Connection } from 'mysql2/promise';
import { defaultCacheDir } from '../../deploy/sandbox/build/go-programs.ts';
import { unpackedServer } from '../../deploy/sandbox/components/mysql-packages.ts';
import {
  foldersBelow,
  prepareServer,
  serverCommand,
  type ServerRuntime,
} from '../../deploy/sandbox/components/mysql-root.ts';
import {
  administratorPrivileges,
  engines,
  serverSettings,
} from '../../deploy/sandbox/components/mysql-server.ts';
import { createDaemons } from '../../deploy/sandbox/daemons.ts';
import type {
  DatabasesState,
  StoredCluster,
} from '../../deploy/sandbox/stand-ins/digitalocean/clusters.ts';
import {
  createDatabaseService,
  type DatabaseService,
} from '../../deploy/sandbox/stand-ins/digitalocean/database-service.ts';
import type { GuardedCluster } from '../../deploy/sandbox/stand-ins/digitalocean/firewall.ts';
import { asRoot } from '../../deploy/sandbox/stand-ins/digitalocean/managed-database.ts';
import { createNfs, type NfsState } from '../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import { createStandIn, type StandIn } from '../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { spacesKeyHandlers } from '../../deploy/sandbox/stand-ins/digitalocean/spaces-keys.ts';
import { close, listen } from '../../deploy/sandbox/stand-ins/http.ts';
import { JsonFile } from '../../deploy/sandbox/stand-ins/json-file.ts';
import { createCertificate } from '../../src/activities/database/x509.ts';
import { createDigitalOcean, type DigitalOcean } from '../../src/activities/digitalocean/client.ts';
import { Secret } from '../../src/activities/secrets/secret.ts';
import { freePort } from './database-servers.ts';

const run = promisify(execFile);

export const ownClusterId = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
export const apiToken = 'dop_v1_managed';
export const passwords = { doadmin: 'admin-password', wordpress: 'site-password' };

export interface ManagedMySql {
  /** Of the server that stands for the site's cluster; its certificate and those of forks name `localhost`. */
  port: number;
  /** PEM. */
  ca: string;
  endpoint: string;
  api: DigitalOcean;
  standIn(): StandIn;
  /** A connection as a user, over verified TLS. */
  connect(port: number, user: string, password: string, database?: string): Promise<Connection>;
  /** A statement as the server's root, who may more than an administrator at a provider. */
  root(statement: string): Promise<void>;
  /** Trusted sources that would be in force. */
  firewall(): readonly GuardedCluster[];
  service(): DatabaseService;
  /** Ends the stand-in as a crash would, and starts it again on the same files. */
  restart(): Promise<void>;
  /** Process ids of forked servers. */
  forkedServers(): Promise<number[]>;
  /** Folder of forks and backups. */
  home: string;
  stop(): Promise<void>;
}

/** MySQL from its tree with the tree's own C library, without `chroot`: every path is one of the machine. */
async function directRuntime(): Promise<ServerRuntime> {
  const { root } = await unpackedServer(engines.mysql, defaultCacheDir(), {
    run: async (command, args, { timeoutMs } = {}) => run(command, args, { timeout: timeoutMs }),
    progress: () => undefined,
  });
  const arm = process.arch === 'arm64';
  const loader = arm
    ? 'usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1'
    : 'usr/lib64/ld-linux-x86-64.so.2';
  const libraries = [`usr/lib/${arm ? 'aarch64' : 'x86_64'}-linux-gnu`, 'usr/lib/mysql/private'];
  const { username: name, uid, gid } = userInfo();
  return {
    engine: 'mysql',
    command: (_, program, args) => [
      join(root, loader),
      [
        ...['--library-path', libraries.map((path) => join(root, path)).join(':')],
        ...[join(root, program), ...args],
      ],
    ],
    seen: (folders) => folders,
    basedir: join(root, 'usr'),
    extraSettings: [
      `lc-messages-dir=${join(root, 'usr/share/mysql')}`,
      `character-sets-dir=${join(root, 'usr/share/mysql/charsets')}`,
    ],
    user: { name, uid, gid },
  };
}

async function succeeded(child: ChildProcess): Promise<void> {
  const said: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  const status = await new Promise((resolve) => child.once('close', resolve));
  if (status !== 0) throw new Error(Buffer.concat(said).toString('utf8').slice(-2_000));
}

/** Starts a server with the users of a managed cluster and a database `wordpress`, and the stand-in in front of it. */
export async function startManagedMySql(options: { now?: () => Date } = {}): Promise<ManagedMySql> {
  const runtime = await directRuntime();
  // Short, because paths of sockets must stay below 108 bytes.
  const base = await mkdtemp(join(tmpdir(), 'pl-do-'));
  const home = join(base, 'api');
  const folders = foldersBelow(join(base, 'own'));
  const port = await freePort();
  const authority = createCertificate({ commonName: 'Presslift test CA' });
  const leaf = createCertificate({
    ...{ commonName: 'database', issuer: authority, dnsNames: ['localhost'] },
    ipAddresses: ['127.0.0.1'],
  });
  const file = async (name: string, content: string) => {
    await writeFile(join(base, name), content, { mode: 0o600 });
    return join(base, name);
  };
  const certificate = {
    certFile: await file('server.crt', leaf.certificate),
    keyFile: await file('server.key', leaf.privateKey),
  };
  const authorityFiles = {
    certFile: await file('ca.crt', authority.certificate),
    keyFile: await file('ca.key', authority.privateKey),
  };
  const settings = serverSettings('mysql', {
    ...{ addresses: ['127.0.0.1'], port, folders, basedir: runtime.basedir, user: runtime.user },
    extra: [...runtime.extraSettings, 'innodb_buffer_pool_size=32M'],
  });
  await mkdir(home, { recursive: true });
  await prepareServer(runtime, folders, { authority: authorityFiles, certificate, settings });
  await succeeded(spawn(...serverCommand(runtime, folders, ['--initialize-insecure'])));
  const own = spawn(...serverCommand(runtime, folders), { stdio: 'ignore' });
  const socket = join(folders.run, 'mysqld.sock');
  const ended = new Promise<void>((resolve) => own.once('exit', () => resolve()));
  for (let attempt = 0; ; attempt += 1) {
    const answers = await asRoot(socket, (each) => each.query('SELECT 1')).catch(() => null);
    if (answers) break;
    if (attempt > 600 || own.exitCode !== null) throw new Error('MySQL does not start');
    await delay(100);
  }
  await asRoot(socket, async (root) => {
    for (const statement of [
      'CREATE DATABASE wordpress CHARACTER SET utf8mb4',
      `CREATE USER 'doadmin'@'%' IDENTIFIED BY '${passwords.doadmin}' REQUIRE SSL`,
      `GRANT ${administratorPrivileges} ON *.* TO 'doadmin'@'%' WITH GRANT OPTION`,
      `CREATE USER 'wordpress'@'%' IDENTIFIED BY '${passwords.wordpress}' REQUIRE SSL`,
      "GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%'",
    ]) {
      await root.query(statement);
    }
  });

  const now = options.now ?? (() => new Date());
  const daemons = createDaemons({
    ...{ stateDir: base, pidDir: join(base, 'pids'), logDir: join(base, 'logs') },
  });
  const first = await freePort();
  let rules: readonly GuardedCluster[] = [];
  const ownCluster: StoredCluster = {
    ...{ id: ownClusterId, name: 'own', region: 'nyc3', size: 'db-s-1vcpu-1gb', nodes: 1 },
    ...{ storageMib: 20_480, tags: [], rules: [], fork: null, port },
    // The second name is an address: every machine has it, and the certificate names it.
    ...{ host: 'localhost', privateHost: '127.0.0.1' },
    privateNetwork: 'd455e75d-4858-4eec-8c95-da2f0a5f93a7',
    projectId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff31',
    createdAt: now().toISOString(),
    passwords: { ...passwords },
  };

  async function begin() {
    const service = createDatabaseService({
      ...{ home, runtime, daemons, component: 'test', ownCluster, ca: authority.certificate, now },
      file: new JsonFile<DatabasesState>(join(home, 'databases.json'), () => ({
        ...{ clusters: [], backups: [] },
      })),
      own: { clusterId: ownClusterId, folders, runtime },
      certificates: {
        authority: async () => authorityFiles,
        issue: async () => certificate,
        remove: async () => undefined,
      },
      ...{ administrator: 'doadmin', addresses: ['127.0.0.1'] },
      hostsOf: () => ({ host: 'localhost', privateHost: '127.0.0.1' }),
      ports: { first, last: first + 20 },
      network: {
        firewall: async (clusters) => void (rules = structuredClone(clusters)),
        publish: async () => undefined,
        awaitName: async () => undefined,
      },
      passwordChanged: async () => undefined,
      log: () => undefined,
    });
    const none = { create: () => Promise.reject(new Error('no keys')), remove: async () => {} };
    const standIn = createStandIn({
      token: apiToken,
      now,
      // Tests ask as often as they like; the published limits have tests of their own.
      limits: { perHour: 100_000, perMinute: 10_000 },
      handlers: {
        ...service.handlers,
        ...createNfs(
          new JsonFile<NfsState>(join(home, 'nfs.json'), () => ({ shares: [], snapshots: [] })),
          join(home, 'nfs'),
          now,
        ).handlers,
        ...spacesKeyHandlers(
          new JsonFile(join(home, 'keys.json'), () => ({ keys: [] })),
          none,
          now,
        ),
      },
      control: { takeBackup: service.takeBackup },
    });
    await service.start();
    return { service, standIn };
  }

  let running = await begin();
  const apiPort = await listen(running.standIn.server, '127.0.0.1', 0);
  const endpoint = `http://127.0.0.1:${apiPort}`;
  return {
    ...{ port, ca: authority.certificate, endpoint, home },
    api: createDigitalOcean({ token: new Secret(apiToken), endpoint }),
    standIn: () => running.standIn,
    service: () => running.service,
    firewall: () => rules,
    root: (statement) => asRoot(socket, async (each) => void (await each.query(statement))),
    connect: (to, user, password, database) =>
      createConnection({
        ...{ host: 'localhost', port: to, user, password, database, dateStrings: true },
        ssl: { ca: authority.certificate, rejectUnauthorized: true, verifyIdentity: true },
      }),
    async restart() {
      await running.service.stop();
      await close(running.standIn.server);
      running = await begin();
      await listen(running.standIn.server, '127.0.0.1', apiPort);
    },
    async forkedServers() {
      const records = await daemons.records();
      const alive = await Promise.all(records.map(({ name }) => daemons.isRunning(name)));
      return records.filter((_, index) => alive[index]).map(({ pid }) => pid);
    },
    async stop() {
      await running.service.stop();
      await close(running.standIn.server);
      await daemons.sweep();
      own.kill('SIGKILL');
      await ended;
      await rm(base, { recursive: true, force: true });
    },
  };
}
