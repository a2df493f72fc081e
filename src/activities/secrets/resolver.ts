import type { V1Secret } from '@kubernetes/client-node';
import { failure } from '../failure.ts';
import type { KubernetesObjects } from './kubernetes-objects.ts';
import { readObject } from './kubernetes-objects.ts';
import { parseSecretReference } from './reference.ts';
import { Secret, concealed } from './secret.ts';
import type { VaultClient } from './vault.ts';

export interface SecretResolverDeps {
  /** Reads Secrets; without it `kubernetes:` references cannot be resolved. */
  kubernetes?: { objects: KubernetesObjects };
  vault?: VaultClient;
  /** The process environment, or what stands for it. */
  env: Record<string, string | undefined>;
}

/** Turns secret references into values, at the moment of use. Nothing is cached: a rotated secret is seen at once. */
export interface SecretResolver {
  /**
   * One value. The key in the reference wins over `key`; with neither, the secret must hold exactly one value.
   *
   * @throws SecretMissing naming the reference, never a value.
   */
  resolve(reference: string, key?: string): Promise<string>;
  /** As `resolve`, in a wrapper that cannot be logged. */
  secret(reference: string, key?: string): Promise<Secret>;
  /** All values of a secret by key (only the one that the reference names, where it names one); redacted when logged. */
  resolveAll(reference: string): Promise<Record<string, string>>;
}

export function createSecretResolver(deps: SecretResolverDeps): SecretResolver {
  async function values(reference: string): Promise<Record<string, string>> {
    const parsed = parseSecretReference(reference);
    switch (parsed.store) {
      case 'kubernetes': {
        if (!deps.kubernetes) throw missing(reference, 'the worker has no Kubernetes connection');
        const secret = await readObject<V1Secret>(
          deps.kubernetes.objects,
          'v1',
          'Secret',
          parsed.namespace,
          parsed.name,
        );
        if (!secret) throw missing(reference, 'there is no such Secret');
        const decoded = Object.entries(secret.data ?? {}).map(
          ([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')] as const,
        );
        return only(Object.fromEntries(decoded), parsed.key, reference);
      }
      case 'vault': {
        if (!deps.vault) throw missing(reference, 'the worker has no VAULT_ADDR');
        const found = await deps.vault.read(parsed.path);
        if (!found) throw missing(reference, 'there is no such secret in Vault');
        return only(found, parsed.key, reference);
      }
      case 'env': {
        const value = deps.env[parsed.variable];
        if (value === undefined || value === '') {
          throw missing(reference, 'the variable is not set for the worker');
        }
        return jsonObject(value) ?? { '': value };
      }
    }
  }

  async function resolve(reference: string, key?: string): Promise<string> {
    const found = await values(reference);
    const names = Object.keys(found);
    const fragment = reference.includes('#') ? names[0] : undefined;
    const wanted = fragment ?? key;
    const name = wanted ?? (names.length === 1 ? names[0] : undefined);
    if (name === undefined) {
      throw missing(reference, `it holds ${names.length} keys and none is named`);
    }
    const value = found[name];
    if (value === undefined || value === '') {
      const plain = Object.hasOwn(found, '');
      throw missing(
        reference,
        plain ? `it is no JSON object with the key "${name}"` : `it has no key "${name}"`,
      );
    }
    return value;
  }

  return {
    resolve,
    secret: async (reference, key) => new Secret(await resolve(reference, key)),
    resolveAll: async (reference) => concealed(await values(reference)),
  };
}

function only(
  values: Record<string, string>,
  key: string | null,
  reference: string,
): Record<string, string> {
  if (key === null) return values;
  const value = values[key];
  if (value === undefined) throw missing(reference, `it has no key "${key}"`);
  return { [key]: value };
}

/** The members of a JSON object as text, or null when the text is no JSON object. */
function jsonObject(text: string): Record<string, string> | null {
  if (!text.trimStart().startsWith('{')) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  return Object.fromEntries(
    Object.entries(parsed as Record<string, unknown>).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

function missing(reference: string, why: string) {
  return failure('SecretMissing', `Secret ${reference} cannot be resolved: ${why}`);
}
