/**
 * A stand-in for Cloudflare's API: the rulesets of zones with all their versions, and purging. Paths, envelopes, statuses and
 * limits are the published ones; requests of another shape are refused. Below `/stand-in/` is what the API does not have:
 * faults to switch on, and what was purged.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { readBody, sameSecret, send } from '../http.ts';
import type { JsonFile } from '../json-file.ts';
import { ApiError, envelope, refusal, refused } from './api-error.ts';
import { Faults, faultsSchema, type Fault } from './faults.ts';
import { createPurges } from './purge.ts';
import { publishedLimit, RequestWindow, type Plan, type WindowLimit } from './rate-limit.ts';
import { createRulesets, type CloudflareState } from './rulesets.ts';

export interface CloudflareStandInOptions {
  /** Accepted tokens and what they may do. */
  tokens: readonly { value: string; may: 'edit' | 'read' | 'nothing' }[];
  state: JsonFile<CloudflareState>;
  /** Decides on the limits of purging. Default `pro`. */
  plan?: Plan;
  limit?: WindowLimit;
  now?: () => Date;
  /** One line for each request, without secrets. */
  log?: (line: string) => void;
}

/** Where the API begins; the client's base address ends with it. */
export const apiPath = '/client/v4';
/** Says whether the stand-in runs; no part of the API. */
export const healthPath = '/healthz';

interface Answer {
  status: number;
  body: unknown;
  headers: Record<string, string>;
}

interface Call {
  method: string;
  url: URL;
  body(): Promise<unknown>;
}

const zonePath = /^\/zones\/([^/]+)(\/.*)$/;
const identifier = /^[0-9a-f]{32}$/;

/** Makes the server; `listen` is the caller's. */
export function createCloudflareStandIn({
  tokens,
  state,
  plan = 'pro',
  limit = publishedLimit,
  now = () => new Date(),
  log = () => undefined,
}: CloudflareStandInOptions): Server {
  const rulesets = createRulesets(state, now);
  const purge = createPurges(state, plan, now);
  const window = new RequestWindow(limit);
  const faults = new Faults();

  async function zoneAnswer(zoneId: string, path: string, call: Call): Promise<unknown> {
    const { method, url } = call;
    const route = `${method} ${path}`;
    if (route === 'GET /rulesets') {
      const perPage = pageSize(url.searchParams.get('per_page'));
      const cursor = url.searchParams.get('cursor');
      const { rulesets: result, after } = await rulesets.list(zoneId, { perPage, cursor });
      return envelope(result, after === null ? {} : { result_info: { cursors: { after } } });
    }
    if (route === 'POST /purge_cache') return envelope(await purge(zoneId, await call.body()));
    const match =
      /^\/rulesets\/(?:phases\/([^/]+)\/entrypoint|([0-9a-f]{32}))(\/versions(?:\/(\w+))?)?$/.exec(
        path,
      );
    if (!match) throw noRoute();
    const [, namedPhase, rulesetId, ofVersions, version] = match;
    const phase = namedPhase ?? (await rulesets.phaseOf(zoneId, rulesetId!));
    if (method === 'GET') {
      if (version !== undefined) return envelope(await rulesets.version(zoneId, phase, version));
      if (ofVersions) return envelope(await rulesets.versions(zoneId, phase));
      return envelope(await rulesets.entrypoint(zoneId, phase));
    }
    if (method === 'DELETE' && rulesetId !== undefined && !ofVersions) {
      return rulesets.remove(zoneId, rulesetId);
    }
    if (method !== 'PUT' || ofVersions) throw refused(405, 10_405, 'Method not allowed');
    const dryRun = url.searchParams.get('dry_run') === 'true';
    const updated = await rulesets.update(zoneId, phase, await call.body(), dryRun);
    return envelope(dryRun ? null : updated);
  }

  /** What the stand-in is asked beside the API. */
  async function ownAnswer(path: string, call: Call): Promise<unknown> {
    const { method } = call;
    if (path === '/faults' && method === 'GET') return envelope(faults.list());
    if (path === '/faults' && method === 'PUT') {
      const parsed = faultsSchema.safeParse(await call.body());
      if (!parsed.success) throw refused(400, 1, parsed.error.message);
      faults.set(parsed.data);
      return envelope(faults.list());
    }
    if (path === '/purges' && method === 'GET') return envelope((await state.read()).purges);
    throw noRoute();
  }

  async function answer(request: IncomingMessage, call: Call): Promise<Answer> {
    const { pathname } = call.url;
    let headers: Record<string, string> = {};
    try {
      const token = tokenOf(request);
      const known = tokens.find(({ value }) => sameSecret(token, value));
      if (!known) throw refused(401, 10_000, 'Authentication error');
      if (pathname.startsWith('/stand-in/')) {
        return {
          status: 200,
          body: await ownAnswer(pathname.slice('/stand-in'.length), call),
          headers,
        };
      }
      headers = window.take(token, now().getTime());
      const writes = call.method !== 'GET';
      if (known.may === 'nothing' || (writes && known.may !== 'edit')) {
        throw refused(403, 10_000, 'Authentication error');
      }
      const inApi = pathname.startsWith(`${apiPath}/`) ? pathname.slice(apiPath.length) : '';
      const [, zoneId, rest] = zonePath.exec(inApi) ?? [];
      if (zoneId === undefined) throw noRoute();
      if (!identifier.test(zoneId)) {
        const message = `Could not route to ${inApi}, perhaps your object identifier is invalid?`;
        throw refused(400, 7003, message);
      }
      const body = await zoneAnswer(zoneId, rest!, call);
      return { status: body === undefined ? 204 : 200, body, headers };
    } catch (error) {
      return errorAnswer(error, headers, log);
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://cloudflare');
    if (url.pathname === healthPath) return send(response, 200, { status: 'ok' });
    const method = request.method ?? 'GET';
    const isApi = url.pathname.startsWith(apiPath);
    const fault = isApi ? faults.take(method, url.pathname) : undefined;
    const ray = { 'cf-ray': randomBytes(8).toString('hex') };
    if (fault) log(`FAULT ${fault.kind} ${method} ${url.pathname}`);
    if (fault?.kind === 'drop-request') return void response.destroy();
    const early = fault && earlyAnswer(fault);
    if (early) return sendAnswer(response, early, ray);
    if (fault?.kind === 'delay') await delay(fault.ms);
    const body = once(() => jsonBody(request));
    const given = await answer(request, { method, url, body });
    log(`${method} ${url.pathname} ${given.status}`);
    if (fault?.kind === 'drop-answer') return void response.destroy();
    sendAnswer(response, given, ray);
  }

  return createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      log(`FAILED ${String(error)}`);
      response.destroy();
    });
  });
}

/** The answer of a fault that asks nobody. */
function earlyAnswer(fault: Fault['what']): Answer | null {
  if (fault.kind === 'answer') {
    const { status, code = 10_000, message = 'Switched on for a test', retryAfterSeconds } = fault;
    const headers: Record<string, string> =
      retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
    return { status, body: refusal([{ code, message }]), headers };
  }
  if (fault.kind === 'json') return { status: 200, body: fault.body, headers: {} };
  if (fault.kind !== 'not-json') return null;
  return { status: fault.status, body: '<html><h1>Bad gateway</h1></html>', headers: {} };
}

function sendAnswer(
  response: ServerResponse,
  { status, body, headers }: Answer,
  more: Record<string, string>,
): void {
  if (typeof body !== 'string') return send(response, status, body, { ...headers, ...more });
  response.writeHead(status, { ...headers, ...more, 'content-type': 'text/html' }).end(body);
}

function errorAnswer(
  error: unknown,
  headers: Record<string, string>,
  log: (line: string) => void,
): Answer {
  if (error instanceof ApiError) {
    const { status, errors } = error;
    return { status, body: refusal(errors), headers: { ...headers, ...error.headers } };
  }
  log(`ERROR ${error instanceof Error ? error.message : String(error)}`);
  const body = refusal([{ code: 10_013, message: 'Internal server error' }]);
  return { status: 500, body, headers };
}

function noRoute(): ApiError {
  return refused(404, 7000, 'No route for that URI');
}

function tokenOf(request: IncomingMessage): string {
  const header = request.headers.authorization;
  if (header === undefined) {
    throw refused(400, 9106, 'Missing X-Auth-Key, X-Auth-Email or Authorization headers');
  }
  const token = /^Bearer (\S+)$/.exec(header)?.[1];
  if (token === undefined) throw refused(400, 6003, 'Invalid request headers');
  return token;
}

async function jsonBody(request: IncomingMessage): Promise<unknown> {
  try {
    return JSON.parse(await readBody(request)) as unknown;
  } catch {
    throw refused(400, 20_001, 'invalid JSON');
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

function pageSize(given: string | null): number {
  const size = given === null ? 50 : Number(given);
  if (Number.isInteger(size) && size >= 1 && size <= 50) return size;
  throw refused(400, 10_000, 'per_page must be between 1 and 50', '/per_page');
}
