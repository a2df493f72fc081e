import { describe, expect, it } from 'vitest';
import { differingRulesets, rulesFromCopy } from '../../../src/domain/cdn/rules-copy.ts';
import type { CdnRulesetRef } from '../../../src/domain/recovery/point.ts';
import { noRulesDigest, rulesDigest } from '../../../src/domain/cdn/ruleset-digest.ts';

const phase = 'http_request_cache_settings';
const rules = [{ id: '1', ref: 'a', version: '4', action: 'block', expression: 'true' }];
const copy = {
  schema: 1 as const,
  zoneId: 'zone',
  rulesets: [{ phase, id: 'r', version: '3', rules }],
};
const ref = { phase, rulesetId: 'r', version: '3', rules: 1, digest: rulesDigest(rules) };

describe('the copy of rules in a recovery point', () => {
  it('gives the rules that the signed document names, ready to be written', () => {
    expect(rulesFromCopy(copy, { ...ref, rulesetId: 'another' })).toEqual([
      { ref: 'a', action: 'block', expression: 'true', enabled: true },
    ]);
  });

  it.each<[string, Parameters<typeof rulesFromCopy>]>([
    ['there is no copy', [null, ref]],
    ['it lacks the phase', [copy, { ...ref, phase: 'http_request_origin' }]],
    ['it holds other rules than the document names', [copy, { ...ref, digest: 'sha256:x' }]],
    [
      'it is none at all',
      [{ ...copy, rulesets: [{ ...copy.rulesets[0]!, rules: 'x' as never }] }, ref],
    ],
  ])('gives nothing when %s', (_, [given, wanted]) => {
    expect(rulesFromCopy(given, wanted)).toBeNull();
  });
});

describe('the rulesets that differ', () => {
  const none = { ...ref, version: '0', rules: 0, digest: noRulesDigest };
  it.each<[string, CdnRulesetRef[], CdnRulesetRef[], number]>([
    ['the same rules under another version', [ref], [{ ...ref, version: '9' }], 0],
    ['other rules', [ref], [{ ...ref, digest: 'sha256:x' }], 1],
    ['a phase with rules that nothing is known of now', [ref], [], 1],
    ['a phase without rules that nothing is known of now', [none], [], 0],
  ])('are those for %s', (_, then, now, count) => {
    expect(differingRulesets(then, now)).toHaveLength(count);
  });
});
