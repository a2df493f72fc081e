import { createHash } from 'node:crypto';
import { hybridNames } from '../../domain/kubernetes/names.ts';
import type { HybridStorageFacts } from '../../domain/planners/hybrid-storage-facts.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { readSecret } from './config-source.ts';

/** The order in which the agent fingerprints the values. */
const order = [
  'AUTH_KEY',
  'SECURE_AUTH_KEY',
  'LOGGED_IN_KEY',
  'NONCE_KEY',
  'AUTH_SALT',
  'SECURE_AUTH_SALT',
  'LOGGED_IN_SALT',
  'NONCE_SALT',
].map((name) => `WORDPRESS_${name}`);

/** The same fingerprint as the agent's: SHA-256 over the eight values, one a line; null when one is missing. */
export function saltsFingerprint(values: Record<string, string>): string | null {
  const lines = order.map((name) => values[name] ?? '');
  if (lines.includes('')) return null;
  return `sha256:${createHash('sha256').update(lines.join('\n')).digest('hex')}`;
}

/** The Secret of phase 1: its keys and fingerprint; null when there is none. */
export async function keptSalts(
  k: KubernetesClients,
  site: Site,
): Promise<HybridStorageFacts['saltsSecret']> {
  const secret = await readSecret(k, site, hybridNames(site).saltsSecret);
  if (secret === null) return null;
  const data = secret.data ?? {};
  const values = Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString('utf8'),
    ]),
  );
  return { keys: Object.keys(data).sort(), fingerprint: saltsFingerprint(values) };
}
