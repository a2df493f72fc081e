import { failure, connectionFailure } from '../failure.ts';
import { vaultDataPath } from './reference.ts';

export interface VaultOptions {
  /** `https://vault.example.com:8200`, as in VAULT_ADDR. */
  address: string;
  /** As in VAULT_TOKEN. */
  token: string;
  /** As in VAULT_NAMESPACE. */
  namespace?: string;
  timeoutMs?: number;
  /** For tests; the process's own fetch (certificates verified) otherwise. */
  fetch?: typeof fetch;
}

/** Vault as the secret resolver needs it. */
export interface VaultClient {
  /** All keys of a KV version 2 secret, or null when there is none (or its newest version is deleted). */
  read(path: string): Promise<Record<string, string> | null>;
}

/** Options from VAULT_ADDR, VAULT_TOKEN and VAULT_NAMESPACE, or null when no address is set. */
export function vaultOptionsFromEnvironment(env: NodeJS.ProcessEnv): VaultOptions | null {
  if (!env.VAULT_ADDR) return null;
  return {
    address: env.VAULT_ADDR,
    token: env.VAULT_TOKEN ?? '',
    namespace: env.VAULT_NAMESPACE || undefined,
  };
}

/**
 * Reads KV version 2 over HTTP.
 *
 * @throws Unauthorized, Forbidden, RateLimited, Unavailable or TlsRejected, naming the path and never a value.
 */
export function createVaultClient(options: VaultOptions): VaultClient {
  const send = options.fetch ?? fetch;
  return {
    async read(path) {
      const url = new URL(vaultDataPath(path), options.address);
      const what = `Vault secret ${path} at ${url.host}`;
      let response: Response;
      try {
        response = await send(url, {
          headers: {
            'x-vault-token': options.token,
            'x-vault-request': 'true',
            ...(options.namespace ? { 'x-vault-namespace': options.namespace } : {}),
          },
          redirect: 'error',
          signal: AbortSignal.timeout(options.timeoutMs ?? 10_000),
        });
      } catch (error) {
        const mapped = connectionFailure(error, what);
        throw mapped === error ? failure('Unavailable', `${what}: the request failed`) : mapped;
      }
      if (response.status === 404) return null;
      if (response.status === 401) throw failure('Unauthorized', `${what}: token refused`);
      if (response.status === 403) throw failure('Forbidden', `${what}: the token may not read it`);
      if (response.status === 429) throw failure('RateLimited', `${what}: too many requests`);
      if (!response.ok) throw failure('Unavailable', `${what}: status ${response.status}`);
      const body = (await response.json().catch(() => null)) as {
        data?: { data?: Record<string, unknown> | null };
      } | null;
      const values = body?.data?.data;
      if (!values) {
        throw failure('InvalidInput', `${what} is not a secret of a KV version 2 mount`);
      }
      return Object.fromEntries(
        Object.entries(values).map(([key, value]) => [
          key,
          typeof value === 'string' ? value : JSON.stringify(value),
        ]),
      );
    },
  };
}
