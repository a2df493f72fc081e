import { describe, expect, it } from 'vitest';
import { mostListed, ruleDifferences } from '../../../src/domain/cdn/rule-differences.ts';

/** What going back to older rules would do, rule by rule, as people read it at the gate. */

const phase = 'http_request_firewall_custom';
const rule = (ref: string, more: object = {}) => ({
  ...{ id: `id-${ref}`, ref, version: '1', description: `Rule ${ref}`, action: 'block' },
  ...{ expression: 'http.request.uri.path eq "/x"', enabled: true, ...more },
});
const refs = (list: { first: { ref: string }[] }) => list.first.map(({ ref }) => ref);

describe('the differences of two lists of rules', () => {
  it.each<[string, object[], object[], object]>([
    ['nothing', [rule('a')], [rule('a')], {}],
    ['other ids and versions alone', [rule('a', { id: 'x', version: '9' })], [rule('a')], {}],
    ['a rule that was added', [rule('a'), rule('b')], [rule('a')], { goes: ['b'] }],
    ['a rule that was deleted', [rule('a')], [rule('a'), rule('b')], { back: ['b'] }],
    [
      'a rule that was changed',
      [rule('a', { expression: 'true', enabled: false })],
      [rule('a')],
      { changed: [['a', ['enabled', 'expression']]] },
    ],
    [
      'parameters that were changed',
      [rule('a', { action_parameters: { headers: { x: { value: 'secret' } } } })],
      [rule('a', { action_parameters: { headers: { x: { value: 'other' } } } })],
      { changed: [['a', ['action_parameters']]] },
    ],
    [
      'another order',
      [rule('b'), rule('new'), rule('a')],
      [rule('a'), rule('b')],
      { goes: ['new'], reordered: true },
    ],
    ['a phase that had no rules', [rule('a')], [], { goes: ['a'] }],
  ])('name %s', (_, now, then, expected) => {
    const found = ruleDifferences(phase, now as [], then as []);
    expect({
      goes: refs(found.onlyNow),
      back: refs(found.onlyThen),
      changed: found.changed.first.map((one) => [one.now.ref, one.fields]),
      reordered: found.reordered,
    }).toEqual({ goes: [], back: [], changed: [], reordered: false, ...expected });
  });

  it('know a rule without a reference by its id', () => {
    const bare = { ...rule('a'), ref: undefined };
    expect(refs(ruleDifferences(phase, [bare], []).onlyNow)).toEqual(['id-a']);
  });

  it('hold what a person recognises a rule by, and no parameter', () => {
    const secret = rule('a', { action_parameters: { headers: { x: { value: 'hidden' } } } });
    const found = ruleDifferences(phase, [secret], []);
    expect(found.onlyNow.first).toEqual([
      {
        ...{ ref: 'a', description: 'Rule a', action: 'block', enabled: true },
        expression: 'http.request.uri.path eq "/x"',
      },
    ]);
    expect(JSON.stringify(found)).not.toContain('hidden');
  });

  it.each([
    [
      'http.request.headers["x-pass"][0] eq "let me \\"in\\"" and ip.src eq 192.0.2.1',
      'http.request.headers["x-pass"][0] eq "(redacted)" and ip.src eq 192.0.2.1',
    ],
    ['http.cookie contains r#"to"ken"#', 'http.cookie contains "(redacted)"'],
    ['http.request.uri.query contains "key=1"', 'http.request.uri.query contains "(redacted)"'],
    ['http.host eq "acme.example"', 'http.host eq "acme.example"'],
    ['x'.repeat(300), `${'x'.repeat(199)}…`],
  ])('show the expression %s', (expression, shown) => {
    const found = ruleDifferences(phase, [rule('a', { expression })], []);
    expect(found.onlyNow.first[0]?.expression).toBe(shown);
  });

  it('count all of very many and list the first', () => {
    const many = Array.from({ length: mostListed + 5 }, (_, at) => rule(`r${at}`));
    const { onlyNow } = ruleDifferences(phase, many, []);
    expect(onlyNow.count).toBe(mostListed + 5);
    expect(onlyNow.first).toHaveLength(mostListed);
  });
});
