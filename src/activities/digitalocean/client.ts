import {
  CustomFetchHandler,
  FetchRequestAdapter,
  KiotaClientFactory,
  ParametersNameDecodingHandler,
} from '@microsoft/kiota-http-fetchlibrary';
import type { Secret } from '../secrets/secret.ts';
import type { Calls } from './calls.ts';
import { createDatabaseCalls, type DatabaseCalls } from './databases.ts';
import { createDigitalOceanClient, DigitalOceanApiKeyAuthenticationProvider } from './dots.js';
import { apiFailure, NotFromTheApi, statusOf } from './errors.ts';
import { createNfsCalls, type NfsCalls } from './nfs.ts';
import { createSpacesCalls, type SpacesCalls } from './spaces.ts';

export type {
  DatabaseAddress,
  DatabaseBackup,
  ManagedDatabase,
  TrustedSource,
} from './databases.ts';
export type { NfsShareInfo, NfsSnapshotInfo } from './nfs.ts';
export type { SpacesKeyInfo } from './spaces.ts';

export const DIGITALOCEAN_ENDPOINT = 'https://api.digitalocean.com';

export interface DigitalOceanOptions {
  token: Secret;
  /** The official API when absent. */
  endpoint?: string;
  timeoutMs?: number;
  /** For tests; the process's own fetch (certificates verified) otherwise. */
  fetch?: typeof fetch;
}

/** The calls of DigitalOcean's API that Presslift makes. One attempt each: Temporal owns the retries. */
export interface DigitalOcean extends DatabaseCalls, NfsCalls, SpacesCalls {}

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

  const call: Calls['call'] = async (what, request, missing) => {
    try {
      return await request();
    } catch (error) {
      const isMissing = statusOf(error) === 404 && !(error instanceof NotFromTheApi);
      if (missing !== undefined && isMissing) return missing.gone;
      throw apiFailure(error, `DigitalOcean (${new URL(endpoint).host}): ${what}`);
    }
  };
  const calls = { v2, call };
  return { ...createDatabaseCalls(calls), ...createNfsCalls(calls), ...createSpacesCalls(calls) };
}

/**
 * A fetch with a time-out that follows no redirects: an API that redirects is not the one that was meant. Error answers
 * that are no JSON are thrown here with their status and headers, which the client would lose over their body.
 */
function boundedFetch(options: DigitalOceanOptions) {
  const send = options.fetch ?? fetch;
  return async (url: string, init: RequestInit): Promise<Response> => {
    const answer = await send(url, {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(options.timeoutMs ?? 20_000),
    });
    if (answer.ok || (await isJson(answer.clone()))) return answer;
    throw new NotFromTheApi(answer.status, answer.headers);
  };
}

async function isJson(answer: Response): Promise<boolean> {
  const type = answer.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  const text = await answer.text();
  if (type !== 'application/json') return false;
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}
