// Proves which recovery points retention keeps: the calendar rules of `restic forget`, time zones, and that no rule ever
// removes a pinned point or the newest good one.
import { describe, expect, it } from 'vitest';
import {
  retain,
  type RetainedPoint,
  type RetentionPolicy,
} from '../../../src/domain/recovery/retention.ts';

const none: RetentionPolicy = { hourly: 0, daily: 0, weekly: 0, monthly: 0 };

const point = (takenAt: string, more: Partial<RetainedPoint> = {}): RetainedPoint => ({
  id: takenAt,
  takenAt,
  pinned: false,
  good: true,
  ...more,
});

/** One point a night, newest first, `count` nights up to and including the last day. */
function nights(last: string, count: number): RetainedPoint[] {
  return Array.from({ length: count }, (_, back) =>
    point(new Date(Date.parse(`${last}T03:00:00Z`) - back * 86_400_000).toISOString()),
  );
}

const keptDays = (points: RetainedPoint[], policy: RetentionPolicy, zone = 'UTC') =>
  retain(points, policy, zone).keep.map(({ id }) => id.slice(0, 10));

describe('calendar rules', () => {
  it('keeps the newest of each of the last days', () => {
    expect(keptDays(nights('2026-11-23', 30), { ...none, daily: 3 })).toEqual([
      '2026-11-23',
      '2026-11-22',
      '2026-11-21',
    ]);
  });

  it('counts only days that have a point', () => {
    const points = ['2026-11-23', '2026-11-10', '2026-10-01', '2026-09-01'].map((day) =>
      point(`${day}T03:00:00Z`),
    );
    expect(keptDays(points, { ...none, daily: 3 })).toEqual([
      '2026-11-23',
      '2026-11-10',
      '2026-10-01',
    ]);
  });

  it('keeps the newest point of a day with several', () => {
    const points = [point('2026-11-23T20:00:00Z'), point('2026-11-23T03:00:00Z')];
    const more = [...points, ...nights('2026-11-22', 5)];
    expect(retain(more, { ...none, daily: 2 }, 'UTC').keep.map(({ id }) => id)).toEqual([
      '2026-11-23T20:00:00Z',
      '2026-11-22T03:00:00.000Z',
    ]);
  });

  it('keeps the newest ones whatever their time', () => {
    const points = ['20', '15', '10', '03'].map((hour) => point(`2026-11-23T${hour}:00:00Z`));
    expect(retain(points, { ...none, last: 3 }, 'UTC').remove).toEqual(['2026-11-23T03:00:00Z']);
  });

  it('keeps the newest of a week, which begins on Monday and at the end of a year belongs to that of its Thursday', () => {
    // 2027-01-03 is the Sunday of 2026-W53.
    expect(keptDays(nights('2027-01-05', 40), { ...none, weekly: 3 })).toEqual([
      '2027-01-05',
      '2027-01-03',
      '2026-12-27',
    ]);
  });

  it('keeps the newest of a month', () => {
    expect(keptDays(nights('2026-03-02', 90), { ...none, monthly: 3 })).toEqual([
      '2026-03-02',
      '2026-02-28',
      '2026-01-31',
    ]);
  });

  it('keeps the newest of an hour', () => {
    const points = ['12:50', '12:10', '11:59', '09:00', '08:00'].map((at) =>
      point(`2026-11-23T${at}:00Z`),
    );
    expect(
      retain(points, { ...none, hourly: 3 }, 'UTC').keep.map(({ id }) => id.slice(11, 16)),
    ).toEqual(['12:50', '11:59', '09:00']);
  });

  it('adds the rules up: a week, a month and half a year of nights', () => {
    const kept = keptDays(nights('2026-11-23', 400), {
      hourly: 0,
      daily: 7,
      weekly: 4,
      monthly: 6,
    });
    expect(kept).toEqual([
      ...['2026-11-23', '2026-11-22', '2026-11-21', '2026-11-20', '2026-11-19', '2026-11-18'],
      ...['2026-11-17', '2026-11-15', '2026-11-08', '2026-10-31', '2026-09-30', '2026-08-31'],
      ...['2026-07-31', '2026-06-30'],
    ]);
  });

  it('keeps the oldest point while a rule has places left', () => {
    const points = nights('2026-11-23', 3);
    const { keep, remove } = retain(points, { ...none, daily: 1, monthly: 6 }, 'UTC');
    expect(keep).toEqual([
      { id: '2026-11-23T03:00:00.000Z', reasons: ['newest good one', 'daily', 'monthly'] },
      { id: '2026-11-21T03:00:00.000Z', reasons: ['oldest (monthly)'] },
    ]);
    expect(remove).toEqual(['2026-11-22T03:00:00.000Z']);
  });

  it('counts in the time zone of the site', () => {
    // 23:30 and 00:30 in UTC are one day in Tokyo and two in London.
    const points = [
      point('2026-11-23T00:30:00Z'),
      point('2026-11-22T23:30:00Z'),
      point('2026-11-22T12:00:00Z'),
      point('2026-11-21T12:00:00Z'),
    ];
    const policy = { ...none, daily: 2 };
    expect(retain(points, policy, 'Asia/Tokyo').remove).toEqual([
      '2026-11-22T23:30:00Z',
      '2026-11-21T12:00:00Z',
    ]);
    expect(retain(points, policy, 'Europe/London').remove).toEqual([
      '2026-11-22T12:00:00Z',
      '2026-11-21T12:00:00Z',
    ]);
  });

  it('refuses a time zone that nobody knows', () => {
    expect(() => retain([point('2026-11-23T03:00:00Z')], none, 'Mars/Olympus')).toThrow(RangeError);
  });
});

describe('what no rule removes', () => {
  it('the newest good point, even when nothing is to be kept', () => {
    const points = [
      point('2026-11-23T03:00:00Z', { good: false }),
      point('2026-11-22T03:00:00Z'),
      point('2026-11-21T03:00:00Z'),
    ];
    expect(retain(points, none, 'UTC')).toEqual({
      keep: [{ id: '2026-11-22T03:00:00Z', reasons: ['newest good one'] }],
      remove: ['2026-11-23T03:00:00Z', '2026-11-21T03:00:00Z'],
    });
  });

  it('a pinned point, good or bad, however old', () => {
    const old = [
      point('2020-01-01T03:00:00Z', { pinned: true }),
      point('2019-01-01T03:00:00Z', { pinned: true, good: false }),
    ];
    const { keep } = retain([...nights('2026-11-23', 3), ...old], { ...none, daily: 1 }, 'UTC');
    expect(keep.map(({ id }) => id.slice(0, 4))).toEqual(['2026', '2020', '2019']);
  });

  it('a good point whose place a bad one would have taken', () => {
    const points = [
      point('2026-11-23T20:00:00Z', { good: false }),
      point('2026-11-23T03:00:00Z'),
      point('2026-11-22T03:00:00Z'),
      point('2026-11-21T03:00:00Z'),
    ];
    expect(retain(points, { ...none, daily: 2 }, 'UTC')).toEqual({
      keep: [
        { id: '2026-11-23T20:00:00Z', reasons: ['daily'] },
        { id: '2026-11-23T03:00:00Z', reasons: ['newest good one', 'daily'] },
        { id: '2026-11-22T03:00:00Z', reasons: ['daily'] },
      ],
      remove: ['2026-11-21T03:00:00Z'],
    });
  });

  it('nothing of nothing', () => {
    expect(retain([], { hourly: 1, daily: 7, weekly: 4, monthly: 6 }, 'UTC')).toEqual({
      keep: [],
      remove: [],
    });
  });
});
