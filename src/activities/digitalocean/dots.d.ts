/** The part of `@digitalocean/dots` that is used; see dots.js for why it is written down here. */
import type { FetchRequestAdapter } from '@microsoft/kiota-http-fetchlibrary';

export interface DatabaseCluster {
  id?: unknown;
  name?: string | null;
  engine?: string | null;
  version?: string | null;
  semanticVersion?: string | null;
  status?: string | null;
  region?: string | null;
  connection?: { host?: string | null; port?: number | null } | null;
  privateConnection?: { host?: string | null; port?: number | null } | null;
}

export interface DatabaseUser {
  name?: string | null;
  role?: string | null;
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
  users: { get(): Promise<{ users?: DatabaseUser[] | null } | undefined> };
}

interface SpacesKeyQuery {
  queryParameters: { bucket?: string; name?: string; page?: number; perPage?: number };
}

export interface DigitalOceanClient {
  v2: {
    databases: { byDatabase_cluster_uuid(id: string): DatabaseClusterItem };
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
