/** The managed databases as a whole: clusters, their servers, backups, trusted sources and names. */
import { join } from 'node:path';
import type { ServerRuntime } from '../../components/mysql-root.ts';
import type { Daemons } from '../../daemons.ts';
import { isFree } from '../../listeners.ts';
import { ApiError } from './api-error.ts';
import type { SourceServer } from './backups.ts';
import { createBackups, socketOf } from './backups.ts';
import type { DatabasesFile, StoredBackup, StoredCluster } from './clusters.ts';
import { findCluster } from './clusters.ts';
import { databaseHandlers } from './databases.ts';
import type { GuardedCluster } from './firewall.ts';
import type { ForkOptions } from './forks.ts';
import { createForks } from './forks.ts';
import { createManagedDatabase } from './managed-database.ts';
import type { Handlers } from './server.ts';

export interface DatabaseServiceOptions {
  /** Folder of forks and backups. */
  home: string;
  file: DatabasesFile;
  runtime: ServerRuntime;
  daemons: Daemons;
  /** Component that forked servers belong to. */
  component: string;
  /** The sandbox's own server; null where it cannot be copied (MariaDB). */
  own: SourceServer | null;
  ownCluster: StoredCluster;
  /** PEM. */
  ca: string;
  certificates: ForkOptions['certificates'];
  administrator: string;
  /** What servers listen on; the stand-in asks at the first one. */
  addresses: readonly string[];
  /** Where the stand-in's own connections come from. */
  from?: string;
  /** Host names of a new cluster. */
  hostsOf(name: string): Pick<StoredCluster, 'host' | 'privateHost'>;
  ports: { first: number; last: number };
  network: {
    firewall(clusters: readonly GuardedCluster[]): Promise<void>;
    /** Makes these the names of forked clusters. */
    publish(hosts: readonly string[]): Promise<void>;
    /** Resolves when clients find the name. */
    awaitName(host: string): Promise<void>;
  };
  passwordChanged(user: string, password: string): Promise<void>;
  now: () => Date;
  log: (line: string) => void;
}

export interface DatabaseService {
  handlers: Handlers;
  /** Puts into force what is kept, and begins the daily backups. */
  start(): Promise<void>;
  /** Takes a backup of a cluster now. */
  takeBackup: (clusterName: string) => Promise<StoredBackup>;
  /** Resolves when no cluster is being made; for tests. */
  settled(): Promise<void>;
  /** Ends the daily backups and breaks off restores, which the next start begins anew. */
  stop(): Promise<void>;
}

const lookEveryMs = 60_000;

export function createDatabaseService(options: DatabaseServiceOptions): DatabaseService {
  const { file, own, ownCluster, administrator, network, log, now } = options;
  const backups = createBackups(join(options.home, 'backups'), file, now);
  let timer: NodeJS.Timeout | undefined;

  const forks = createForks({
    home: join(options.home, 'forks'),
    ...{ runtime: options.runtime, daemons: options.daemons, component: options.component },
    ...{ addresses: options.addresses, certificates: options.certificates, backups, file, log },
    sourceOf: async (id) => serverOf(findCluster(await file.read(), id)),
    async announce({ host, privateHost }) {
      await publish();
      for (const name of [host, privateHost]) await network.awaitName(name);
    },
    forget,
  });

  function serverOf(cluster: StoredCluster): SourceServer {
    if (cluster.fork) return forks.server(cluster);
    if (own) return own;
    throw new ApiError(422, 'unprocessable_entity', 'backups need MySQL; here is MariaDB.');
  }

  async function publish(): Promise<void> {
    const { clusters } = await file.read();
    const forked = clusters.filter(({ fork }) => fork);
    await network.publish(forked.flatMap(({ host, privateHost }) => [host, privateHost]));
  }

  async function forget(cluster: StoredCluster): Promise<void> {
    await file.update((state) => {
      state.clusters = state.clusters.filter(({ id }) => id !== cluster.id);
    });
    await publish();
    await applyFirewall();
  }

  const applyFirewall = async (): Promise<void> => network.firewall((await file.read()).clusters);

  async function placeFor(name: string, clusters: readonly StoredCluster[]) {
    for (let port = options.ports.first; port <= options.ports.last; port += 1) {
      if (clusters.some((cluster) => cluster.port === port)) continue;
      const free = options.addresses.map((address) => isFree({ component: '', address, port }));
      if (!(await Promise.all(free)).includes(false)) return { ...options.hostsOf(name), port };
    }
    throw new ApiError(422, 'unprocessable_entity', 'no more clusters can be made here.');
  }

  async function look(): Promise<void> {
    for (const cluster of (await file.read()).clusters) {
      const runs = cluster.fork ? cluster.fork.state === 'online' : own !== null;
      if (!runs) continue;
      await backups
        .takeWhenDue(serverOf(cluster))
        .catch((error: unknown) => log(`BACKUP of ${cluster.name} failed: ${String(error)}`));
    }
  }

  const handlers = databaseHandlers({
    ...{ file, ca: options.ca, administrator, backups, forks, placeFor, now },
    ...{ applyFirewall, forget },
    databaseOf: (cluster) =>
      createManagedDatabase({
        ...{ host: cluster.host, address: options.addresses[0]!, from: options.from },
        ...{ port: cluster.port, user: administrator, ca: options.ca },
        password: () => cluster.passwords[administrator] ?? '',
        socket: own || cluster.fork ? socketOf(serverOf(cluster).folders) : null,
      }),
    passwordChanged: (user, password) => options.passwordChanged(user, password),
  });

  return {
    handlers,
    async start() {
      await file.update((state) => {
        const kept = state.clusters.find(({ id }) => id === ownCluster.id);
        if (!kept) state.clusters.unshift(ownCluster);
        else {
          kept.privateHost = ownCluster.privateHost;
          // Passwords of the sandbox's own users are kept with its other credentials.
          Object.assign(kept.passwords, ownCluster.passwords);
        }
      });
      await applyFirewall();
      await publish();
      await forks.resume();
      await look();
      timer = setInterval(() => void look(), lookEveryMs).unref();
    },
    async takeBackup(clusterName) {
      const { clusters } = await file.read();
      const cluster = clusters.find(({ name }) => name === clusterName);
      if (!cluster) throw new Error(`There is no cluster ${clusterName}`);
      return backups.take(serverOf(cluster));
    },
    settled: () => forks.settled(),
    async stop() {
      clearInterval(timer);
      await forks.abandon();
    },
  };
}
