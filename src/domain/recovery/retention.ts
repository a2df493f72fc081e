import type { Site } from '../site/schema.ts';

/** A recovery point as retention looks at it. */
export interface RetainedPoint {
  id: string;
  /** ISO 8601. */
  takenAt: string;
  /** Somebody said that it stays. */
  pinned: boolean;
  /** It can be read and nothing marks it as bad. */
  good: boolean;
}

type Keep = Site['backup']['keep'];

/** Without `last`, none stays for being among the newest alone. */
export type RetentionPolicy = Omit<Keep, 'last'> & Partial<Pick<Keep, 'last'>>;

export interface Retention {
  keep: { id: string; reasons: string[] }[];
  /** Newest first. */
  remove: string[];
}

/**
 * Which recovery points stay: the `last` newest, whatever their time, and the newest of each of the last `hourly` hours, `daily` days, `weekly` weeks (ISO 8601, they
 * begin on Monday) and `monthly` months that have one, in the calendar of the time zone, by the rules of `restic forget`
 * (https://restic.readthedocs.io/en/stable/060_forget.html#removing-snapshots-according-to-a-policy): hours without a point
 * count for nothing, and while a rule has places left the oldest point stays.
 *
 * A bad point takes no place from a good one: it stays as long as it would have, had it been good. What is pinned stays, and
 * so does the newest good one, whatever the rules say.
 *
 * @param timeZone IANA name. @throws RangeError for one that is not known.
 */
export function retain(
  points: RetainedPoint[],
  policy: RetentionPolicy,
  timeZone: string,
): Retention {
  const calendar = createCalendar(timeZone);
  const newestFirst = [...points].sort(
    (a, b) => Date.parse(b.takenAt) - Date.parse(a.takenAt) || (a.id < b.id ? 1 : -1),
  );
  const good = newestFirst.filter((point) => point.good);
  const byGood = kept(good, policy, calendar);
  const byAll = kept(newestFirst, policy, calendar);

  const reasonsOf = (point: RetainedPoint): string[] => [
    ...(point.pinned ? ['pinned'] : []),
    ...(point === good[0] ? ['newest good one'] : []),
    ...((point.good ? byGood : byAll).get(point.id) ?? []),
  ];
  const judged = newestFirst.map((point) => ({ id: point.id, reasons: reasonsOf(point) }));
  return {
    keep: judged.filter(({ reasons }) => reasons.length > 0),
    remove: judged.filter(({ reasons }) => reasons.length === 0).map(({ id }) => id),
  };
}

/** The part of a calendar that one rule counts, as a word that is the same within it. */
type Bucket = keyof RetentionPolicy;

const buckets: Bucket[] = ['last', 'hourly', 'daily', 'weekly', 'monthly'];

function kept(
  newestFirst: RetainedPoint[],
  policy: RetentionPolicy,
  calendar: Calendar,
): Map<string, string[]> {
  const reasons = new Map<string, string[]>();
  for (const bucket of buckets) {
    let left = policy[bucket] ?? 0;
    let last: string | null = null;
    for (const [at, { id, takenAt }] of newestFirst.entries()) {
      if (left === 0) break;
      const now = bucket === 'last' ? id : calendar(takenAt)[bucket];
      const oldest = bucket !== 'last' && at === newestFirst.length - 1;
      if (now === last && !oldest) continue;
      reasons.set(id, [...(reasons.get(id) ?? []), now === last ? `oldest (${bucket})` : bucket]);
      last = now;
      left -= 1;
    }
  }
  return reasons;
}

type Calendar = (iso: string) => Record<Exclude<Bucket, 'last'>, string>;

function createCalendar(timeZone: string): Calendar {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    calendar: 'iso8601',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
  });
  return (iso) => {
    const parts = Object.fromEntries(
      format.formatToParts(new Date(iso)).map(({ type, value }) => [type, value]),
    );
    const [year, month, day] = ['year', 'month', 'day'].map((part) => Number(parts[part]));
    const monthly = `${parts['year']}-${parts['month']}`;
    const daily = `${monthly}-${parts['day']}`;
    return {
      // Where clocks go back, two hours of one name count as one, as restic counts them.
      hourly: `${daily}T${parts['hour']}`,
      daily,
      weekly: isoWeek(year ?? 0, month ?? 1, day ?? 1),
      monthly,
    };
  };
}

/** `2026-W53`: the week belongs to the year that has its Thursday. */
function isoWeek(year: number, month: number, day: number): string {
  const dayMs = 86_400_000;
  const date = new Date(Date.UTC(year, month - 1, day));
  const fromMonday = (date.getUTCDay() + 6) % 7;
  const thursday = new Date(date.getTime() + (3 - fromMonday) * dayMs);
  const firstOfYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - firstOfYear) / (7 * dayMs)) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}
