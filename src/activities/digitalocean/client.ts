import {
  CustomFetchHandler,
  FetchRequestAdapter,
  KiotaClientFactory,
  ParametersNameDecodingHandler,
} from '@microsoft/kiota-http-fetchlibrary';
import { connectionFailure, failure } from '../failure.ts';
import { Secret } from '../secrets/secret.ts';
import {
  createDigitalOceanClient,
  DigitalOceanApiKeyAuthenticationProvider,
  type SpacesKey,
} from './dots.js';

export const DIGITALOCEAN_ENDPOINT = 'https://api.digitalocean.com';

export interface DigitalOceanOptions {
  token: Secret;
  /** The official API when absent. */
  endpoint?: string;
  timeoutMs?: number;
  /** For tests; the process's own fetch (certificates verified) otherwise. */
  fetch?: typeof fetch;
}

/** A managed database cluster, without its credentials. */
export interface ManagedDatabase {
  id: string;
  name: string;
  engine: string;
  version: string;
  /** `online` when it can be used; `creating`, `resizing`, `migrating`, `forking` otherwise. */
  status: string;
  region: string;
  hosts: string[];
}

export interface SpacesKeyInfo {
  name: string;
  accessKey: string;
  grants: { bucket: string; permission: string }[];
}

/** The calls of DigitalOcean's API that Presslift makes. One attempt each: Temporal owns the retries. */
export interface DigitalOcean {
  /** @throws NotFound, Unauthorized, Forbidden, RateLimited, Unavailable */
  databaseCluster(id: string): Promise<ManagedDatabase>;
  /** The cluster's CA certificate as PEM. */
  databaseCa(id: string): Promise<string>;
  databaseUsers(id: string): Promise<{ name: string; role: string }[]>;
  /** Keys that have a grant on a bucket, and those of a name. */
  spacesKeys(filter: { bucket?: string; name?: string }): Promise<SpacesKeyInfo[]>;
  /** A key for one bucket alone. The secret is shown by the API once, here. */
  createSpacesKey(key: {
    name: string;
    bucket: string;
    permission: 'read' | 'readwrite';
  }): Promise<{ accessKey: string; secretKey: Secret }>;
  /** Deleting a key that is gone already is no error. */
  deleteSpacesKey(accessKey: string): Promise<void>;
}

/** A client for one token over the official `@digitalocean/dots`, with its retries and redirects switched off. */
export function createDigitalOcean(options: DigitalOceanOptions): DigitalOcean {
  const endpoint = (options.endpoint ?? DIGITALOCEAN_ENDPOINT).replace(/\/$/, '');
  const send = boundedFetch(options);
  const adapter = new FetchRequestAdapter(
    new DigitalOceanApiKeyAuthenticationProvider(options.token.reveal()),
    undefined,
    undefined,
    KiotaClientFactory.create(send, [
      new ParametersNameDecodingHandler(),
      new CustomFetchHandler(send),
    ]),
  );
  adapter.baseUrl = endpoint;
  const { v2 } = createDigitalOceanClient(adapter);

  async function call<T>(what: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw apiFailure(error, `DigitalOcean (${new URL(endpoint).host}): ${what}`);
    }
  }

  return {
    async databaseCluster(id) {
      const what = `database cluster ${id}`;
      const answer = await call(what, () => v2.databases.byDatabase_cluster_uuid(id).get());
      const cluster = answer?.database;
      if (!cluster) throw failure('NotFound', `DigitalOcean: the answer holds no ${what}`);
      return {
        id,
        name: cluster.name ?? '',
        engine: cluster.engine ?? '',
        version: cluster.semanticVersion ?? cluster.version ?? '',
        status: cluster.status ?? 'unknown',
        region: cluster.region ?? '',
        hosts: [cluster.connection?.host, cluster.privateConnection?.host].filter(
          (host): host is string => typeof host === 'string' && host !== '',
        ),
      };
    },

    async databaseCa(id) {
      const what = `CA of database cluster ${id}`;
      const answer = await call(what, () => v2.databases.byDatabase_cluster_uuid(id).ca.get());
      const pem = Buffer.from(answer?.ca?.certificate ?? '', 'base64').toString('utf8');
      if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
        throw failure('NotFound', `DigitalOcean: the ${what} is no PEM certificate`);
      }
      return pem;
    },

    async databaseUsers(id) {
      const what = `users of database cluster ${id}`;
      const answer = await call(what, () => v2.databases.byDatabase_cluster_uuid(id).users.get());
      // The API's answer holds passwords; they stop here.
      return (answer?.users ?? []).map(({ name, role }) => ({
        name: name ?? '',
        role: role ?? '',
      }));
    },

    async spacesKeys(filter) {
      const found: SpacesKey[] = [];
      const perPage = 200;
      for (let page = 1; ; page += 1) {
        const answer = await call('list of Spaces keys', () =>
          v2.spaces.keys.get({ queryParameters: { ...filter, page, perPage } }),
        );
        const keys = answer?.keys ?? [];
        found.push(...keys);
        if (keys.length < perPage) break;
      }
      // The filter is repeated here: not every server of this API applies it.
      return found
        .map(keyInfo)
        .filter((key) => filter.name === undefined || key.name === filter.name)
        .filter(
          (key) =>
            filter.bucket === undefined ||
            key.grants.some(({ bucket }) => bucket === filter.bucket),
        );
    },

    async createSpacesKey({ name, bucket, permission }) {
      const answer = await call(`Spaces key ${name}`, () =>
        v2.spaces.keys.post({ name, grants: [{ bucket, permission }] }),
      );
      const { accessKey, secretKey } = answer?.key ?? {};
      if (!accessKey || !secretKey) {
        throw failure(
          'Unavailable',
          `DigitalOcean: the answer for Spaces key ${name} holds no key`,
        );
      }
      return { accessKey, secretKey: new Secret(secretKey) };
    },

    async deleteSpacesKey(accessKey) {
      try {
        await v2.spaces.keys.byAccess_key(accessKey).delete();
      } catch (error) {
        if (statusOf(error) !== 404)
          throw apiFailure(error, `DigitalOcean: Spaces key ${accessKey}`);
      }
    },
  };
}

function keyInfo(key: SpacesKey): SpacesKeyInfo {
  return {
    name: key.name ?? '',
    accessKey: key.accessKey ?? '',
    grants: (key.grants ?? []).map(({ bucket, permission }) => ({
      bucket: bucket ?? '',
      permission: permission ?? '',
    })),
  };
}

/** A fetch with a time-out that follows no redirects: an API that redirects is not the one that was meant. */
function boundedFetch(options: DigitalOceanOptions) {
  const send = options.fetch ?? fetch;
  return (url: string, init: RequestInit): Promise<Response> =>
    send(url, {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(options.timeoutMs ?? 20_000),
    });
}

function statusOf(error: unknown): number | null {
  const { responseStatusCode } = (error ?? {}) as { responseStatusCode?: unknown };
  return typeof responseStatusCode === 'number' ? responseStatusCode : null;
}

/** Maps what the client throws; the API's own message is kept, for it names no credentials. */
function apiFailure(error: unknown, what: string) {
  const status = statusOf(error);
  const said = (error as { message?: string }).message;
  const text = `${what}: status ${status}${said ? `, ${said.slice(0, 200)}` : ''}`;
  if (status === 401) return failure('Unauthorized', text);
  if (status === 403) return failure('Forbidden', text);
  if (status === 404) return failure('NotFound', text);
  if (status === 409) return failure('Conflict', text);
  if (status === 429) return failure('RateLimited', text);
  if (status !== null && status < 500) return failure('InvalidInput', text);
  if (status !== null) return failure('Unavailable', text);
  const mapped = connectionFailure(error, what);
  return mapped === error ? failure('Unavailable', `${what}: the request failed`) : mapped;
}
