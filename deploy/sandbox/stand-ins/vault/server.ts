/**
 * A stand-in for Vault: the KV version 2 engine at `secret/`, token authentication and the health endpoint, with the
 * paths, bodies and status codes of Vault's published HTTP API.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { createServer } from 'node:http';
import { readBody, sameSecret, send } from '../http.ts';
import type { JsonFile } from '../json-file.ts';
import type { Secret, SecretData, Secrets, SecretVersion } from './secrets.ts';
import {
  changeVersions,
  emptySecret,
  findVersion,
  listNames,
  VaultError,
  writeSecret,
} from './secrets.ts';

export interface VaultStandInOptions {
  /** The one token that is accepted. It may do everything. */
  token: string;
  secrets: JsonFile<Secrets>;
  now?: () => Date;
  /** One line for each request, without secrets. */
  log?: (line: string) => void;
}

interface Answer {
  status: number;
  /** Undefined: no content. */
  body?: unknown;
}

interface Call {
  method: string;
  /** Secret's path below the mount. */
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

const mount = 'secret';
const healthPath = '/v1/sys/health';

/** Makes the server; `listen` is the caller's. */
export function createVaultStandIn({
  token,
  secrets: file,
  now = () => new Date(),
  log = () => undefined,
}: VaultStandInOptions): Server {
  const time = (): string => now().toISOString();

  async function readData({ path, query }: Call): Promise<Answer> {
    const secrets = await file.read();
    const version = numberOr(query.get('version'), 0);
    const match = findVersion(secrets[path], version);
    if (!match) throw new VaultError(404);
    const { number, found } = match;
    const metadata = shownVersion(number, found, secrets[path]!);
    const gone = found.destroyed || found.deletionTime !== '';
    const body = success({ data: gone ? null : found.data, metadata });
    return { status: gone ? 404 : 200, body };
  }

  async function writeData({ path, body }: Call): Promise<Answer> {
    const { data, options } = body;
    if (!isObject(data)) throw new VaultError(400, 'no data provided');
    const cas = isObject(options) && 'cas' in options ? Number(options['cas']) : undefined;
    return file.update((secrets) => {
      const { version, secret } = writeSecret(secrets, path, data, cas, time());
      const shown = shownVersion(version, secret.versions[version]!, secret);
      return { status: 200, body: success(shown) };
    });
  }

  function change(kind: 'delete' | 'undelete' | 'destroy') {
    return ({ path, body, method }: Call): Promise<Answer> =>
      file.update((secrets) => {
        const secret = secrets[path];
        const current = method === 'DELETE' && secret ? [secret.currentVersion] : undefined;
        const versions = current ?? body['versions'];
        if (method !== 'DELETE' && !(Array.isArray(versions) && versions.length > 0)) {
          throw new VaultError(400, 'No version number provided');
        }
        if (secret) changeVersions(secret, (versions as unknown[]).map(Number), kind, time());
        return { status: 204 };
      });
  }

  async function readMetadata({ path }: Call): Promise<Answer> {
    const secret = (await file.read())[path];
    if (!secret) throw new VaultError(404);
    return { status: 200, body: success(shownSecret(secret)) };
  }

  async function listMetadata({ path }: Call): Promise<Answer> {
    const keys = listNames(await file.read(), path);
    if (keys.length === 0) throw new VaultError(404);
    return { status: 200, body: success({ keys }) };
  }

  async function writeMetadata({ path, body }: Call): Promise<Answer> {
    return file.update((secrets) => {
      const secret = (secrets[path] ??= emptySecret(time()));
      const { max_versions: max, cas_required: cas, custom_metadata: custom } = body;
      if (max !== undefined) secret.maxVersions = Number(max);
      if (cas !== undefined) secret.casRequired = cas === true;
      if (isObject(custom)) secret.customMetadata = custom as Record<string, string>;
      secret.updatedTime = time();
      return { status: 204 };
    });
  }

  async function removeMetadata({ path }: Call): Promise<Answer> {
    return file.update((secrets) => {
      delete secrets[path];
      return { status: 204 };
    });
  }

  /**
   * By method and part of the engine. A list is asked for by GET with `?list=true`, which Vault documents for clients that
   * have no LIST; Node's HTTP server knows no such method.
   */
  const routes: Record<string, ((call: Call) => Promise<Answer>) | undefined> = {
    'GET data': readData,
    'POST data': writeData,
    'PUT data': writeData,
    'DELETE data': change('delete'),
    'POST delete': change('delete'),
    'PUT delete': change('delete'),
    'POST undelete': change('undelete'),
    'PUT undelete': change('undelete'),
    'POST destroy': change('destroy'),
    'PUT destroy': change('destroy'),
    'GET metadata': readMetadata,
    'LIST metadata': listMetadata,
    'POST metadata': writeMetadata,
    'PUT metadata': writeMetadata,
    'DELETE metadata': removeMetadata,
  };

  function health(): Answer {
    const body = {
      ...{ initialized: true, sealed: false, standby: false, performance_standby: false },
      ...{ replication_performance_mode: 'disabled', replication_dr_mode: 'disabled' },
      ...{ server_time_utc: Math.floor(now().getTime() / 1000), version: '1.21.4' },
    };
    return { status: 200, body };
  }

  async function answer(request: IncomingMessage, url: URL): Promise<Answer> {
    if (url.pathname === healthPath) return health();
    if (!sameSecret(givenToken(request), token)) throw new VaultError(403, 'permission denied');
    const match = /^\/v1\/([^/]+)\/([^/]+)\/?(.*)$/.exec(url.pathname);
    const [, mounted, part = '', encodedPath = ''] = match ?? [];
    if (mounted !== mount) {
      const route = url.pathname.replace(/^\/v1\//, '');
      throw new VaultError(404, `no handler for route "${route}". route entry not found.`);
    }
    const path = decodeURIComponent(encodedPath);
    const isList = request.method === 'GET' && url.searchParams.get('list') === 'true';
    const method = isList ? 'LIST' : (request.method ?? 'GET');
    const route = routes[`${method} ${part}`];
    if (!route) throw new VaultError(405, 'unsupported operation');
    if (path === '' && method !== 'LIST') throw new VaultError(404);
    return route({ method, path, query: url.searchParams, body: await jsonBody(request) });
  }

  return createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://vault');
    answer(request, url)
      .catch((error: unknown): Answer => {
        if (error instanceof VaultError) {
          return { status: error.status, body: { errors: error.errors } };
        }
        log(`ERROR ${error instanceof Error ? error.message : String(error)}`);
        return { status: 500, body: { errors: ['internal error'] } };
      })
      .then(({ status, body }) => {
        log(`${request.method} ${url.pathname} ${status}`);
        send(response, status, body);
      })
      .catch(() => response.destroy());
  });
}

/** The envelope of every answer with data. */
function success(data: unknown): object {
  return {
    ...{ request_id: randomUUID(), lease_id: '', renewable: false, lease_duration: 0 },
    ...{ data, wrap_info: null, warnings: null, auth: null, mount_type: 'kv' },
  };
}

function shownVersion(version: number, found: SecretVersion, secret: Secret): object {
  return {
    created_time: found.createdTime,
    custom_metadata: secret.customMetadata,
    deletion_time: found.deletionTime,
    destroyed: found.destroyed,
    version,
  };
}

function shownSecret(secret: Secret): object {
  const numbers = Object.keys(secret.versions).map(Number);
  const versions = Object.entries(secret.versions).map(([number, version]) => [
    number,
    {
      created_time: version.createdTime,
      deletion_time: version.deletionTime,
      destroyed: version.destroyed,
    },
  ]);
  return {
    cas_required: secret.casRequired,
    created_time: secret.createdTime,
    current_version: secret.currentVersion,
    custom_metadata: secret.customMetadata,
    delete_version_after: '0s',
    max_versions: secret.maxVersions,
    oldest_version: numbers.length > 0 ? Math.min(...numbers) : 0,
    updated_time: secret.updatedTime,
    versions: Object.fromEntries(versions) as Record<string, object>,
  };
}

function givenToken(request: IncomingMessage): string {
  const header = request.headers['x-vault-token'];
  if (typeof header === 'string') return header;
  return /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
}

async function jsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = await readBody(request);
  if (text === '') return {};
  try {
    const body: unknown = JSON.parse(text);
    if (isObject(body)) return body;
  } catch {
    // Refused below, like every body that is no object.
  }
  throw new VaultError(400, 'failed to parse JSON input');
}

function isObject(value: unknown): value is SecretData {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberOr(text: string | null, fallback: number): number {
  if (text === null || text === '') return fallback;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new VaultError(400, `bad version: ${text}`);
  return number;
}
