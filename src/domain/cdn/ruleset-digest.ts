import { digestOf } from '../digest.ts';
import type { Json, JsonObject } from '../json.ts';

/** The phases whose rules Presslift writes in later steps of the roadmap; they are described even where they are empty. */
export const knownCdnPhases = [
  'http_request_cache_settings',
  'http_request_dynamic_redirect',
  'http_request_firewall_custom',
  'http_response_headers_transform',
] as const;

/**
 * A rule as it is written back: without what Cloudflare assigns by itself (`id`, `version`, `last_updated`, `categories`).
 * `ref` stays: it is what keeps a rule's identity over updates, and the default of a rule without one is its first id.
 */
export function restorableRule(rule: Readonly<Record<string, unknown>>): JsonObject {
  const { ref, action, action_parameters, description, enabled, expression, logging } = rule;
  const { ratelimit, exposed_credential_check, id } = rule;
  const kept = {
    ...{ ref: ref ?? id, action, action_parameters, description, enabled: enabled ?? true },
    ...{ expression, logging, ratelimit, exposed_credential_check },
  };
  return Object.fromEntries(
    Object.entries(kept).filter(([, value]) => value !== undefined && value !== null),
  ) as Record<string, Json>;
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
