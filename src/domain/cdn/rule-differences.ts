import { digestOf } from '../digest.ts';
import type { Json, JsonObject } from '../json.ts';
import { REDACTED } from '../kubernetes/redact.ts';
import { restorableRule } from './ruleset-digest.ts';

/** At most so many rules of one kind are listed for a phase; the counts are whole. */
export const mostListed = 100;

/** A rule as it may stand in a plan: parameters of its action are left out, for a header that is set may be a secret. */
export interface RuleShown {
  /** What keeps a rule's identity over updates; the provider's id where its owner gave none. */
  ref: string;
  description: string | null;
  action: string;
  /** Shortened, and without the words that are looked for in headers, cookies, arguments or bodies. */
  expression: string;
  enabled: boolean;
}

/** A rule that is there then and now. */
export interface RuleChanged {
  now: RuleShown;
  then: RuleShown;
  /** Which fields differ; parameters of the action by name alone: `action_parameters`. */
  fields: string[];
}

export interface Listed<T> {
  count: number;
  first: T[];
}

/** What going back does to the rules of one phase. */
export interface PhaseDifferences {
  phase: string;
  /** Would go. */
  onlyNow: Listed<RuleShown>;
  /** Would come back. */
  onlyThen: Listed<RuleShown>;
  changed: Listed<RuleChanged>;
  /** The rules that stay get another order. */
  reordered: boolean;
}

type Rule = Readonly<Record<string, unknown>>;

/** Compares two lists of rules of a phase by their references. */
export function ruleDifferences(
  phase: string,
  now: readonly Rule[],
  then: readonly Rule[],
): PhaseDifferences {
  const [nowBy, thenBy] = [byRef(now), byRef(then)];
  const both = [...nowBy.keys()].filter((ref) => thenBy.has(ref));
  const changed = both.flatMap((ref): RuleChanged[] => {
    const [ruleNow, ruleThen] = [nowBy.get(ref)!, thenBy.get(ref)!];
    const fields = differingFields(ruleNow, ruleThen);
    return fields.length === 0 ? [] : [{ now: shown(ruleNow), then: shown(ruleThen), fields }];
  });
  const missingIn = (rules: Map<string, JsonObject>, others: Map<string, JsonObject>) =>
    [...rules].filter(([ref]) => !others.has(ref)).map(([, rule]) => shown(rule));
  const orderThen = [...thenBy.keys()].filter((ref) => nowBy.has(ref));
  return {
    phase,
    onlyNow: listed(missingIn(nowBy, thenBy)),
    onlyThen: listed(missingIn(thenBy, nowBy)),
    changed: listed(changed),
    reordered: both.some((ref, at) => ref !== orderThen[at]),
  };
}

function listed<T>(all: T[]): Listed<T> {
  return { count: all.length, first: all.slice(0, mostListed) };
}

function byRef(rules: readonly Rule[]): Map<string, JsonObject> {
  return new Map(
    rules.map((rule) => {
      const restorable = restorableRule(rule);
      return [text(restorable.ref), restorable];
    }),
  );
}

function differingFields(now: JsonObject, then: JsonObject): string[] {
  const names = new Set([...Object.keys(now), ...Object.keys(then)]);
  return [...names]
    .filter((name) => digestOf(now[name] ?? null) !== digestOf(then[name] ?? null))
    .sort();
}

function shown(rule: JsonObject): RuleShown {
  const { ref, description, action, expression, enabled } = rule;
  return {
    ref: text(ref),
    description: text(description) || null,
    action: text(action),
    expression: expressionShown(text(expression)),
    enabled: enabled !== false,
  };
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

const longestExpression = 200;

/** What a request brings along that may have to be kept secret, such as a word that lets past the firewall. */
const brought = /headers|cookie|\bargs\b|query|body|\bform\b/;

/** Names of headers and the like (`headers["x-shop"]`) stay; what they are compared with does not. */
function expressionShown(expression: string): string {
  const safe = brought.test(expression)
    ? expression.replaceAll(/(\[\s*)?("(?:[^"\\]|\\.)*"|r(#*)".*?"\3)/gs, (all, name?: string) =>
        name === undefined ? `"${REDACTED}"` : all,
      )
    : expression;
  return safe.length <= longestExpression ? safe : `${safe.slice(0, longestExpression - 1)}…`;
}
