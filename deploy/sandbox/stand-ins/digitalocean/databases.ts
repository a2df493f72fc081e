/** The database operations: one cluster, whose facts come from the real server. */
import { ApiError, notFound } from './api-error.ts';
import type { DatabaseFacts, DatabaseUser, ManagedDatabase } from './managed-database.ts';
import type { Handlers } from './server.ts';

/** What the API says of the cluster and the server cannot tell. */
export interface ClusterDetails {
  id: string;
  name: string;
  region: string;
  /** Name and port that clients connect to. */
  host: string;
  port: number;
  /** PEM of the authority that signed the server's certificate. */
  ca: string;
  administrator: string;
  /** Passwords that the API shows, by user. */
  passwords: Readonly<Record<string, string>>;
  /** ISO 8601. */
  createdAt: string;
}

/** Plugins that the specification knows; other engines' are left out of answers. */
const knownPlugins = new Set(['caching_sha2_password', 'mysql_native_password']);

/** Handlers of the database operations. */
export function databaseHandlers(cluster: ClusterDetails, database: ManagedDatabase): Handlers {
  const { id, administrator, passwords } = cluster;

  function mustBeCluster(uuid: string | undefined): void {
    if (uuid !== id) throw notFound();
  }

  /** The server's facts where an answer cannot do without them. */
  async function factsOrFail(): Promise<DatabaseFacts> {
    try {
      return await database.facts();
    } catch {
      throw new ApiError(500, 'server_error', 'The database cluster does not answer.');
    }
  }

  function shownUser({ name, authPlugin }: DatabaseUser) {
    return {
      name,
      role: name === administrator ? 'primary' : 'normal',
      ...(passwords[name] === undefined ? {} : { password: passwords[name] }),
      ...(knownPlugins.has(authPlugin) ? { mysql_settings: { auth_plugin: authPlugin } } : {}),
    };
  }

  function connection() {
    const password = passwords[administrator] ?? '';
    const url = new URL(`mysql://${cluster.host}:${cluster.port}/defaultdb?ssl-mode=REQUIRED`);
    url.username = administrator;
    url.password = password;
    return {
      ...{ protocol: 'mysql', uri: url.href, database: 'defaultdb' },
      ...{ host: cluster.host, port: cluster.port, user: administrator, password, ssl: true },
    };
  }

  /** Online when the server answers over TLS; the specification has no word for a server that does not. */
  async function shownCluster() {
    const facts = await database.facts().catch(() => undefined);
    const { name, region, createdAt } = cluster;
    return {
      ...{ id, name, engine: 'mysql', region, num_nodes: 1, size: 'db-s-1vcpu-1gb' },
      version: facts?.version.split('.').slice(0, 2).join('.') ?? '',
      semantic_version: facts?.version ?? '',
      status: facts ? 'online' : 'creating',
      created_at: createdAt,
      private_network_uuid: 'd455e75d-4858-4eec-8c95-da2f0a5f93a7',
      project_id: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff31',
      tags: [],
      db_names: facts?.databases ?? null,
      users: facts?.users.map(shownUser) ?? null,
      connection: connection(),
      private_connection: connection(),
      maintenance_window: { day: 'tuesday', hour: '08:00:00', pending: false },
      rules: [],
      storage_size_mib: 10_240,
    };
  }

  return {
    // No tag is on the cluster, so a search by tag finds nothing.
    databases_list_clusters: async ({ query }) => ({
      status: 200,
      body: { databases: query['tag_name'] === undefined ? [await shownCluster()] : [] },
    }),
    databases_get_cluster: async ({ path }) => {
      mustBeCluster(path['database_cluster_uuid']);
      return { status: 200, body: { database: await shownCluster() } };
    },
    databases_get_ca: async ({ path }) => {
      mustBeCluster(path['database_cluster_uuid']);
      const certificate = Buffer.from(cluster.ca).toString('base64');
      return { status: 200, body: { ca: { certificate } } };
    },
    databases_list_firewall_rules: async ({ path }) => {
      mustBeCluster(path['database_cluster_uuid']);
      return { status: 200, body: { rules: [] } };
    },
    databases_list_users: async ({ path }) => {
      mustBeCluster(path['database_cluster_uuid']);
      const { users } = await factsOrFail();
      return { status: 200, body: { users: users.map(shownUser) } };
    },
    databases_get_user: async ({ path }) => {
      mustBeCluster(path['database_cluster_uuid']);
      const { users } = await factsOrFail();
      const user = users.find(({ name }) => name === path['username']);
      if (!user) throw notFound();
      return { status: 200, body: { user: shownUser(user) } };
    },
    databases_list: async ({ path }) => {
      mustBeCluster(path['database_cluster_uuid']);
      const { databases } = await factsOrFail();
      return { status: 200, body: { dbs: databases.map((name) => ({ name })) } };
    },
  };
}
