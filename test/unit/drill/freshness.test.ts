/** What a site would have gone back to without the backup that a drill takes itself. */
import { expect, test } from 'vitest';
import {
  scheduledCopyCriterion,
  type KnownPoint,
} from '../../../src/domain/recovery/drill-freshness.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

const startedAt = '2026-11-23T05:00:00Z';
const hoursAgo = (hours: number) =>
  new Date(Date.parse(startedAt) - hours * 3_600_000).toISOString();
const point = (hours: number, change: Partial<KnownPoint> = {}): KnownPoint => ({
  id: `point-${hours}`,
  takenAt: hoursAgo(hours),
  reason: 'scheduled',
  bad: false,
  ...change,
});
const drill = { reason: 'drill' } as const;
const fresh = hoursAgo(-0.01);

test.each<[string, KnownPoint[], boolean, number | string | null]>([
  ['last night worked', [point(2), point(26)], true, 2 * 3_600_000],
  [
    'nights have failed for ten days, drills have not',
    [point(-0.01, drill), point(168, drill), point(240)],
    false,
    240 * 3_600_000,
  ],
  ['the newest is bad', [point(2, { bad: true }), point(30)], false, 30 * 3_600_000],
  ['a change took one', [point(3, { reason: 'before-change' })], true, 3 * 3_600_000],
  ['none but bad ones', [point(2, { bad: true })], false, 'none'],
  ['a new site, and its first drill', [point(-0.01, drill)], true, null],
  ['no point at all', [], true, null],
  ['drills alone, since last week', [point(-0.01, drill), point(168, drill)], false, 'none'],
])('%s', (_, points, pass, measured) => {
  const criterion = scheduledCopyCriterion(acme(), { startedAt, restored: fresh }, points);
  expect(criterion).toMatchObject({ id: 'scheduled-copy-age', pass, measured });
});

test('a drill of a given point says nothing of the schedule', () => {
  const criterion = scheduledCopyCriterion(acme(), { startedAt, restored: hoursAgo(1) }, [
    point(300),
  ]);
  expect(criterion).toMatchObject({
    pass: true,
    evidence: { notApplicable: expect.any(String) as string },
  });
});
