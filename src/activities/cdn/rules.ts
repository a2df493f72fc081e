import {
  noRulesDigest,
  noRulesetVersion,
  restorableRule,
  rulesDigest,
} from '../../domain/cdn/ruleset-digest.ts';
import { rulesFromCopy, type RulesCopy } from '../../domain/cdn/rules-copy.ts';
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
  /** Its rules as a recovery point keeps them, for when the provider has that version no more; asked only then. */
  copy: CopyReader;
}

export type CopyReader = () => Promise<RulesCopy | null>;

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
 * Puts the wanted rules of all phases in place. Everything is read and compared before anything is written, each phase is
 * read once more directly before it is written, and one that has the wanted rules already is left alone, so the same moves
 * after an interruption end in the same state. Rules keep their references; the provider gives a deleted one a new id.
 *
 * @throws Drifted when somebody changed a phase since the plan; the message says which phases were written before that
 * @throws PreconditionFailed when the wanted rules are neither at the provider nor in the recovery point
 * @throws RestoreDiffers when the provider kept other rules than it was given
 */
export async function moveRules(
  client: CdnClient,
  moves: readonly PhaseMove[],
): Promise<PhaseResult[]> {
  const prepared = [];
  for (const move of moves) prepared.push(await prepare(client, move));
  return writeAll(client, prepared);
}

/** What was taken back, and phases of which somebody else's rules stay. */
export interface RulesReturned {
  phases: PhaseResult[];
  leftAlone: string[];
}

/**
 * The way back of `moveRules`. A phase that somebody else has changed keeps their rules and does not hold up the others.
 *
 * @throws Drifted, when everything else is back, for a phase that had been written and was changed by somebody since
 */
export async function returnRules(
  client: CdnClient,
  moves: readonly PhaseMove[],
): Promise<RulesReturned> {
  const prepared: Prepared[] = [];
  const leftAlone: string[] = [];
  const changedSince: string[] = [];
  for (const move of moves) {
    try {
      prepared.push(await prepare(client, move));
    } catch (error) {
      if (failureTypeOf(error) !== 'Drifted') throw error;
      const list = (await wasWritten(client, move)) ? changedSince : leftAlone;
      list.push(move.phase);
    }
  }
  const phases = await writeAll(client, prepared);
  if (changedSince.length > 0) {
    throw failure(
      'Drifted',
      `Somebody changed the rules of ${changedSince.join(', ')} since they were put in place; those stay as they are now, all others are back`,
    );
  }
  return { phases, leftAlone };
}

/** Whether the version that followed the one of before holds what the move had to take back. */
async function wasWritten(client: CdnClient, { phase, expected, wanted }: PhaseMove) {
  const next = await versionIfThere(client, phase, Number(wanted.version) + 1);
  return next !== null && rulesDigest(next.rules) === expected.digest;
}

interface Prepared {
  move: PhaseMove;
  live: CdnRulesetRef;
  /** Null where the wanted rules are live. */
  rules: JsonObject[] | null;
}

async function prepare(client: CdnClient, move: PhaseMove): Promise<Prepared> {
  const { phase, expected, wanted, compareBy, copy } = move;
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
  return { move, live, rules: await rulesOf(client, wanted, copy) };
}

/**
 * The rules that a reference names: from the provider's old versions, or from the copy in a recovery point where the provider
 * has them no more.
 * @throws PreconditionFailed when they are in neither
 */
export async function rulesOf(
  client: CdnClient,
  ref: CdnRulesetRef,
  copy: CopyReader,
): Promise<JsonObject[]> {
  if (ref.digest === noRulesDigest) return [];
  const old = await versionIfThere(client, ref.phase, ref.version);
  if (old?.id === ref.rulesetId && rulesDigest(old.rules) === ref.digest) {
    return old.rules.map((rule) => restorableRule(rule));
  }
  const kept = rulesFromCopy(await copy(), ref);
  if (kept !== null) return kept;
  const why =
    old === null
      ? 'the provider has it no more'
      : old.id === ref.rulesetId
        ? 'it holds other rules than recorded'
        : `the ruleset is another one now, ${old.id}`;
  throw failure(
    'PreconditionFailed',
    `Version ${ref.version} of the rules of ${ref.phase} cannot be put back: ${why}, and the recovery point holds no copy of them`,
  );
}

async function versionIfThere(
  client: CdnClient,
  phase: string,
  version: string | number,
): Promise<Ruleset | null> {
  try {
    return await client.rulesetVersion(phase, String(version));
  } catch (error) {
    if (failureTypeOf(error) === 'NotFound') return null;
    throw error;
  }
}

async function writeAll(client: CdnClient, prepared: readonly Prepared[]): Promise<PhaseResult[]> {
  const results: PhaseResult[] = [];
  for (const one of prepared) {
    try {
      results.push(await write(client, one));
    } catch (error) {
      const type = failureTypeOf(error);
      const written = results.filter(({ from, now }) => from !== now).map(({ phase }) => phase);
      if (type === null || written.length === 0) throw error;
      throw failure(
        type,
        `${(error as Error).message}. Written before that: ${written.join(', ')}`,
        { retryAfterMs: (error as { nextRetryDelay?: number }).nextRetryDelay },
      );
    }
  }
  return results;
}

async function write(client: CdnClient, prepared: Prepared): Promise<PhaseResult> {
  const { move, live, rules } = prepared;
  const { phase, wanted } = move;
  const done = { phase, from: live.version, to: wanted.version, rules: wanted.rules };
  if (rules === null) return { ...done, now: live.version };
  const latest = rulesetRef(phase, await client.ruleset(phase));
  if (latest.digest === wanted.digest) return { ...done, now: latest.version };
  if (latest.version !== live.version || latest.rulesetId !== live.rulesetId) {
    throw failure(
      'Drifted',
      `The rules of ${phase} were changed a moment ago: version ${latest.version} is live, not ${live.version}; they were left alone`,
    );
  }
  const written = await client.replaceRules(phase, rules);
  if (rulesDigest(written.rules) !== wanted.digest) {
    throw failure(
      'RestoreDiffers',
      `The provider keeps other rules for ${phase} than it was given: version ${written.version}`,
    );
  }
  await requireNothingOverwritten(client, latest, written);
  return { ...done, now: written.version };
}

/** Between the look and the write is a moment in which somebody may have written; the provider takes no condition. */
async function requireNothingOverwritten(
  client: CdnClient,
  before: CdnRulesetRef,
  written: Ruleset,
): Promise<void> {
  const [from, to] = [Number(before.version) + 1, Number(written.version)];
  // A ruleset that was deleted in between begins its versions anew.
  const first = before.rulesetId === '' || before.rulesetId === written.id ? from : 1;
  // Who writes that often in one moment is seen in the last of it.
  for (let version = Math.max(first, to - 5); version < to; version += 1) {
    const between = await versionIfThere(client, before.phase, version);
    if (between === null || rulesDigest(between.rules) === before.digest) continue;
    throw failure(
      'Drifted',
      `Somebody changed the rules of ${before.phase} in the moment before they were written: version ${version} is theirs and no longer live, version ${to} is in place. Look at theirs, then retry goes on`,
    );
  }
}
