/**
 * Proves that a digest depends on what a value means and on nothing else: the same for any order of keys, another for any
 * change; and that what JSON cannot carry is refused instead of being lost. Does not prove SHA-256.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { canonicalJson, type Json } from '../../../src/domain/json.ts';
import type { Plan } from '../../../src/domain/plan.ts';

// -0 and 0 are one number in JSON.
const scalar = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const key = fc.string({ unit: 'binary' }).filter((name) => name !== '__proto__');
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(key, tie('json'), { maxKeys: 5 }),
  ),
}));

/** The same value with the keys of every object written in another order. */
function shuffled(value: Json, order: (keys: string[]) => string[]): Json {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, order));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    order(Object.keys(value)).map((name) => [name, shuffled(value[name] ?? null, order)]),
  );
}

/** Every value that differs from the given one in one place. */
function* changed(value: Json): Generator<Json> {
  yield [value];
  if (Array.isArray(value)) {
    yield [...value, null];
    for (const [index, item] of value.entries()) {
      yield value.toSpliced(index, 1);
      for (const other of changed(item)) yield value.with(index, other);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const name of Object.keys(value)) {
      const { [name]: member = null, ...rest } = value;
      yield rest;
      yield { ...rest, [`${name}x`]: member };
      for (const other of changed(member)) yield { ...value, [name]: other };
    }
  } else if (typeof value === 'string') {
    yield `${value} `;
  } else {
    yield value === null ? 'null' : String(value);
  }
}

describe('canonicalJson', () => {
  test('is JSON that means the same', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('survives a round trip through JSON, as values do between worker and server', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(JSON.parse(JSON.stringify(value)))).toBe(canonicalJson(value));
      }),
    );
  });

  test('drops undefined members and says so by giving the text without them', () => {
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
  });

  test.each([
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a bigint', 1n],
    ['NaN', Number.NaN],
    ['infinity', Infinity],
    ['undefined in a list', [undefined]],
    ['a Map', new Map([['a', 1]])],
    ['a Date', new Date(0)],
    ['a Set deep inside', { a: [{ b: new Set([1]) }] }],
  ])('refuses %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });

  test('never crashes with anything but a TypeError', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true }), (value) => {
        try {
          canonicalJson(value);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
      }),
    );
  });
});

describe('digestOf', () => {
  test('is the same for any order of keys', () => {
    const reversed = (keys: string[]) => keys.toReversed();
    const rotated = (keys: string[]) => [...keys.slice(1), ...keys.slice(0, 1)];
    fc.assert(
      fc.property(json, (value) => {
        expect(digestOf(shuffled(value, reversed))).toBe(digestOf(value));
        expect(digestOf(shuffled(value, rotated))).toBe(digestOf(value));
      }),
    );
  });

  test('is different for any change in any place', () => {
    fc.assert(
      fc.property(json, (value) => {
        const digest = digestOf(value);
        for (const other of changed(value)) expect(digestOf(other)).not.toBe(digest);
      }),
      { numRuns: 50 },
    );
  });

  test('is different for two values unless they mean the same', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const same = canonicalJson(a) === canonicalJson(b);
        expect(digestOf(a) === digestOf(b)).toBe(same);
      }),
    );
  });

  test('of a plan changes with every field of a change that people read', () => {
    const plan: Plan = {
      schema: 1,
      site: 'acme',
      operation: 'hybridStorage',
      siteDigest: 'sha256:0',
      changes: [
        {
          id: 'scale-out',
          title: 'Run two replicas',
          target: 'Deployment acme/wordpress',
          before: { replicas: 1 },
          after: { replicas: 2 },
          risk: 'low',
          riskReason: 'Both replicas share their files.',
          undo: { possible: true, how: 'Scale back to one.' },
          touches: ['deployment:acme/wordpress'],
          params: {},
        },
      ],
      observations: [{ key: 'deployment:acme/wordpress', title: 'Deployment', digest: 'sha256:1' }],
      findings: [],
    };
    const digest = digestOf(plan);
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const others = [...changed(plan as unknown as Json)];
    expect(others.length).toBeGreaterThan(40);
    for (const other of others) expect(digestOf(other)).not.toBe(digest);
  });
});
