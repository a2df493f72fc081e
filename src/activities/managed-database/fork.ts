import { databaseHosts } from '../../domain/kubernetes/database-move.ts';
import { forkNames, type ForkNames } from '../../domain/recovery/database-fork.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { RollbackActivities } from '../contracts.ts';
import type {
  DatabaseAddress,
  DigitalOcean,
  ManagedDatabase,
  TrustedSource,
} from '../digitalocean/client.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { readDeployment } from '../kubernetes/site-objects.ts';
import { pauseWithHeartbeat, waitUntil } from '../kubernetes/wait.ts';
import { withDatabase } from '../recovery/database.ts';
import { Secret } from '../secrets/secret.ts';
import { clusterOf, digitalOceanOf, wantedFork, type ManagedDatabaseDeps } from './deps.ts';
import { readKept, removeSecret, writeKept, type KeptFork } from './kept.ts';

/** Hours for a large cluster; the provider says minutes for a small one. */
const onlineTimeoutMs = 4 * 3600 * 1000;

type ForkChanges = Pick<RollbackActivities, 'forkDatabase' | 'deleteForkedDatabase'>;

export function createForkChanges(deps: ManagedDatabaseDeps): ForkChanges {
  return {
    async forkDatabase(input) {
      const { site, operationId } = input;
      const { time, clusterId } = wantedFork(input);
      const names = forkNames(site, operationId, time);
      const k = clusterOf(deps, site);
      const api = await digitalOceanOf(deps, site);
      const source = await api.databaseCluster(clusterId);
      const trustedSources = await api.trustedSources(clusterId);
      const begun = await existing(api, names, clusterId);
      const cluster =
        begun ?? (await create(api, { names, source, at: wholeSecond(time), trustedSources }));
      const addressOf = sameNetwork(site, source);
      const online = await awaitOnline(api, cluster, addressOf, deps.pollMs ?? 5_000);
      await keepTrusted(api, online.id, trustedSources);
      const before = await readKept(k, site, names);
      const fork = await accessTo(deps, site, api, { online, sourceId: clusterId, before });
      await writeKept(k, site, operationId, names, fork);
      await proveAccess(site, fork);
      return {
        ...{ cluster: online.name, clusterId: online.id, host: fork.host, port: fork.port },
        ...{ asOf: wholeSecond(time), adopted: begun !== null, secret: names.secret },
        trustedSources: trustedSources.map(({ type, value }) => ({ type, value })),
      };
    },

    async deleteForkedDatabase(input) {
      const { site, operationId } = input;
      const { time, clusterId } = wantedFork(input);
      const names = forkNames(site, operationId, time);
      const k = clusterOf(deps, site);
      const api = await digitalOceanOf(deps, site);
      const kept = await readKept(k, site, names);
      await requireUnused(deps, site, kept);
      for (const name of [names.credentials, names.ca]) await removeSecret(k, site, name);
      if (kept?.servedFrom != null) {
        const { clusterName, servedFrom } = kept;
        return {
          ...{ cluster: clusterName, clusterId: kept.clusterId, deleted: false, servedFrom },
          ...{ secret: names.secret, why: 'the site has used it: what visitors wrote is there' },
        };
      }
      const cluster = await existing(api, names, clusterId);
      if (cluster !== null) await api.deleteDatabaseCluster(cluster.id);
      await removeSecret(k, site, names.secret);
      return { cluster: names.cluster, deleted: cluster !== null };
    },
  };
}

/** ISO 8601 without a fraction: the provider knows whole seconds. */
function wholeSecond(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

/** The cluster of that name, which an earlier attempt began. @throws Conflict when the name is the source's */
async function existing(
  api: DigitalOcean,
  names: ForkNames,
  sourceId: string,
): Promise<ManagedDatabase | null> {
  const found = (await api.databaseClusters()).find(({ name }) => name === names.cluster);
  if (found === undefined) return null;
  if (found.id === sourceId || found.engine !== 'mysql') {
    throw failure('Conflict', `Database cluster ${names.cluster} is not one that Presslift made`);
  }
  return found;
}

interface Wanted {
  names: ForkNames;
  source: ManagedDatabase;
  at: string;
  trustedSources: TrustedSource[];
}

async function create(api: DigitalOcean, wanted: Wanted): Promise<ManagedDatabase> {
  const { names, source, at, trustedSources } = wanted;
  if (source.engine !== 'mysql') {
    throw failure('InvalidSite', `Database cluster ${source.id} is ${source.engine}, not MySQL`);
  }
  try {
    return await api.createDatabaseFork({ name: names.cluster, source, at, trustedSources });
  } catch (error) {
    // An answer that was lost, or an attempt that was taken for dead: the name tells.
    const type = failureTypeOf(error);
    const unclear = type === 'Unavailable' || type === 'Conflict' || type === 'InvalidInput';
    const begun = unclear ? await existing(api, names, source.id) : null;
    if (begun === null) throw error;
    return begun;
  }
}

type AddressOf = (cluster: ManagedDatabase) => DatabaseAddress | null;

/** A site that meets its database in the private network goes on there: its traffic, and what may reach it, stay as they are. */
function sameNetwork(site: Site, source: ManagedDatabase): AddressOf {
  const isPrivate = source.privateConnection?.host === site.database.host;
  return (cluster) => (isPrivate ? cluster.privateConnection : cluster.connection);
}

type OnlineDatabase = ManagedDatabase & DatabaseAddress;

async function awaitOnline(
  api: DigitalOcean,
  { id, name }: ManagedDatabase,
  addressOf: AddressOf,
  pollMs: number,
): Promise<OnlineDatabase> {
  return waitUntil<OnlineDatabase>({
    what: `database cluster ${name} is online`,
    timeoutMs: onlineTimeoutMs,
    intervalMs: pollMs,
    check: async () => {
      const cluster = await patiently(() => api.databaseCluster(id));
      const address = addressOf(cluster);
      if (cluster.status !== 'online') return { missing: `the provider says ${cluster.status}` };
      if (address === null) return { missing: 'the provider does not say where it is' };
      return { done: { ...cluster, ...address } };
    },
  });
}

/** Waits as long as the API asks for before the failure goes on to who asks again. */
async function patiently<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    const { nextRetryDelay } = error as { nextRetryDelay?: unknown };
    if (failureTypeOf(error) === 'RateLimited' && typeof nextRetryDelay === 'number') {
      await pauseWithHeartbeat(nextRetryDelay, 'the provider to take requests again');
    }
    throw error;
  }
}

/** The create request names them already; a cluster without any would be open to everybody. */
async function keepTrusted(
  api: DigitalOcean,
  id: string,
  wanted: readonly TrustedSource[],
): Promise<void> {
  const key = (sources: readonly TrustedSource[]) =>
    sources
      .map(({ type, value }) => `${type} ${value}`)
      .sort()
      .join('\n');
  if (key(await api.trustedSources(id)) !== key(wanted)) await api.setTrustedSources(id, wanted);
}

/** Accounts of the fork: those that an earlier attempt has set, as long as they work, else with new passwords. */
async function accessTo(
  deps: ManagedDatabaseDeps,
  site: Site,
  api: DigitalOcean,
  known: { online: OnlineDatabase; sourceId: string; before: KeptFork | null },
): Promise<KeptFork> {
  const { before, sourceId } = known;
  const { id, name, host, port } = known.online;
  const ca = await api.databaseCa(id);
  if (before !== null && before.clusterId === id) {
    const same = { ...before, host, port, ca };
    const works = await proveAccess(site, same).then(
      () => true,
      (error: unknown) => {
        if (failureTypeOf(error) !== 'Unauthorized') throw error;
        return false;
      },
    );
    if (works) return same;
  }
  const { credentials, adminCredentials } = site.database;
  const username = await deps.secrets.resolve(credentials, 'username');
  const admin =
    adminCredentials === undefined
      ? null
      : await deps.secrets.resolve(adminCredentials, 'username');
  const users = await api.databaseUsers(id);
  const reset = async (user: string) => {
    if (!users.some((each) => each.name === user)) {
      throw failure('NotFound', `Database cluster ${name} has no user ${user}`);
    }
    return { username: user, password: (await api.resetDatabasePassword(id, user)).reveal() };
  };
  const account = await reset(username);
  return {
    ...{ clusterId: id, clusterName: name, sourceId, host, port, ca, account },
    administrator: admin === null ? null : admin === username ? account : await reset(admin),
    ...{ move: null, restricted: null, servedFrom: null, left: null },
  };
}

/** Connects as WordPress will: by name, over verified TLS, with the fork's CA and password, to the site's database. */
async function proveAccess(site: Site, fork: KeptFork): Promise<void> {
  await withDatabase(
    {
      ...{ host: fork.host, port: fork.port, ca: fork.ca, database: site.database.name },
      account: { username: fork.account.username, password: new Secret(fork.account.password) },
    },
    (connection) => connection.query('SELECT 1'),
  );
}

/** @throws PreconditionFailed while the site's pods use the fork */
async function requireUnused(
  deps: ManagedDatabaseDeps,
  site: Site,
  kept: KeptFork | null,
): Promise<void> {
  if (kept === null) return;
  const deployment = await readDeployment(clusterOf(deps, site), site);
  const template = deployment?.spec?.template;
  const used = template === undefined ? [] : databaseHosts(template);
  const ours = [`${kept.host}:${kept.port}`, kept.move?.host];
  const found = used.find((host) => ours.includes(host));
  if (found === undefined) return;
  throw failure(
    'PreconditionFailed',
    `The site's pods use ${found}: move them back before database cluster ${kept.clusterName} is deleted`,
  );
}
