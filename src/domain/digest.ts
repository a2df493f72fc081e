import { createHash } from 'node:crypto';
import { canonicalJson } from './json.ts';

/**
 * SHA-256 over the canonical JSON of a value, as `sha256:<64 hex digits>`.
 * The same for any key order, different for any other difference. Not for workflow code (it needs node:crypto):
 * activities compute digests, workflows compare them.
 */
export function digestOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;
}
