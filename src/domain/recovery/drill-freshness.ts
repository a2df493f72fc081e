import type { CriterionResult } from '../criterion.ts';
import { describeDuration, durationMs } from '../durations.ts';
import type { Site } from '../site/schema.ts';
import { drillCriterion } from './drill-criteria.ts';
import type { RecoveryPoint } from './point.ts';

/** A recovery point that the site had when a drill began. */
export type KnownPoint = Pick<RecoveryPoint, 'id' | 'takenAt' | 'reason'> & { bad: boolean };

/**
 * What the site would have gone back to without the drill's own backup: the newest sound point that no drill took. Without this,
 * nightly backups might fail for weeks, and every drill would pass on the copy that it has just taken.
 *
 * @param restored when the restored point was taken; null when none was opened.
 * @param points of the site, in any order.
 */
export function scheduledCopyCriterion(
  site: Site,
  { startedAt, restored }: { startedAt: string; restored: string | null },
  points: readonly KnownPoint[],
): CriterionResult {
  const limit = durationMs(site.drill.rpo);
  const age = ({ takenAt }: { takenAt: string }) =>
    Math.max(0, Date.parse(startedAt) - Date.parse(takenAt));
  const target = { atMostMs: limit };
  const id = 'scheduled-copy-age';
  const notApplicable = (why: string) =>
    drillCriterion(id, { pass: true, measured: null, target, evidence: { notApplicable: why } });

  // Two clocks may differ by a little.
  if (restored !== null && age({ takenAt: restored }) > 300_000) {
    return notApplicable('the drill restores a point that was there before, and rpo is its age');
  }
  const others = points.filter(({ reason }) => reason !== 'drill');
  const newest = others
    .filter(({ bad }) => !bad)
    .sort((a, b) => (a.takenAt < b.takenAt ? 1 : -1))[0];
  if (newest !== undefined) {
    return drillCriterion(id, {
      pass: age(newest) <= limit,
      measured: age(newest),
      target,
      evidence: { point: newest.id, age: describeDuration(age(newest)) },
    });
  }
  if (others.length === 0 && points.every((point) => age(point) <= limit)) {
    return notApplicable('the site has had no time for a backup of its schedule');
  }
  return drillCriterion(id, {
    pass: false,
    measured: 'none',
    target,
    evidence: { points: points.length, bad: others.length },
  });
}
