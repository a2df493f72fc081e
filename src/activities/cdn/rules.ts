import {
  noRulesDigest,
  noRulesetVersion,
  restorableRule,
  rulesDigest,
} from '../../domain/cdn/ruleset-digest.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { CdnRulesetRef } from '../../domain/recovery/point.ts';
import { failure, failureTypeOf } from '../failure.ts';
import type { CdnClient, Ruleset } from './client.ts';

/** What one phase was brought to. */
export interface PhaseResult {
  phase: string;
  /** Version that was live before; "0" for none. */
  from: string;
  /** Version whose rules are in place now. */
  to: string;
  /** Version that writing them made; equal to `from` when they were in place already. */
  now: string;
  rules: number;
}

/** Brings a phase from the rules that one reference names to those of another. */
export interface PhaseMove {
  phase: string;
  /** What is live as far as the plan knows. */
  expected: CdnRulesetRef;
  wanted: CdnRulesetRef;
  /** Decides whether what is live is what the plan knows: its version, or its rules under any version. */
  compareBy: 'version' | 'rules';
}

/** The reference to a phase without a ruleset. */
export function noRuleset(phase: string): CdnRulesetRef {
  return { phase, rulesetId: '', version: noRulesetVersion, rules: 0, digest: noRulesDigest };
}

/** Names a ruleset as it is; null for none. */
export function rulesetRef(phase: string, ruleset: Ruleset | null): CdnRulesetRef {
  if (ruleset === null) return noRuleset(phase);
  const { id, version, rules } = ruleset;
  return { phase, rulesetId: id, version, rules: rules.length, digest: rulesDigest(rules) };
}

/**
 * Puts the wanted rules of all phases in place. Everything is read and compared before anything is written, and a phase that
 * has the wanted rules already is left alone, so the same moves after an interruption end in the same state. Rules keep their
 * references; the provider gives a deleted one a new id.
 *
 * @throws Drifted when somebody changed a phase since the plan; nothing is written then
 * @throws PreconditionFailed when the wanted version is gone or no longer holds what was recorded
 * @throws RestoreDiffers when the provider kept other rules than it was given
 */
export async function moveRules(
  client: CdnClient,
  moves: readonly PhaseMove[],
): Promise<PhaseResult[]> {
  const prepared = [];
  for (const move of moves) prepared.push(await prepare(client, move));
  const results: PhaseResult[] = [];
  for (const one of prepared) results.push(await write(client, one));
  return results;
}

interface Prepared {
  move: PhaseMove;
  live: CdnRulesetRef;
  /** Null where the wanted rules are live. */
  rules: JsonObject[] | null;
}

async function prepare(client: CdnClient, move: PhaseMove): Promise<Prepared> {
  const { phase, expected, wanted, compareBy } = move;
  const live = rulesetRef(phase, await client.ruleset(phase));
  if (live.digest === wanted.digest) return { move, live, rules: null };
  const asExpected =
    compareBy === 'rules'
      ? live.digest === expected.digest
      : live.version === expected.version && live.rulesetId === expected.rulesetId;
  if (!asExpected) {
    throw failure(
      'Drifted',
      `The rules of ${phase} were changed since the plan: version ${live.version} is live, not ${expected.version}`,
    );
  }
  return { move, live, rules: await rulesOf(client, wanted) };
}

/** The rules that a reference names, from the provider's old versions. */
async function rulesOf(client: CdnClient, ref: CdnRulesetRef): Promise<JsonObject[]> {
  if (ref.digest === noRulesDigest) return [];
  const old = await client.rulesetVersion(ref.phase, ref.version).catch((error: unknown) => {
    throw failureTypeOf(error) === 'NotFound' ? gone(ref, 'the provider has it no more') : error;
  });
  if (old.id !== ref.rulesetId) throw gone(ref, `the ruleset is another one now, ${old.id}`);
  if (rulesDigest(old.rules) !== ref.digest) throw gone(ref, 'it holds other rules than recorded');
  return old.rules.map((rule) => restorableRule(rule));
}

async function write(client: CdnClient, prepared: Prepared): Promise<PhaseResult> {
  const { move, live, rules } = prepared;
  const { phase, wanted } = move;
  const done = { phase, from: live.version, to: wanted.version, rules: wanted.rules };
  if (rules === null) return { ...done, now: live.version };
  const written = await client.replaceRules(phase, rules);
  if (rulesDigest(written.rules) !== wanted.digest) {
    throw failure(
      'RestoreDiffers',
      `The provider keeps other rules for ${phase} than it was given: version ${written.version}`,
    );
  }
  return { ...done, now: written.version };
}

function gone({ phase, version }: CdnRulesetRef, why: string) {
  return failure(
    'PreconditionFailed',
    `Version ${version} of the rules of ${phase} cannot be put back: ${why}`,
  );
}
