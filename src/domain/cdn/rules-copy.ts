import type { JsonObject } from '../json.ts';
import type { CdnRulesetRef } from '../recovery/point.ts';
import { noRulesDigest, restorableRule, rulesDigest } from './ruleset-digest.ts';

/**
 * The rules of a zone as a recovery point keeps them beside their versions at the provider, which go when somebody deletes the
 * ruleset. They may hold secrets (a header that is set, a word that a firewall rule looks for): they are kept where only
 * Secrets are, and in the encrypted repository.
 */
export interface RulesCopy {
  schema: 1;
  zoneId: string;
  /** Of phases that have a ruleset. */
  rulesets: { phase: string; id: string; version: string; rules: JsonObject[] }[];
}

/** The rules that a reference names, ready to be written; null where the copy does not hold exactly them. */
export function rulesFromCopy(copy: RulesCopy | null, ref: CdnRulesetRef): JsonObject[] | null {
  const kept = copy?.rulesets.find(({ phase }) => phase === ref.phase);
  // The copy itself is not signed. The reference is, and its digest decides.
  if (kept === undefined || !Array.isArray(kept.rules) || rulesDigest(kept.rules) !== ref.digest) {
    return null;
  }
  return kept.rules.map((rule) => restorableRule(rule));
}

/** Rulesets of a recovery point whose rules are others now; a phase that is not known now counts as one without rules. */
export function differingRulesets(
  then: readonly CdnRulesetRef[],
  now: readonly CdnRulesetRef[],
): CdnRulesetRef[] {
  const digestNow = (phase: string) =>
    now.find((one) => one.phase === phase)?.digest ?? noRulesDigest;
  return then.filter(({ phase, digest }) => digestNow(phase) !== digest);
}
