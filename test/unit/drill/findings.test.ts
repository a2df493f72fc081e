/** From what was seen to criteria: each kind of damage fails its own, and nothing seen fails too. */
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { findingsOf } from '../../../src/activities/drill/failures.ts';
import { repositoryCriteria, type PointCheck } from '../../../src/activities/drill/repository.ts';
import type { CriterionResult } from '../../../src/domain/criterion.ts';
import { isUnmeasured, whyUnmeasured } from '../../../src/domain/recovery/drill-criteria.ts';
import {
  databaseCriteria,
  filesCriteria,
  type RestoredDatabase,
  type RestoredVolume,
} from '../../../src/domain/recovery/drill-restored.ts';
import {
  sentinelCriterion,
  wordpressCriteria,
} from '../../../src/domain/recovery/drill-wordpress.ts';
import type { RecoveryPoint, WordPressPart } from '../../../src/domain/recovery/point.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

const failed = (criteria: CriterionResult[]) =>
  criteria.filter(({ pass }) => !pass).map(({ id }) => id);

const volume = (change: Partial<RestoredVolume> = {}): RestoredVolume => ({
  claim: 'wp-content',
  holdsCode: true,
  files: 270,
  bytes: 1_000_000,
  expected: 270,
  missing: [],
  changed: [],
  extra: [],
  permissions: [],
  counts: { missing: 0, changed: 0, extra: 0, permissions: 0 },
  manifestIntact: true,
  ...change,
});
const counts = { missing: 0, changed: 0, extra: 0, permissions: 0 };
const uploads = volume({ claim: 'uploads', holdsCode: false });

describe('files', () => {
  test.each<[string, RestoredVolume[], string[]]>([
    ['as they were', [volume(), uploads], []],
    [
      'one lost',
      [volume({ files: 269, missing: ['a'], counts: { ...counts, missing: 1 } }), uploads],
      ['missing-files'],
    ],
    [
      'one changed',
      [volume(), { ...uploads, changed: ['b'], counts: { ...counts, changed: 1 } }],
      ['changed-files'],
    ],
    [
      'owners lost',
      [volume({ permissions: ['c'], counts: { ...counts, permissions: 9 } })],
      ['permissions'],
    ],
    ['one more', [volume({ extra: ['d'], counts: { ...counts, extra: 1 } })], []],
    ['a list that is not the signed one', [volume({ manifestIntact: false })], ['file-manifest']],
    [
      'a volume that came back empty',
      [volume({ files: 0, counts: { ...counts, missing: 270 } }), uploads],
      ['empty-volume', 'missing-files'],
    ],
    // Backed up empty: the list agrees, and plugins are gone all the same.
    [
      'a volume that was backed up empty',
      [volume({ files: 0, expected: 0 }), uploads],
      ['empty-volume'],
    ],
    ['no uploads yet', [volume(), { ...uploads, files: 0, expected: 0 }], []],
    [
      'none at all',
      [],
      ['file-manifest', 'empty-volume', 'missing-files', 'changed-files', 'permissions'],
    ],
  ])('%s', (_, volumes, ids) => {
    expect(failed(filesCriteria(volumes))).toEqual(ids);
  });

  test('paths say in which volume', () => {
    const lost = volume({
      missing: ['wp-content/plugins/a.php'],
      counts: { ...counts, missing: 1 },
    });
    expect(filesCriteria([lost]).find(({ id }) => id === 'missing-files')).toMatchObject({
      measured: 1,
      evidence: { of: 270, paths: ['wp-content/plugins/a.php'] },
    });
  });
});

describe('database', () => {
  const database: RestoredDatabase = {
    tables: 12,
    rows: 900,
    missingTables: [],
    extraTables: [],
    rowCounts: [],
    changed: [],
    structure: [],
    triggers: [],
    routines: [],
    events: [],
    views: [],
    charset: [],
  };
  test.each<[string, Partial<RestoredDatabase>, string[]]>([
    ['as it was', {}, []],
    ['a table lost', { missingTables: ['wp_commentmeta'] }, ['missing-table']],
    ['rows lost', { rowCounts: [{ table: 'wp_comments', expected: 50, found: 45 }] }, ['rows']],
    ['a row changed', { changed: ['wp_posts'] }, ['changed-rows']],
    ['another column', { structure: ['wp_posts'] }, ['structure']],
    ['another character set', { charset: ['table wp_posts: latin1'] }, ['charset']],
    ['a trigger lost', { triggers: ['count'] }, ['triggers']],
    ['a routine lost', { routines: ['function f'] }, ['routines']],
    ['an event lost', { events: ['nightly'] }, ['routines']],
    ['a view lost', { views: ['orders'] }, ['routines']],
    [
      'nothing there',
      { tables: 0 },
      ['missing-table', 'rows', 'changed-rows', 'structure', 'charset', 'triggers', 'routines'],
    ],
  ])('%s', (_, change, ids) => {
    expect(failed(databaseCriteria({ ...database, ...change }))).toEqual(ids);
  });
});

const wordpress: WordPressPart = {
  version: '6.8.12',
  databaseVersion: 60421,
  php: '8.2.36',
  siteUrl: 'https://acme.presslift.test',
  tablePrefix: 'wp_',
  plugins: [
    { file: 'akismet/akismet.php', version: '5.5', active: true },
    { file: 'hello.php', version: '1.7.2', active: false },
  ],
  themes: [{ slug: 'twentytwentyfive', version: '1.3', active: true }],
  options: {
    active_plugins: ['akismet/akismet.php'],
    home: 'https://acme.presslift.test',
    a: { b: 1, c: 2 },
  },
  saltsFingerprint: 'sha256:1',
  newestPostAt: '2026-09-01T06:00:00Z',
  samples: { frontPageTitle: 'Acme', post: null },
};

describe('WordPress', () => {
  test.each<[string, (found: WordPressPart) => void, string[]]>([
    ['as it was', () => undefined, []],
    ['its own address', (found) => (found.options['home'] = 'https://acme.drill.invalid'), []],
    ['the same in another order', (found) => (found.options['a'] = { c: 2, b: 1 }), []],
    [
      'a plugin of another version',
      (found) => (found.plugins[0]!.version = '0.1'),
      ['plugin-versions'],
    ],
    ['a plugin switched off', (found) => (found.plugins[0]!.active = false), ['plugin-versions']],
    ['a plugin gone', (found) => found.plugins.pop(), ['plugin-versions']],
    [
      'a plugin too many',
      (found) => found.plugins.push({ file: 'x', version: '1', active: true }),
      ['plugin-versions'],
    ],
    ['another theme', (found) => (found.themes[0]!.slug = 'other'), ['plugin-versions']],
    ['another core', (found) => (found.version = '6.8.1'), ['wordpress-version']],
    ['another database version', (found) => (found.databaseVersion = 1), ['wordpress-version']],
    ['another option', (found) => (found.options['active_plugins'] = []), ['options']],
    ['other salts', (found) => (found.saltsFingerprint = 'sha256:2'), ['salts']],
    ['no salts', (found) => (found.saltsFingerprint = null), ['salts']],
    [
      'an older newest post',
      (found) => (found.newestPostAt = '2026-08-01T06:00:00Z'),
      ['newest-post'],
    ],
  ])('%s', (_, change, ids) => {
    const found = structuredClone(wordpress);
    change(found);
    expect(failed(wordpressCriteria(wordpress, found))).toEqual(ids);
  });

  test('the newest post says how old it is, and how far the live site is ahead', () => {
    const now = { asOf: '2026-09-01T08:00:00Z', liveNewestPostAt: '2026-09-01T07:00:00Z' };
    const criteria = wordpressCriteria(wordpress, wordpress, now);
    expect(criteria.find(({ id }) => id === 'newest-post')).toMatchObject({
      pass: true,
      evidence: { ageMs: 7_200_000, behindLiveMs: 3_600_000 },
    });
  });

  test('a site without salts has nothing to compare', () => {
    const without = { ...wordpress, saltsFingerprint: null };
    expect(failed(wordpressCriteria(without, without))).toEqual(['salts']);
  });

  const sentinel = { nonce: 'fresh', writtenAt: '2026-11-23T18:00:00Z', file: 'wp-content/x' };
  const word = (nonce: string) => ({ nonce, writtenAt: sentinel.writtenAt });
  test.each([
    ['both back', word('fresh'), word('fresh'), true],
    ['an old row', word('old'), word('fresh'), false],
    ['an old file', word('fresh'), word('old'), false],
    ['no row', null, word('fresh'), false],
    ['no file', word('fresh'), null, false],
  ])('sentinel: %s', (_, row, file, pass) => {
    expect(sentinelCriterion(sentinel, { row, file }, '2026-11-23T18:01:00Z').pass).toBe(pass);
    expect(sentinelCriterion(null, { row, file }, '2026-11-23T18:01:00Z').pass).toBe(false);
  });
});

describe('repository', () => {
  const site = acme();
  const point = {
    id: '20261123T180000Z-acme-backup',
    site: 'acme',
    takenAt: '2026-11-23T18:00:00Z',
    finishedAt: '2026-11-23T18:01:00Z',
    sentinel: { nonce: 'n', writtenAt: 'w', file: 'f' },
    wordpress,
    app: {},
    files: { repository: 's3:x' },
    database: { bytes: 1000 },
    missing: [],
  } as unknown as RecoveryPoint;
  const found = { found: true, host: 'presslift-acme', bytes: 1000 };
  const check: PointCheck = { files: found, database: found, damage: [], packs: 0, objects: '' };
  const none = { found: false, host: '', bytes: null };
  test.each<[string, Partial<RecoveryPoint>, Partial<PointCheck>, string[]]>([
    ['sound', {}, {}, []],
    ['a bad pack', {}, { damage: ['ciphertext verification failed'] }, ['repository-data']],
    [
      'a snapshot of another site',
      {},
      { database: { ...found, host: 'presslift-other' } },
      ['wrong-site'],
    ],
    ['a document of another site', { site: 'other' }, {}, ['wrong-site']],
    ['a shorter dump', {}, { database: { ...found, bytes: 600 } }, ['truncated-dump']],
    ['a longer dump', {}, { database: { ...found, bytes: 1200 } }, []],
    ['files that were never finished', {}, { files: none }, ['half-finished']],
    ['no database', { database: null }, { database: none }, ['half-finished', 'truncated-dump']],
    ['no Deployment', { app: null }, {}, ['half-finished']],
    ['no sentinel', { sentinel: null }, {}, ['half-finished']],
    [
      'nothing in the repository',
      {},
      { files: none, database: none },
      ['half-finished', 'repository-data', 'truncated-dump'],
    ],
  ])('%s', (_, change, seen, ids) => {
    const criteria = repositoryCriteria(site, { ...point, ...change }, { ...check, ...seen });
    expect(failed(criteria)).toEqual(ids);
  });
});

describe('a stage that fails', () => {
  const stage = { byDefault: 'truncated-dump', criteria: ['truncated-dump', 'rows'] } as const;
  const fail = (type: string, message = 'words') =>
    ApplicationFailure.create({ type, message, nonRetryable: true });
  test.each([
    ['RestoreDiffers', 'The database does not take the dump', 'truncated-dump'],
    ['RestoreDiffers', "The repository's data is damaged: hash mismatch", 'repository-data'],
    ['RepositoryRefused', 'wrong password', 'repository-keys'],
    ['CatalogueTampered', 'words', 'catalogue'],
    ['BackupIncomplete', 'it holds no Deployment', 'half-finished'],
  ])('%s (%s) says %s, and nothing else was measured', (type, message, id) => {
    const criteria = findingsOf(fail(type, message), stage);
    expect(criteria[0]).toMatchObject({ id, pass: false, measured: type });
    expect(failed(criteria)).toEqual([...new Set([id, 'truncated-dump', 'rows'])]);
    expect(criteria.slice(1).every(isUnmeasured)).toBe(true);
  });

  test.each([
    ['NoSpace', 'The database is full (ERROR 1114)'],
    ['Forbidden', 'The account lacks a privilege that this needs (ERROR 1419)'],
    ['Unauthorized', 'The database denies the account (ERROR 1045)'],
    ['Unauthorized', 'The object storage refuses the keys'],
    ['JobFailed', 'Job d/drill-files failed (DeadlineExceeded): it left no log'],
    ['SecretMissing', 'words'],
    ['TlsRejected', 'words'],
    ['NotFound', 'There is no such database (ERROR 1049)'],
    ['InvalidInput', 'Kubernetes refuses create jobs'],
    ['AgentFailed', 'Error establishing a database connection'],
    ['PreconditionFailed', 'words'],
  ])('%s (%s) says nothing about the point: nothing was measured', (type, message) => {
    const criteria = findingsOf(fail(type, message), stage);
    expect(failed(criteria)).toEqual(['truncated-dump', 'rows']);
    expect(criteria.map(whyUnmeasured)).toEqual([message, message]);
  });

  test('what may pass is no finding', () => {
    for (const type of ['Unavailable', 'RateLimited', 'Conflict']) {
      expect(() => findingsOf(fail(type), stage)).toThrow('words');
    }
    expect(() => findingsOf(new TypeError('a bug'), stage)).toThrow('a bug');
  });
});
