import { describe, expect, it } from 'vitest';
import {
  noRulesDigest,
  restorableRule,
  rulesDigest,
} from '../../../src/domain/cdn/ruleset-digest.ts';

const rule = {
  id: 'a'.repeat(32),
  ref: 'keep-pages',
  version: '3',
  last_updated: '2026-11-01T10:00:00Z',
  categories: ['cache'],
  action: 'set_cache_settings',
  action_parameters: { cache: true, edge_ttl: { mode: 'override_origin', default: 3600 } },
  description: 'Keep pages',
  enabled: true,
  expression: '(http.host eq "acme.example")',
};

describe('the digest of a ruleset', () => {
  it.each([
    ['another id', { id: 'b'.repeat(32) }],
    ['another version', { version: '4' }],
    ['another time', { last_updated: '2026-11-02T10:00:00Z' }],
    ['other categories', { categories: [] }],
    ['enabled left out', { enabled: undefined }],
  ])('is the same for %s', (_, change) => {
    expect(rulesDigest([{ ...rule, ...change }])).toBe(rulesDigest([rule]));
  });

  it.each([
    ['another expression', { expression: 'true' }],
    ['another parameter', { action_parameters: { cache: false } }],
    ['a rule switched off', { enabled: false }],
    ['another ref', { ref: 'other' }],
    ['another action', { action: 'block' }],
    ['another description', { description: 'Keep all' }],
    ['logging', { logging: { enabled: true } }],
  ])('differs for %s', (_, change) => {
    expect(rulesDigest([{ ...rule, ...change }])).not.toBe(rulesDigest([rule]));
  });

  it('differs for another order, because the last matching rule wins', () => {
    const second = { ...rule, ref: 'second' };
    expect(rulesDigest([rule, second])).not.toBe(rulesDigest([second, rule]));
  });

  it('takes an empty description for none', () => {
    const without = { ...rule, description: undefined };
    expect(rulesDigest([{ ...rule, description: '' }])).toBe(rulesDigest([without]));
  });

  it('tells no rules from one rule', () => {
    expect(rulesDigest([])).toBe(noRulesDigest);
    expect(rulesDigest([rule])).not.toBe(noRulesDigest);
  });
});

describe('a rule to write back', () => {
  it('leaves out what the provider assigns and keeps the rest', () => {
    const assigned = new Set(['id', 'version', 'last_updated', 'categories']);
    const kept = Object.entries(rule).filter(([name]) => !assigned.has(name));
    expect(restorableRule(rule)).toEqual(Object.fromEntries(kept));
  });

  it('takes the id for the ref where there is no ref', () => {
    expect(restorableRule({ ...rule, ref: undefined }).ref).toBe(rule.id);
  });
});
