/**
 * Database clusters that are restored from another one's backup: each is a server of its own, which goes on when the
 * stand-in ends, and is stopped and removed with the cluster or the sandbox.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../command.ts';
import type { ServerRuntime } from '../../components/mysql-root.ts';
import { foldersBelow, prepareServer, secure, serverCommand } from '../../components/mysql-root.ts';
import { serverSettings } from '../../components/mysql-server.ts';
import type { Daemons } from '../../daemons.ts';
import type { CertificateFiles } from '../../pki.ts';
import type { Backups, SourceServer } from './backups.ts';
import { socketOf } from './backups.ts';
import type { DatabasesFile, StoredCluster } from './clusters.ts';
import { findCluster } from './clusters.ts';
import { asRoot } from './managed-database.ts';
import { logsSince, replayLogs } from './point-in-time.ts';

export interface ForkOptions {
  /** Folder of all forks. */
  home: string;
  runtime: ServerRuntime;
  daemons: Daemons;
  /** Component that the servers belong to. */
  component: string;
  /** Addresses that the servers listen on. */
  addresses: readonly string[];
  certificates: {
    authority(): Promise<CertificateFiles>;
    issue(cluster: StoredCluster): Promise<CertificateFiles>;
    remove(cluster: StoredCluster): Promise<void>;
  };
  backups: Backups;
  file: DatabasesFile;
  /** The server behind a cluster. */
  sourceOf(clusterId: string): Promise<SourceServer>;
  /** Makes the cluster's name known before it is online; resolves when it is. */
  announce(cluster: StoredCluster): Promise<void>;
  /** Forgets a cluster whose server is gone, with its name and its rules. */
  forget(cluster: StoredCluster): Promise<void>;
  log: (line: string) => void;
}

export interface Forks {
  /**
   * Restores and starts the cluster in the background. One whose restore fails is removed: the specification has no word
   * for it, and a client would wait for it in vain.
   */
  make(cluster: StoredCluster): void;
  /** Starts what ran before the sandbox went down, and begins anew what was not finished. */
  resume(): Promise<void>;
  /** Stops and removes the cluster's server with everything of it. */
  remove(cluster: StoredCluster): Promise<void>;
  server(cluster: StoredCluster): SourceServer;
  /** Resolves when nothing is being made; for tests. */
  settled(): Promise<void>;
  /** Breaks off what is being made, as the end of the process would: it stays unfinished for the next `resume`. */
  abandon(): Promise<void>;
}

/** Small, because several run beside each other. MySQL's own default is ten times as much. */
const modest = [
  'innodb_buffer_pool_size=16M',
  'innodb_redo_log_capacity=16M',
  'innodb_log_buffer_size=4M',
  'key_buffer_size=1M',
  'max_connections=75',
  'table_open_cache=256',
  'table_definition_cache=400',
];

/**
 * While data is restored: nobody comes in, no event runs, the copy's log is not wanted, and a crash would mean to begin
 * anew, so that nothing has to be safe on the disk before the end.
 */
const restoring = [
  ...['--skip-networking', '--event-scheduler=OFF', '--skip-log-bin'],
  ...['--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=OFF'],
  ...['--innodb-buffer-pool-size=128M', '--innodb-redo-log-capacity=256M'],
];

export const daemonOf = (cluster: Pick<StoredCluster, 'name'>): string =>
  `database-${cluster.name}`;

export const newPassword = (): string => randomBytes(18).toString('base64url');

export function createForks(options: ForkOptions): Forks {
  const { home, runtime, daemons, component, backups, file, log } = options;
  const underWay = new Map<string, Promise<void>>();
  const removed = new Set<string>();
  let abandoned = false;
  const foldersOf = (cluster: StoredCluster) => foldersBelow(join(home, cluster.id.slice(0, 8)));

  const server = (cluster: StoredCluster): SourceServer => ({
    clusterId: cluster.id,
    folders: foldersOf(cluster),
    runtime,
  });

  async function prepare(cluster: StoredCluster): Promise<void> {
    const folders = foldersOf(cluster);
    await prepareServer(runtime, folders, {
      authority: await options.certificates.authority(),
      certificate: await options.certificates.issue(cluster),
      settings: serverSettings(runtime.engine, {
        ...{ addresses: options.addresses, port: cluster.port, folders: runtime.seen(folders) },
        ...{ basedir: runtime.basedir, user: runtime.user },
        extra: [...modest, ...runtime.extraSettings],
      }),
    });
  }

  async function start(cluster: StoredCluster, args: readonly string[] = []): Promise<void> {
    if (removed.has(cluster.id)) throw new Error('The cluster has been deleted');
    if (abandoned) throw new Error('The stand-in ends');
    const folders = foldersOf(cluster);
    const name = daemonOf(cluster);
    await daemons.start(component, name, ...serverCommand(runtime, folders, args));
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        return await asRoot(socketOf(folders), async (each) => void (await each.query('SELECT 1')));
      } catch (error) {
        const dead = !(await daemons.isRunning(name));
        if (dead || Date.now() > deadline) {
          throw new Error(`${name} does not start:\n${await daemons.logTail(name)}`, {
            cause: error,
          });
        }
        await sleep(100);
      }
    }
  }

  const stop = (cluster: StoredCluster): Promise<void> =>
    daemons.stop(daemonOf(cluster), { timeoutMs: 20_000 });

  /** The base backup's files as the new server's data folder. */
  async function copyBase(cluster: StoredCluster): Promise<void> {
    const { data } = foldersOf(cluster);
    const { backups: known } = await file.read();
    const base = known.find(({ id }) => id === cluster.fork!.backupId);
    if (!base) throw new Error('The base backup is gone');
    await rm(data, { recursive: true, force: true });
    await mkdir(data, { recursive: true });
    await runCommand('cp', ['-a', '--reflink=auto', `${backups.folder(base)}/.`, data]);
    await secure(runtime, data, 0o750);
  }

  /** New passwords for all users: those of the source do not open a fork. */
  async function changePasswords(cluster: StoredCluster): Promise<Record<string, string>> {
    return asRoot(socketOf(foldersOf(cluster)), async (connection) => {
      const [rows] = (await connection.query(
        "SELECT user AS name FROM mysql.user WHERE host = '%'",
      )) as unknown as [{ name: string }[]];
      const passwords: Record<string, string> = {};
      for (const { name } of rows) {
        passwords[name] = newPassword();
        await connection.query("ALTER USER ?@'%' IDENTIFIED BY ?", [name, passwords[name]]);
      }
      return passwords;
    });
  }

  async function restore(cluster: StoredCluster): Promise<void> {
    const fork = cluster.fork!;
    await stop(cluster);
    await prepare(cluster);
    await copyBase(cluster);
    await start(cluster, restoring);
    if (fork.at !== null) {
      const source = await options.sourceOf(fork.sourceId);
      const base = (await file.read()).backups.find(({ id }) => id === fork.backupId)!;
      const logs = await logsSince(source, base);
      const from = { logs, position: base.position };
      await replayLogs(source, from, socketOf(foldersOf(cluster)), fork.at);
    }
    const passwords = await changePasswords(cluster);
    await file.update((state) => void (findCluster(state, cluster.id).passwords = passwords));
    await stop(cluster);
    await start(cluster);
    await options.announce(cluster);
    await setOnline(cluster);
    await backups.takeWhenDue(server(cluster));
  }

  /** Nothing for a cluster that has been deleted in the meantime, or when the stand-in ends. */
  async function setOnline(cluster: StoredCluster): Promise<void> {
    if (abandoned) return;
    await file.update((state) => {
      const kept = state.clusters.find(({ id }) => id === cluster.id);
      if (kept?.fork) kept.fork.state = 'online';
    });
  }

  /** Ends the cluster's server and removes everything of it. */
  async function discard(cluster: StoredCluster): Promise<void> {
    await stop(cluster);
    await backups.removeAll(cluster.id);
    await rm(join(home, cluster.id.slice(0, 8)), { recursive: true, force: true });
    await options.certificates.remove(cluster);
  }

  function make(cluster: StoredCluster): void {
    if (underWay.has(cluster.id)) return;
    const work = restore(cluster)
      .catch(async (error: unknown) => {
        if (removed.has(cluster.id) || abandoned) return;
        const problem = error instanceof Error ? error.message : String(error);
        log(`FORK ${cluster.name} failed: ${problem}`);
        await discard(cluster);
        await options.forget(cluster);
      })
      .catch((error: unknown) => log(`FORK ${cluster.name} is not removed: ${String(error)}`))
      .finally(() => underWay.delete(cluster.id));
    underWay.set(cluster.id, work);
  }

  async function settled(): Promise<void> {
    while (underWay.size > 0) await Promise.all(underWay.values());
  }

  return {
    make,
    server,
    async resume() {
      for (const cluster of (await file.read()).clusters) {
        if (cluster.fork?.state === 'creating') make(cluster);
        if (cluster.fork?.state !== 'online') continue;
        if (!(await daemons.isRunning(daemonOf(cluster)))) await prepare(cluster);
        await start(cluster);
      }
    },
    async remove(cluster) {
      removed.add(cluster.id);
      // A restore that is under way loses its server, and so ends.
      await stop(cluster);
      await underWay.get(cluster.id);
      await discard(cluster);
    },
    settled,
    async abandon() {
      abandoned = true;
      await settled();
    },
  };
}
