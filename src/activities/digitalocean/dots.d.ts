/** The part of `@digitalocean/dots` that is used; see dots.js for why it is written down here. */
import type { FetchRequestAdapter } from '@microsoft/kiota-http-fetchlibrary';

export interface DatabaseCluster {
  id?: string | null;
  name?: string | null;
  engine?: string | null;
  version?: string | null;
  semanticVersion?: string | null;
  status?: string | null;
  region?: string | null;
  size?: string | null;
  numNodes?: number | null;
  privateNetworkUuid?: string | null;
  projectId?: string | null;
  storageSizeMib?: number | null;
  createdAt?: Date | null;
  connection?: { host?: string | null; port?: number | null } | null;
  privateConnection?: { host?: string | null; port?: number | null } | null;
}

export interface DatabaseUser {
  name?: string | null;
  role?: string | null;
  password?: string | null;
}

export interface FirewallRule {
  type?: string | null;
  value?: string | null;
  description?: string | null;
}

/** What a new cluster is made of. */
export interface DatabaseClusterRequest extends Omit<
  DatabaseCluster,
  'id' | 'createdAt' | 'connection' | 'privateConnection'
> {
  rules?: FirewallRule[];
  backupRestore?: { databaseName: string; backupCreatedAt?: Date };
}

export interface DatabaseBackup {
  createdAt?: Date | null;
  sizeGigabytes?: number | null;
  incremental?: boolean | null;
}

export interface NfsShare {
  id?: string | null;
  name?: string | null;
  region?: string | null;
  status?: string | null;
  sizeGib?: number | null;
  host?: string | null;
  mountPath?: string | null;
}

export interface NfsSnapshot {
  id?: string | null;
  name?: string | null;
  shareId?: string | null;
  region?: string | null;
  status?: string | null;
  sizeGib?: number | null;
  createdAt?: Date | null;
}

export interface SpacesGrant {
  bucket?: string | null;
  permission?: string | null;
}

export interface SpacesKey {
  name?: string | null;
  accessKey?: string | null;
  secretKey?: string | null;
  grants?: SpacesGrant[] | null;
}

interface DatabaseClusterItem {
  get(): Promise<{ database?: DatabaseCluster | null } | undefined>;
  ca: { get(): Promise<{ ca?: { certificate?: string | null } | null } | undefined> };
  delete(): Promise<void>;
  backups: { get(): Promise<{ backups?: DatabaseBackup[] | null } | undefined> };
  firewall: {
    get(): Promise<{ rules?: FirewallRule[] | null } | undefined>;
    put(body: { rules: FirewallRule[] }): Promise<unknown>;
  };
  users: {
    get(): Promise<{ users?: DatabaseUser[] | null } | undefined>;
    byUsername(name: string): {
      reset_auth: { post(body: object): Promise<{ user?: DatabaseUser | null } | undefined> };
    };
  };
}

interface RegionQuery {
  queryParameters: { region: string };
}

interface Nfs {
  byNfs_id(id: string): {
    get(): Promise<{ share?: NfsShare | null } | undefined>;
    actions: {
      post(action: {
        type: 'snapshot';
        region: string;
        additionalData: { params: { name: string } };
      }): Promise<unknown>;
    };
  };
  snapshots: {
    get(query: {
      queryParameters: { region: string; shareId: string };
    }): Promise<{ snapshots?: NfsSnapshot[] | null } | undefined>;
    byNfs_snapshot_id(id: string): {
      get(query: RegionQuery): Promise<{ snapshot?: NfsSnapshot | null } | undefined>;
      delete(query: RegionQuery): Promise<unknown>;
    };
  };
}

interface SpacesKeyQuery {
  queryParameters: { bucket?: string; name?: string; page?: number; perPage?: number };
}

export interface DigitalOceanClient {
  v2: {
    databases: {
      get(): Promise<{ databases?: DatabaseCluster[] | null } | undefined>;
      post(
        cluster: DatabaseClusterRequest,
      ): Promise<{ database?: DatabaseCluster | null } | undefined>;
      byDatabase_cluster_uuid(id: string): DatabaseClusterItem;
    };
    nfs: Nfs;
    spaces: {
      keys: {
        get(
          query?: SpacesKeyQuery,
        ): Promise<
          { keys?: SpacesKey[] | null; meta?: { total?: number | null } | null } | undefined
        >;
        post(key: SpacesKey): Promise<{ key?: SpacesKey | null } | undefined>;
        byAccess_key(accessKey: string): { delete(): Promise<unknown> };
      };
    };
  };
}

export declare function createDigitalOceanClient(adapter: FetchRequestAdapter): DigitalOceanClient;

export declare class DigitalOceanApiKeyAuthenticationProvider {
  constructor(apiKey: string);
  authenticateRequest(request: unknown, context?: Record<string, unknown>): Promise<void>;
}
