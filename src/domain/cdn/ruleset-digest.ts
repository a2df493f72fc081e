import { digestOf } from '../digest.ts';
import type { JsonObject } from '../json.ts';

/** Phases whose rules a zone's owner writes. A recovery point names each, also those without rules: rules that came later go. */
export const zonePhases = [
  'http_config_settings',
  'http_custom_errors',
  'http_ratelimit',
  'http_request_cache_settings',
  'http_request_dynamic_redirect',
  'http_request_firewall_custom',
  'http_request_firewall_managed',
  'http_request_late_transform',
  'http_request_origin',
  'http_request_redirect',
  'http_request_transform',
  'http_response_compression',
  'http_response_headers_transform',
] as const;

/** Version of a phase that has no ruleset; the first real one is "1". */
export const noRulesetVersion = '0';

/** What the provider assigns by itself, and refuses or ignores in an update. */
const assigned = new Set(['id', 'version', 'last_updated', 'categories']);

/**
 * A rule as it is written back: all of it but what the provider assigns by itself. `ref` stays: it is what keeps a rule's
 * identity over updates, and the default of a rule without one is its first id.
 */
export function restorableRule(rule: Readonly<Record<string, unknown>>): JsonObject {
  const kept = Object.entries(rule).filter(
    ([name, value]) => !assigned.has(name) && value !== undefined && value !== null,
  );
  const { ref = rule.id, enabled = true, ...rest } = Object.fromEntries(kept);
  const identity = ref === undefined ? {} : { ref };
  return { ...rest, ...identity, enabled } as JsonObject;
}

/**
 * `sha256:…` over what a ruleset does: its rules in their order, without ids, versions and times. Two versions with the same
 * digest treat every request alike and are told apart by nobody; a rule that was deleted and put back has the same digest
 * under another id. An empty description counts as none.
 */
export function rulesDigest(rules: readonly Readonly<Record<string, unknown>>[]): string {
  return digestOf(
    rules.map((rule) => {
      const { description, ...rest } = restorableRule(rule);
      return description === undefined || description === '' ? rest : { ...rest, description };
    }),
  );
}

/** The digest of a phase without rules, whether its ruleset is empty or does not exist. */
export const noRulesDigest = rulesDigest([]);
