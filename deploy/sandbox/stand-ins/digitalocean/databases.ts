/** The database operations: clusters whose facts come from real servers. */
import { ApiError, notFound } from './api-error.ts';
import type { Backups } from './backups.ts';
import type { DatabasesFile, FirewallRule, StoredCluster } from './clusters.ts';
import { findCluster, keptRules } from './clusters.ts';
import { createCluster, type ClusterRequest } from './cluster-create.ts';
import { newPassword } from './forks.ts';
import type { DatabaseFacts, DatabaseUser, ManagedDatabase } from './managed-database.ts';
import type { HandlerRequest, Handlers } from './server.ts';

export interface DatabaseOptions {
  file: DatabasesFile;
  /** PEM of the authority that signed every server's certificate. */
  ca: string;
  administrator: string;
  /** The server behind a cluster. */
  databaseOf: (cluster: StoredCluster) => ManagedDatabase;
  backups: Pick<Backups, 'of'>;
  forks: {
    make(cluster: StoredCluster): void;
    remove(cluster: StoredCluster): Promise<void>;
  };
  /** Host names for a new cluster, and a port that is free besides those of the clusters that there are. */
  placeFor: (
    name: string,
    clusters: readonly StoredCluster[],
  ) => Promise<Pick<StoredCluster, 'host' | 'privateHost' | 'port'>>;
  /** Puts trusted sources of all clusters into force. */
  applyFirewall: () => Promise<void>;
  /** Forgets a cluster whose server is gone, with its name and its rules. */
  forget(cluster: StoredCluster): Promise<void>;
  /** Called with a password that was changed on the sandbox's own server. */
  passwordChanged(user: string, password: string): Promise<void>;
  now: () => Date;
}

/** Plugins that the specification knows; other engines' are left out of answers. */
const knownPlugins = new Set(['caching_sha2_password', 'mysql_native_password']);

interface UserBody {
  name?: string;
  mysql_settings?: { auth_plugin?: string };
}

/** Handlers of the database operations. */
export function databaseHandlers(options: DatabaseOptions): Handlers {
  const { file, administrator, databaseOf } = options;

  const clusterOf = async ({ path }: HandlerRequest): Promise<StoredCluster> =>
    findCluster(await file.read(), path['database_cluster_uuid']);

  /** The server's facts where an answer cannot do without them. */
  async function factsOrFail(cluster: StoredCluster): Promise<DatabaseFacts> {
    try {
      return await databaseOf(cluster).facts();
    } catch {
      throw new ApiError(500, 'server_error', 'The database cluster does not answer.');
    }
  }

  function shownUser({ passwords }: StoredCluster, { name, authPlugin }: DatabaseUser) {
    return {
      name,
      role: name === administrator ? 'primary' : 'normal',
      ...(passwords[name] === undefined ? {} : { password: passwords[name] }),
      ...(knownPlugins.has(authPlugin) ? { mysql_settings: { auth_plugin: authPlugin } } : {}),
    };
  }

  async function userOf(cluster: StoredCluster, name: string | undefined): Promise<DatabaseUser> {
    const user = (await factsOrFail(cluster)).users.find((each) => each.name === name);
    if (!user) throw notFound();
    return user;
  }

  function connection({ port, passwords }: StoredCluster, host: string) {
    const password = passwords[administrator] ?? '';
    const url = new URL(`mysql://${host}:${port}/defaultdb?ssl-mode=REQUIRED`);
    url.username = administrator;
    url.password = password;
    return {
      ...{ protocol: 'mysql', uri: url.href, database: 'defaultdb' },
      ...{ host, port, user: administrator, password, ssl: true },
    };
  }

  const shownRules = ({ id, rules }: StoredCluster) =>
    rules.map((rule) => ({ ...rule, cluster_uuid: id }));

  /** Online when the server answers over TLS; the specification has no word for a server that does not. */
  async function shownCluster(cluster: StoredCluster) {
    const ready = cluster.fork === null || cluster.fork.state === 'online';
    const facts = ready
      ? await databaseOf(cluster)
          .facts()
          .catch(() => undefined)
      : undefined;
    const { id, name, region } = cluster;
    return {
      ...{ id, name, engine: 'mysql', region, num_nodes: cluster.nodes, size: cluster.size },
      version: facts?.version.split('.').slice(0, 2).join('.') ?? '',
      semantic_version: facts?.version ?? '',
      status: facts ? 'online' : 'creating',
      created_at: cluster.createdAt,
      private_network_uuid: cluster.privateNetwork,
      project_id: cluster.projectId,
      tags: cluster.tags,
      db_names: facts?.databases ?? null,
      users: facts?.users.map((user) => shownUser(cluster, user)) ?? null,
      connection: connection(cluster, cluster.host),
      private_connection: connection(cluster, cluster.privateHost),
      maintenance_window: { day: 'tuesday', hour: '08:00:00', pending: false },
      rules: shownRules(cluster),
      storage_size_mib: cluster.storageMib,
    };
  }

  async function changePassword(cluster: StoredCluster, user: string, plugin?: string) {
    const password = newPassword();
    await databaseOf(cluster).setPassword(user, password, plugin);
    await file.update((state) => {
      findCluster(state, cluster.id).passwords[user] = password;
    });
    if (cluster.fork === null) await options.passwordChanged(user, password);
  }

  return {
    databases_list_clusters: async ({ query }) => {
      const { clusters } = await file.read();
      const tag = query['tag_name'];
      const wanted = clusters.filter(({ tags }) => tag === undefined || tags.includes(String(tag)));
      return { status: 200, body: { databases: await Promise.all(wanted.map(shownCluster)) } };
    },
    databases_create_cluster: async ({ body }) => {
      const cluster = await createCluster(options, body as ClusterRequest);
      await options.applyFirewall();
      options.forks.make(cluster);
      return { status: 201, body: { database: await shownCluster(cluster) } };
    },
    databases_get_cluster: async (request) => ({
      status: 200,
      body: { database: await shownCluster(await clusterOf(request)) },
    }),
    databases_destroy_cluster: async (request) => {
      const cluster = await clusterOf(request);
      if (cluster.fork === null) {
        throw new ApiError(403, 'forbidden', "The sandbox's own cluster cannot be destroyed.");
      }
      await options.forks.remove(cluster);
      await options.forget(cluster);
      return { status: 204 };
    },
    databases_get_ca: async (request) => {
      await clusterOf(request);
      const certificate = Buffer.from(options.ca).toString('base64');
      return { status: 200, body: { ca: { certificate } } };
    },
    databases_list_backups: async (request) => {
      const { id } = await clusterOf(request);
      const backups = (await options.backups.of(id)).map(({ createdAt, sizeBytes }) => ({
        ...{ created_at: createdAt, size_gigabytes: sizeBytes / 1e9, incremental: false },
      }));
      return { status: 200, body: { backups } };
    },
    databases_list_firewall_rules: async (request) => ({
      status: 200,
      body: { rules: shownRules(await clusterOf(request)) },
    }),
    databases_update_firewall_rules: async (request) => {
      const { id } = await clusterOf(request);
      const { rules = [] } = request.body as { rules?: Partial<FirewallRule>[] };
      const kept = keptRules(rules, options.now());
      await file.update((state) => void (findCluster(state, id).rules = kept));
      await options.applyFirewall();
      return { status: 204 };
    },
    databases_list_users: async (request) => {
      const cluster = await clusterOf(request);
      const { users } = await factsOrFail(cluster);
      return { status: 200, body: { users: users.map((user) => shownUser(cluster, user)) } };
    },
    databases_add_user: async (request) => {
      const cluster = await clusterOf(request);
      const { name = '', mysql_settings: settings } = request.body as UserBody;
      if (!/^[\w-]{1,32}$/.test(name)) {
        throw new ApiError(422, 'unprocessable_entity', 'invalid user name.');
      }
      const { users } = await factsOrFail(cluster);
      if (users.some((user) => user.name === name)) {
        throw new ApiError(422, 'unprocessable_entity', 'a user with that name exists already.');
      }
      const password = newPassword();
      await databaseOf(cluster).addUser(name, password, servedPlugin(settings?.auth_plugin));
      await file.update((state) => {
        findCluster(state, cluster.id).passwords[name] = password;
      });
      const now = await clusterOf(request);
      return { status: 201, body: { user: shownUser(now, await userOf(now, name)) } };
    },
    databases_get_user: async (request) => {
      const cluster = await clusterOf(request);
      const user = await userOf(cluster, request.path['username']);
      return { status: 200, body: { user: shownUser(cluster, user) } };
    },
    databases_delete_user: async (request) => {
      const cluster = await clusterOf(request);
      const { name } = await userOf(cluster, request.path['username']);
      if (name === administrator) {
        throw new ApiError(422, 'unprocessable_entity', 'the default user cannot be deleted.');
      }
      await databaseOf(cluster).removeUser(name);
      await file.update((state) => {
        delete findCluster(state, cluster.id).passwords[name];
      });
      return { status: 204 };
    },
    databases_reset_auth: async (request) => {
      const cluster = await clusterOf(request);
      const { name } = await userOf(cluster, request.path['username']);
      const { mysql_settings: settings } = request.body as UserBody;
      await changePassword(cluster, name, servedPlugin(settings?.auth_plugin));
      const now = await clusterOf(request);
      return { status: 200, body: { user: shownUser(now, await userOf(now, name)) } };
    },
    databases_list: async (request) => {
      const { databases } = await factsOrFail(await clusterOf(request));
      return { status: 200, body: { dbs: databases.map((name) => ({ name })) } };
    },
    databases_add: async (request) => {
      const cluster = await clusterOf(request);
      const { name = '' } = request.body as { name?: string };
      const { databases } = await factsOrFail(cluster);
      if (!/^[\w-]{1,64}$/.test(name) || databases.includes(name)) {
        const problem = 'invalid database name, or one that exists already.';
        throw new ApiError(422, 'unprocessable_entity', problem);
      }
      await databaseOf(cluster).addDatabase(name);
      return { status: 201, body: { db: { name } } };
    },
    databases_get: async (request) => ({
      status: 200,
      body: { db: { name: await existingDatabase(request) } },
    }),
    databases_delete: async (request) => {
      const name = await existingDatabase(request);
      await databaseOf(await clusterOf(request)).removeDatabase(name);
      return { status: 204 };
    },
  };

  async function existingDatabase(request: HandlerRequest): Promise<string> {
    const { databases } = await factsOrFail(await clusterOf(request));
    const found = databases.find((name) => name === request.path['database_name']);
    if (!found) throw notFound();
    return found;
  }
}

/** MySQL 9 has no `mysql_native_password` any more. */
function servedPlugin(wanted: string | undefined): string | undefined {
  if (wanted === 'mysql_native_password') {
    const message = 'mysql_native_password is not available with this version of MySQL.';
    throw new ApiError(422, 'unprocessable_entity', message);
  }
  return wanted;
}
