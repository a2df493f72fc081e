import type { PhaseDifferences, RuleShown } from '../cdn/rule-differences.ts';
import type { Json, JsonObject } from '../json.ts';
import type { Finding } from '../plan.ts';
import { finding } from './finding.ts';
import type { RollbackSituation } from './rollback-situation.ts';

/** What a change at the edge shows of single rules: by phase those of now that go or change, and those of then. */
export function cdnRulesShown({ facts }: RollbackSituation): {
  before: JsonObject;
  after: JsonObject;
} {
  const by = (shown: (of: PhaseDifferences) => object) => ({
    rules: json(Object.fromEntries(facts.cdnRules.differences.map((of) => [of.phase, shown(of)]))),
  });
  return {
    before: by(({ onlyNow, changed }) => ({
      onlyNow,
      changed: changed.first.map(({ now, fields }) => ({ ...now, fields })),
    })),
    after: by(({ onlyThen, changed, reordered }) => ({
      onlyThen,
      changed: changed.first.map(({ then, fields }) => ({ ...then, fields })),
      ...(reordered && { order: 'as of then' }),
    })),
  };
}

/** How many rules go, change and come back, as one sentence. */
export function cdnRulesSentence({ facts }: RollbackSituation): string {
  const { differences } = facts.cdnRules;
  const sum = (count: (of: PhaseDifferences) => number) =>
    differences.reduce((total, of) => total + count(of), 0);
  const goes = sum(({ onlyNow }) => onlyNow.count);
  const parts = [
    rules(goes, 'that came since goes', 'that came since go'),
    rules(
      sum(({ changed }) => changed.count),
      'becomes as it was',
      'become as they were',
    ),
    rules(
      sum(({ onlyThen }) => onlyThen.count),
      'comes back',
      'come back',
    ),
    sum(({ reordered }) => (reordered ? 1 : 0)) > 0 ? 'the order becomes as it was' : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? 'its rules become as they were.' : `${parts.join(', ')}.`;
}

/** Which rules go, whoever made them, and which rules of then are nowhere any more. */
export function cdnRulesFindings(situation: RollbackSituation): Finding[] {
  const { differences, gone } = situation.facts.cdnRules;
  const found: Finding[] = [];
  if (gone.length > 0) {
    found.push(
      finding(
        'error',
        'cdn-rules-gone',
        `Rules of then cannot be put back: ${gone.map(({ why }) => why).join('; ')}.`,
        'Choose another recovery point, or leave the layer cdn out.',
        json(gone),
      ),
    );
  }
  const touched = differences.filter(({ onlyNow, changed }) => onlyNow.count + changed.count > 0);
  if (touched.length > 0) {
    found.push(
      finding(
        'warning',
        'cdn-rules-since',
        `At the edge, whoever made them: ${touched.map(phaseSentence).join('; ')}.`,
        'They are kept in the recovery point that is taken first. Leave the layer cdn out to keep them live.',
        json(touched),
      ),
    );
  }
  return found;
}

function phaseSentence({ phase, onlyNow, changed }: PhaseDifferences): string {
  const parts = [
    onlyNow.count > 0 ? `gone afterwards: ${named(onlyNow.first, onlyNow.count)}` : null,
    changed.count > 0
      ? `as of then: ${named(
          changed.first.map(({ now }) => now),
          changed.count,
        )}`
      : null,
  ].filter((part) => part !== null);
  return `${phase}, ${parts.join(', ')}`;
}

/** So many are named in a sentence; the evidence has more. */
const namedAtMost = 5;

function named(first: RuleShown[], count: number): string {
  const names = first
    .slice(0, namedAtMost)
    .map(({ ref, description }) => (description === null ? ref : `${ref} (${description})`));
  const more = count - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function rules(count: number, one: string, many: string): string | null {
  if (count === 0) return null;
  return count === 1 ? `1 rule ${one}` : `${count} rules ${many}`;
}

function json(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
