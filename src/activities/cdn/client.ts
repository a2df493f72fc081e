import Cloudflare from 'cloudflare';
import type { JsonObject } from '../../domain/json.ts';
import { connectionFailure, failure, failureTypeOf } from '../failure.ts';
import type { Secret } from '../secrets/secret.ts';

export interface CdnOptions {
  token: Secret;
  zoneId: string;
  /** Base address of the API; the official one when absent. */
  endpoint?: string;
  /** For one request with its answer. Default 20,000. */
  timeoutMs?: number;
}

/** One version of the ruleset that a zone runs in a phase. */
export interface Ruleset {
  id: string;
  phase: string;
  version: string;
  rules: JsonObject[];
}

/** The calls of Cloudflare's API that Presslift makes for one zone. One attempt each: Temporal owns the retries. */
export interface CdnClient {
  /** Phases in which the zone has a ruleset of its own; the provider's managed rulesets are left out. */
  phases(): Promise<string[]>;
  /** The newest version; null where the zone has no ruleset in the phase. */
  ruleset(phase: string): Promise<Ruleset | null>;
  /** @throws NotFound for a version, or a ruleset, that is no more */
  rulesetVersion(phase: string, version: string): Promise<Ruleset>;
  /** Replaces every rule of the phase and returns the version that this made. */
  replaceRules(phase: string, rules: JsonObject[]): Promise<Ruleset>;
  /** @throws RateLimited with the time to wait */
  purgeHosts(hosts: string[]): Promise<void>;
}

type Phase = Parameters<Cloudflare['rulesets']['phases']['get']>[0];
type RulesOfUpdate = NonNullable<Cloudflare.Rulesets.PhaseUpdateParams['rules']>;

/** A client for one token over the official SDK, with its retries, redirects and log switched off. */
export function createCdnClient(options: CdnOptions): CdnClient {
  const { zoneId: zone_id, timeoutMs = 20_000 } = options;
  const client = new Cloudflare({
    apiToken: options.token.reveal(),
    // Only the token: the SDK would take other credentials from the environment.
    ...{ apiKey: null, apiEmail: null, userServiceKey: null },
    baseURL: options.endpoint?.replace(/\/$/, '') ?? 'https://api.cloudflare.com/client/v4',
    maxRetries: 0,
    timeout: timeoutMs,
    logLevel: 'off',
    fetch: boundedFetch(timeoutMs),
  });
  const host = new URL(client.baseURL).host;

  async function call<T>(what: string, request: () => PromiseLike<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw apiFailure(error, `Cloudflare (${host}): ${what}`);
    }
  }

  return {
    async phases() {
      const what = `rulesets of zone ${zone_id}`;
      const phases = new Set<string>();
      let cursor: string | null = null;
      do {
        // Not by the SDK's pages: they take whatever is none of the API for a list without rulesets.
        const query = { per_page: 50, ...(cursor !== null && { cursor }) };
        const page = asPage(
          await call(what, () => client.get(`/zones/${zone_id}/rulesets`, { query })),
          what,
        );
        for (const { kind, phase } of page.rulesets) {
          if (kind === 'zone') phases.add(phase);
        }
        cursor = page.after;
      } while (cursor !== null);
      return [...phases];
    },

    async ruleset(phase) {
      const what = `ruleset of ${phase} in zone ${zone_id}`;
      try {
        const get = () => client.rulesets.phases.get(phase as Phase, { zone_id });
        return asRuleset(await call(what, get), what);
      } catch (error) {
        if (failureTypeOf(error) === 'NotFound') return null;
        throw error;
      }
    },

    async rulesetVersion(phase, version) {
      const what = `version ${version} of the ruleset of ${phase} in zone ${zone_id}`;
      const params = { ruleset_phase: phase as Phase, zone_id };
      return asRuleset(
        await call(what, () => client.rulesets.phases.versions.get(version, params)),
        what,
      );
    },

    async replaceRules(phase, rules) {
      const what = `update of the ruleset of ${phase} in zone ${zone_id}`;
      // They come from the API itself; the SDK's type tells every kind of rule apart, which nothing here needs.
      const params = { zone_id, rules: rules as unknown as RulesOfUpdate };
      return asRuleset(
        await call(what, () => client.rulesets.phases.update(phase as Phase, params)),
        what,
      );
    },

    async purgeHosts(hosts) {
      const what = `purge of ${hosts.length} host names in zone ${zone_id}`;
      const answer = await call(what, () => client.cache.purge({ zone_id, hosts }));
      if (typeof answer?.id !== 'string') throw notOfTheApi(what);
    },
  };
}

/** A fetch that follows no redirects, and whose time-out covers the answer's body as well. */
function boundedFetch(timeoutMs: number): typeof fetch {
  return (url, init) => {
    const signals = [AbortSignal.timeout(timeoutMs), ...(init?.signal ? [init.signal] : [])];
    return fetch(url, { ...init, redirect: 'error', signal: AbortSignal.any(signals) });
  };
}

/** Something between here and the API may answer 200 with anything. */
function asRuleset(answer: unknown, what: string): Ruleset {
  const { id, phase, version, rules } = (answer ?? {}) as Partial<Ruleset>;
  if (typeof id !== 'string' || typeof phase !== 'string' || typeof version !== 'string') {
    throw notOfTheApi(what);
  }
  // A ruleset without rules may come without the list.
  if (rules !== undefined && !Array.isArray(rules)) throw notOfTheApi(what);
  return { id, phase, version, rules: rules ?? [] };
}

/** One page of the list of rulesets. "There are none" is believed only where the API itself says it. */
function asPage(answer: unknown, what: string) {
  const { success, result, result_info } = (answer ?? {}) as Record<string, unknown>;
  if (success !== true || !Array.isArray(result)) throw notOfTheApi(what);
  const rulesets = (result as Partial<Record<string, unknown>>[]).map((one) => {
    const { kind, phase } = one ?? {};
    if (typeof kind !== 'string' || typeof phase !== 'string') throw notOfTheApi(what);
    return { kind, phase };
  });
  const info = (result_info ?? {}) as { cursors?: { after?: unknown } };
  const after = info.cursors?.after;
  return { rulesets, after: typeof after === 'string' && after !== '' ? after : null };
}

function notOfTheApi(what: string) {
  return failure('Unavailable', `Cloudflare: the answer to ${what} is none of its API`);
}

/** Maps what the SDK throws. Codes and messages of the API are kept; they name no credentials. */
function apiFailure(error: unknown, what: string): unknown {
  if (failureTypeOf(error) !== null) return error;
  if (!(error instanceof Cloudflare.APIError)) return mapped(error, what);
  const { status, headers, errors } = error as InstanceType<typeof Cloudflare.APIError>;
  if (status === undefined) return mapped(error, what);
  const said = (Array.isArray(errors) ? errors : [])
    .map(({ code, message }) => `${code} ${message}`)
    .join('; ');
  const text = `${what}: status ${status}${said ? `, ${said.slice(0, 300)}` : ''}`;
  const retryAfterMs = retryAfter(headers?.get('retry-after') ?? null);
  if (status === 401) return failure('Unauthorized', text);
  if (status === 403) return failure('Forbidden', text);
  if (status === 404) return failure('NotFound', text);
  if (status === 409) return failure('Conflict', text);
  if (status === 429) return failure('RateLimited', text, { retryAfterMs });
  if (status < 500) return failure('InvalidInput', text);
  return failure('Unavailable', text, { retryAfterMs });
}

function mapped(error: unknown, what: string): unknown {
  const known = connectionFailure(error, what);
  return known === error ? failure('Unavailable', `${what}: no answer`) : known;
}

/** Longest wait that is taken over; a longer one would hide that something is wrong. */
const longestWaitMs = 10 * 60_000;

/** Milliseconds of a `retry-after` header, seconds or a date; undefined without a usable one. */
export function retryAfter(header: string | null, nowMs = Date.now()): number | undefined {
  if (header === null || header === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - nowMs : seconds * 1_000;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(longestWaitMs, Math.max(1_000, ms));
}
