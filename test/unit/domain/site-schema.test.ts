/** Proves that editors are told the same as `presslift check` tells, and that hints name what was meant. */
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { siteJsonSchema } from '../../../src/domain/site/json-schema.ts';
import { editDistance, nearestName } from '../../../src/domain/site/nearest-name.ts';
import type { SiteFile } from '../../../src/domain/site/schema.ts';

const acme = () => parse(readFileSync('sites/acme.yaml', 'utf8')) as SiteFile;

describe('nearest name', () => {
  test.each([
    ['namspace', 'namespace'],
    ['naemspace', 'namespace'],
    ['shared_claim', 'sharedClaim'],
    ['zzz', null],
    ['x'.repeat(100_000), null],
  ])('of %s', (written, meant) => {
    expect(nearestName(written, ['namespace', 'sharedClaim', 'ca'])).toBe(meant);
  });

  test('edit distance is zero only for the same, symmetric, and one for a swap', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
    fc.assert(
      fc.property(letters, letters, (a, b) => {
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
    expect(editDistance('abcd', 'abdc')).toBe(1);
  });
});

describe('JSON Schema', () => {
  const validate = new Ajv.default({ strict: false, validateFormats: false }).compile(
    siteJsonSchema(),
  );

  test.each(['acme', 'example-digitalocean'])('accepts sites/%s.yaml', (name) => {
    const accepted = validate(parse(readFileSync(`sites/${name}.yaml`, 'utf8')));
    expect(validate.errors).toBeNull();
    expect(accepted).toBe(true);
  });

  test.each([
    ['an unknown key', { ...acme(), clsuter: {} }],
    ['a wrong type', { ...acme(), database: { ...acme().database, port: 'x' } }],
    ['a missing section', { ...acme(), cluster: undefined }],
    [
      'a malformed reference',
      { ...acme(), database: { ...acme().database, credentials: 'hunter2' } },
    ],
  ])('refuses %s', (_, site) => {
    expect(validate(site)).toBe(false);
  });
});
