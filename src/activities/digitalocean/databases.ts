/** Calls for managed database clusters: MySQL of DigitalOcean. */
import { failure } from '../failure.ts';
import { Secret } from '../secrets/secret.ts';
import type { Calls } from './calls.ts';
import type { DatabaseCluster, FirewallRule } from './dots.js';
import { present } from './errors.ts';

export interface DatabaseAddress {
  host: string;
  port: number;
}

/** A managed database cluster, without its credentials. */
export interface ManagedDatabase {
  id: string;
  name: string;
  engine: string;
  version: string;
  /** What the API takes for a new cluster of this version: `8`, where `version` is `8.0.28`. */
  series: string;
  /** `online` when it can be used; `creating`, `resizing`, `migrating`, `forking` otherwise. */
  status: string;
  region: string;
  hosts: string[];
  /** Where clients connect, from anywhere and from the private network; null while the API does not tell. */
  connection: DatabaseAddress | null;
  privateConnection: DatabaseAddress | null;
  /** What a copy of it needs. */
  size: string;
  nodes: number;
  privateNetwork: string | null;
  project: string | null;
  storageMib: number | null;
  /** ISO 8601. */
  createdAt: string | null;
}

/** Who may connect to a cluster: a "trusted source". None at all means everybody. */
export interface TrustedSource {
  type: 'droplet' | 'k8s' | 'ip_addr' | 'tag' | 'app';
  value: string;
  description: string | null;
}

export interface DatabaseBackup {
  /** ISO 8601. */
  createdAt: string;
  sizeGigabytes: number;
  incremental: boolean;
}

/** A user with the role of administrator is `primary`, any other one `normal`. */
export interface DatabaseUser {
  name: string;
  role: string;
}

export interface DatabaseFork {
  name: string;
  /** The cluster that it is a copy of; size, region, networks, project and version are taken over. */
  source: ManagedDatabase;
  /** ISO 8601, to the second; the newest backup when null. */
  at: string | null;
  trustedSources: readonly TrustedSource[];
}

export interface DatabaseCalls {
  /** @throws NotFound, Unauthorized, Forbidden, RateLimited, Unavailable */
  databaseCluster(id: string): Promise<ManagedDatabase>;
  databaseClusters(): Promise<ManagedDatabase[]>;
  /** Begins to make a new cluster from another one's backup and log; it is `online` minutes later. */
  createDatabaseFork(fork: DatabaseFork): Promise<ManagedDatabase>;
  /** Deleting a cluster that is gone already is no error. */
  deleteDatabaseCluster(id: string): Promise<void>;
  /** Backups that the provider holds, newest first. */
  databaseBackups(id: string): Promise<DatabaseBackup[]>;
  trustedSources(id: string): Promise<TrustedSource[]>;
  /** Replaces all of them. */
  setTrustedSources(id: string, sources: readonly TrustedSource[]): Promise<void>;
  /** The cluster's CA certificate as PEM. */
  databaseCa(id: string): Promise<string>;
  databaseUsers(id: string): Promise<DatabaseUser[]>;
  /** A new random password for a user; the old one stops working at once. */
  resetDatabasePassword(id: string, user: string): Promise<Secret>;
}

const sourceTypes = new Set(['droplet', 'k8s', 'ip_addr', 'tag', 'app']);

export function createDatabaseCalls({ v2, call }: Calls): DatabaseCalls {
  const item = (id: string) => v2.databases.byDatabase_cluster_uuid(id);
  return {
    async databaseCluster(id) {
      const what = `database cluster ${id}`;
      const answer = await call(what, () => item(id).get());
      return clusterInfo(present(answer?.database, what));
    },

    async databaseClusters() {
      const what = 'list of database clusters';
      const answer = await call(what, () => v2.databases.get());
      return present(answer?.databases, what).map(clusterInfo);
    },

    async createDatabaseFork({ name, source, at, trustedSources }) {
      const what = `new database cluster ${name} from a backup of ${source.name}`;
      const answer = await call(what, () =>
        v2.databases.post({
          ...{ name, engine: source.engine, region: source.region },
          ...{ size: source.size, numNodes: source.nodes },
          version: source.series,
          ...(source.privateNetwork === null ? {} : { privateNetworkUuid: source.privateNetwork }),
          // Without it the copy lands in the account's default project, where other people may look after it.
          ...(source.project === null ? {} : { projectId: source.project }),
          ...(source.storageMib === null ? {} : { storageSizeMib: source.storageMib }),
          rules: trustedSources.map(sentRule),
          backupRestore: {
            databaseName: source.name,
            ...(at === null ? {} : { backupCreatedAt: new Date(at) }),
          },
        }),
      );
      return clusterInfo(present(answer?.database, what));
    },

    deleteDatabaseCluster: (id) =>
      call(`database cluster ${id}`, () => item(id).delete(), { gone: undefined }),

    async databaseBackups(id) {
      const what = `backups of database cluster ${id}`;
      const answer = await call(what, () => item(id).backups.get());
      return present(answer?.backups, what)
        .map(({ createdAt, sizeGigabytes, incremental }) => ({
          createdAt: createdAt?.toISOString() ?? '',
          sizeGigabytes: sizeGigabytes ?? 0,
          incremental: incremental ?? false,
        }))
        .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    },

    async trustedSources(id) {
      const what = `trusted sources of database cluster ${id}`;
      const answer = await call(what, () => item(id).firewall.get());
      return present(answer?.rules, what).map(({ type, value, description }) => {
        if (!type || !sourceTypes.has(type) || !value) {
          throw failure('InvalidInput', `DigitalOcean: one of the ${what} has the type ${type}`);
        }
        const known = type as TrustedSource['type'];
        return { type: known, value, description: description ?? null };
      });
    },

    async setTrustedSources(id, sources) {
      await call(`trusted sources of database cluster ${id}`, () =>
        item(id).firewall.put({ rules: sources.map(sentRule) }),
      );
    },

    async databaseCa(id) {
      const what = `CA of database cluster ${id}`;
      const answer = await call(what, () => item(id).ca.get());
      const pem = Buffer.from(answer?.ca?.certificate ?? '', 'base64').toString('utf8');
      if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
        throw failure('NotFound', `DigitalOcean: the ${what} is no PEM certificate`);
      }
      return pem;
    },

    async databaseUsers(id) {
      const what = `users of database cluster ${id}`;
      const answer = await call(what, () => item(id).users.get());
      // The API's answer holds passwords; they stop here.
      return present(answer?.users, what).map(({ name, role }) => ({
        name: name ?? '',
        role: role ?? '',
      }));
    },

    async resetDatabasePassword(id, user) {
      const what = `password of ${user} on database cluster ${id}`;
      const answer = await call(what, () => item(id).users.byUsername(user).reset_auth.post({}));
      return new Secret(present(answer?.user?.password, what));
    },
  };
}

function clusterInfo(cluster: DatabaseCluster): ManagedDatabase {
  const name = present(cluster.name, 'name of a database cluster');
  const known = <T>(value: T | null | undefined, what: string): T =>
    present(value, `${what} of database cluster ${name}`);
  return {
    ...{ id: known(cluster.id, 'id'), name },
    engine: known(cluster.engine, 'engine'),
    version: cluster.semanticVersion ?? cluster.version ?? '',
    series: cluster.version || majorVersion(cluster.semanticVersion ?? ''),
    status: cluster.status ?? 'unknown',
    region: known(cluster.region, 'region'),
    hosts: [cluster.connection?.host, cluster.privateConnection?.host].filter(
      (host): host is string => typeof host === 'string' && host !== '',
    ),
    connection: addressOf(cluster.connection),
    privateConnection: addressOf(cluster.privateConnection),
    size: known(cluster.size, 'size'),
    nodes: known(cluster.numNodes, 'number of nodes'),
    privateNetwork: cluster.privateNetworkUuid || null,
    project: cluster.projectId || null,
    storageMib: cluster.storageSizeMib ?? null,
    createdAt: cluster.createdAt?.toISOString() ?? null,
  };
}

function addressOf(connection: DatabaseCluster['connection']): DatabaseAddress | null {
  const { host, port } = connection ?? {};
  return host && port ? { host, port } : null;
}

function sentRule({ type, value, description }: TrustedSource): FirewallRule {
  return { type, value, ...(description === null ? {} : { description }) };
}

/** What the API takes as version: `8` for MySQL 8.0.28, `9.7` for later series. */
function majorVersion(version: string): string {
  const [major = '', minor] = version.split('.');
  return major === '8' || minor === undefined ? major : `${major}.${minor}`;
}
