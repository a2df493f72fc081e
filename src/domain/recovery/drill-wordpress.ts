import type { CriterionResult } from '../criterion.ts';
import type { Json } from '../json.ts';
import { drillCriterion, notMeasured } from './drill-criteria.ts';
import type { Sentinel, WordPressPart } from './point.ts';

/** What the copy's own database and files hold of the sentinel. */
export interface FoundSentinel {
  row: { nonce: string; writtenAt: string } | null;
  file: { nonce: string; writtenAt: string } | null;
}

/**
 * Criteria that compare WordPress in the copy with WordPress as the point describes it.
 * @param now what the live site has by now, for the age of the newest post; null where it does not answer.
 */
export function wordpressCriteria(
  expected: WordPressPart,
  found: WordPressPart,
  now?: { asOf: string; liveNewestPostAt: string | null },
): CriterionResult[] {
  return [
    extensionsCriterion(expected, found),
    drillCriterion('wordpress-version', {
      pass:
        expected.version === found.version && expected.databaseVersion === found.databaseVersion,
      measured: { version: found.version, databaseVersion: found.databaseVersion },
      target: { version: expected.version, databaseVersion: expected.databaseVersion },
      evidence: { php: found.php, phpThen: expected.php },
    }),
    optionsCriterion(expected, found),
    saltsCriterion(expected, found),
    drillCriterion('newest-post', {
      pass: expected.newestPostAt === found.newestPostAt,
      measured: found.newestPostAt,
      target: expected.newestPostAt,
      evidence: now === undefined ? null : ageOf(found.newestPostAt, now),
    }),
  ];
}

/** How old the newest post of the copy is, and how far the live site is ahead of it. */
function ageOf(
  newest: string | null,
  { asOf, liveNewestPostAt }: { asOf: string; liveNewestPostAt: string | null },
): Json {
  const between = (from: string | null, to: string | null) =>
    from === null || to === null ? null : Math.max(0, Date.parse(to) - Date.parse(from));
  return {
    ageMs: between(newest, asOf),
    liveNewestPostAt,
    behindLiveMs: between(newest, liveNewestPostAt),
  };
}

/** Plugins and themes: each with its version and whether it is active. */
function extensionsCriterion(expected: WordPressPart, found: WordPressPart): CriterionResult {
  const differences = [
    ...compare(
      expected.plugins.map(({ file, version, active }) => [`plugin ${file}`, version, active]),
      found.plugins.map(({ file, version, active }) => [`plugin ${file}`, version, active]),
    ),
    ...compare(
      expected.themes.map(({ slug, version, active }) => [`theme ${slug}`, version, active]),
      found.themes.map(({ slug, version, active }) => [`theme ${slug}`, version, active]),
    ),
  ];
  const count = expected.plugins.length + expected.themes.length;
  return drillCriterion('plugin-versions', {
    pass: differences.length === 0,
    measured: differences.length,
    target: 0,
    evidence: { of: count, differences: differences.slice(0, 20) },
  });
}

type Extension = [name: string, version: string, active: boolean];

function compare(expected: Extension[], found: Extension[]): Json[] {
  const say = (one: Extension | undefined) =>
    one === undefined ? null : `${one[1]}${one[2] ? '' : ', not active'}`;
  const names = [...new Set([...expected, ...found].map(([name]) => name))].sort();
  return names.flatMap((name) => {
    const then = say(expected.find((one) => one[0] === name));
    const now = say(found.find((one) => one[0] === name));
    return then === now ? [] : [{ name, expected: then, found: now }];
  });
}

/** Addresses of the site are left out: the copy has its own. */
const addressOptions = new Set(['siteurl', 'home']);

function optionsCriterion(expected: WordPressPart, found: WordPressPart): CriterionResult {
  const names = Object.keys(expected.options).filter((name) => !addressOptions.has(name));
  if (names.length === 0) return notMeasured('options', 'the recovery point names no options');
  const differing = names.filter(
    (name) => stable(expected.options[name]) !== stable(found.options[name]),
  );
  return drillCriterion('options', {
    pass: differing.length === 0,
    measured: differing.length,
    target: 0,
    evidence: { of: names.length, differing },
  });
}

/** JSON with sorted keys: PHP gives lists and maps back in any order of keys. */
function stable(value: Json | undefined): string {
  return JSON.stringify(value ?? null, (_key, member: Json) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

function saltsCriterion(expected: WordPressPart, found: WordPressPart): CriterionResult {
  if (expected.saltsFingerprint === null) {
    return notMeasured('salts', 'the site defines no salts, so nothing keeps logins valid');
  }
  return drillCriterion('salts', {
    pass: expected.saltsFingerprint === found.saltsFingerprint,
    measured: found.saltsFingerprint,
    target: expected.saltsFingerprint,
  });
}

/** The fresh row and file. A copy that was taken earlier has others, or none. */
export function sentinelCriterion(
  expected: Sentinel | null,
  found: FoundSentinel,
  asOf: string,
): CriterionResult {
  if (expected === null) {
    return notMeasured('sentinel', 'nothing was written before this recovery point was taken');
  }
  const { nonce } = expected;
  return drillCriterion('sentinel', {
    pass: found.row?.nonce === nonce && found.file?.nonce === nonce,
    measured: { row: found.row?.writtenAt ?? null, file: found.file?.writtenAt ?? null },
    target: { row: expected.writtenAt, file: expected.writtenAt },
    evidence: {
      rowIsIt: found.row?.nonce === nonce,
      fileIsIt: found.file?.nonce === nonce,
      ageMs: Date.parse(asOf) - Date.parse(expected.writtenAt),
    },
  });
}

export const wordpressCriteriaIds = [
  'sentinel',
  'plugin-versions',
  'wordpress-version',
  'options',
  'salts',
  'newest-post',
] as const;

export const pageCriteriaIds = [
  'front-page',
  'post',
  'search',
  'login',
  'wp-admin',
  'missing-media',
] as const;
