// Proves: the age of a site's newest point that metrics show grows by itself, and tells at once when nobody can tell it.
import type { MetricMeter } from '@temporalio/common';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createAgeActivities, createBackupAges } from '../../../src/activities/backup/age.ts';
import { isOlderThanCatalogue } from '../../../src/activities/backup/lost-points.ts';
import { snapshotName } from '../../../src/activities/backup/names.ts';
import { createSecretResolver } from '../../../src/activities/secrets/index.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

/** The last value of each site, as a scrape finds it. */
let shown: Record<string, number>;
const meter = {
  createGauge: () => ({
    set: (value: number, { site = '' }: Record<string, string>) => (shown[site] = value),
  }),
} as unknown as MetricMeter;

beforeEach(() => {
  shown = {};
  vi.useFakeTimers({ now: new Date('2026-11-23T03:30:00Z') });
});
afterEach(() => vi.useRealTimers());

const open = () => createBackupAges({ meter, now: () => new Date() });

it('an age grows between two looks', () => {
  const ages = open();
  ages.taken(acme(), '2026-11-23T03:00:00Z');
  ages.taken({ ...acme(), name: 'other' }, '2026-11-23T03:29:00Z');
  expect(shown).toEqual({ acme: 1_800, other: 60 });
  vi.advanceTimersByTime(7_200_000);
  expect(shown).toEqual({ acme: 9_000, other: 7_260 });
});

it('an age starts anew with a new point', () => {
  const ages = open();
  ages.taken(acme(), '2026-11-22T03:00:00Z');
  ages.taken(acme(), '2026-11-23T03:30:00Z');
  vi.advanceTimersByTime(60_000);
  expect(shown).toEqual({ acme: 60 });
});

it('an age is infinite, and stays it, once the catalogue cannot be read', async () => {
  const ages = open();
  ages.taken(acme(), '2026-11-23T03:00:00Z');
  const deps = { secrets: createSecretResolver({ env: {} }), now: () => new Date() };
  const { measureBackupAge } = createAgeActivities(deps as never, ages);
  const site = acme();
  site.backup.password = 'env:NOWHERE';
  await expect(measureBackupAge({ site })).rejects.toMatchObject({ type: 'SecretMissing' });
  expect(shown).toEqual({ acme: Infinity });
  vi.advanceTimersByTime(60_000);
  expect(shown).toEqual({ acme: Infinity });
});

it.each([
  ['older than every point', '20261101T030000Z', true],
  ['of the same time as the oldest', '20261110T030000Z', false],
  ['between two points', '20261115T030000Z', false],
  ['newer than all', '20261130T030000Z', false],
])('a snapshot %s: left of an earlier catalogue %#', (_, time, expected) => {
  const ids = ['20261120T030000Z-acme-backup', '20261110T030000Z-acme-backup'];
  const name = snapshotName(`${time}-acme-backup`, 'wp-content');
  expect(isOlderThanCatalogue(name, ids)).toBe(expected);
  // Nobody knows what it is of; it is not ours to keep.
  expect(isOlderThanCatalogue('presslift-point-x', ids)).toBe(false);
  expect(isOlderThanCatalogue(name, [])).toBe(true);
});
