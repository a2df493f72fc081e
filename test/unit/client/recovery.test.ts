/** Proves what a person reads of backups, drills, recovery points and schedules. That they are made is proved in test/workflows. */
import { describe, expect, test } from 'vitest';
import type { RunningActivity } from '../../../src/client/activities.ts';
import {
  activityLines,
  activityText,
  percentOf,
  progressText,
  type Said,
} from '../../../src/client/render/activities.ts';
import { renderDrill } from '../../../src/client/render/drill.ts';
import { renderPoints, renderRecovery } from '../../../src/client/render/recovery.ts';
import { renderReconciled, renderSchedules } from '../../../src/client/render/schedules.ts';
import { countText, sizeText } from '../../../src/client/render/size.ts';
import { renderStatus } from '../../../src/client/render/status.ts';
import { renderTable } from '../../../src/client/render/table.ts';
import { calendarOf } from '../../../src/client/schedule-facts.ts';
import type { ScheduleView } from '../../../src/client/schedules.ts';
import { plainPaint } from '../../../src/client/terminal.ts';
import type { DrillReport, RecoveryPointSummary } from '../../../src/domain/recovery/point.ts';
import { progressOf, type Progress } from '../../../src/domain/recovery/progress.ts';
import { gate, status } from './support.ts';

const now = new Date('2026-03-01T12:01:00.000Z');

test.each([
  [0, '0 B'],
  [1, '1 B'],
  [1_023, '1023 B'],
  [1_024, '1.0 KiB'],
  [1_048_575, '1024 KiB'],
  [1_572_864, '1.5 MiB'],
  [500 * 1_048_576, '500 MiB'],
  [1_073_741_824, '1.0 GiB'],
  [5e15, '4547 TiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

test('counts have separated thousands', () => {
  expect(countText(1_234_567)).toBe('1,234,567');
});

test('columns are as wide as their longest cell', () => {
  expect(
    renderTable([
      ['a', 'long', 'x'],
      ['longer', 'b'],
    ]),
  ).toBe('a       long  x\nlonger  b');
});

const none: Progress = {
  files: null,
  totalFiles: null,
  bytes: null,
  totalBytes: null,
  secondsRemaining: null,
};

describe('progress', () => {
  test.each<[Partial<Progress>, string, number | null]>([
    [{ files: 3 }, '3 files', null],
    [{ files: 5, totalFiles: 20 }, '5 of 20 files, 25 %', 25],
    [{ bytes: 2_048 }, '2.0 KiB', null],
    [
      { bytes: 999, totalBytes: 1_000, files: 1, totalFiles: 4 },
      '1 of 4 files, 999 B of 1000 B, 99 %',
      99,
    ],
    [{ bytes: 2_000, totalBytes: 1_000 }, '2.0 KiB of 1000 B, 100 %', 100],
    [{ bytes: 0, totalBytes: 0 }, '0 B of 0 B', null],
    [{ bytes: 1, secondsRemaining: 0.2 }, '1 B, about 1 s left', null],
    [{ bytes: 1, secondsRemaining: 125 }, '1 B, about 2 min 5 s left', null],
  ])('%j is %j', (part, text, percent) => {
    expect(progressText({ ...none, ...part })).toBe(text);
    expect(percentOf({ ...none, ...part })).toBe(percent);
  });

  test.each([
    [undefined],
    [null],
    [42],
    ['text'],
    [{ requests: 7 }],
    [{ progress: null }],
    [{ progress: { files: 'many', bytes: -1, totalBytes: NaN } }],
  ])('is not in %j', (details) => {
    expect(progressOf(details)).toBeNull();
  });

  test('is what of it are numbers', () => {
    expect(progressOf({ progress: { files: 3, bytes: 'x', more: 1 } })).toEqual({
      ...none,
      files: 3,
    });
  });
});

function activity(extra: Partial<RunningActivity> = {}): RunningActivity {
  return {
    workflowId: 'acme/backup/1',
    type: 'backUpFiles',
    attempt: 1,
    since: '2026-03-01T12:00:00.000Z',
    progress: { ...none, files: 3 },
    lastFailure: null,
    ...extra,
  };
}

describe('a running activity', () => {
  const text = (one: RunningActivity) => activityText(one, now, plainPaint);

  test('tells its progress, its attempt and why the one before failed', () => {
    expect(text(activity())).toBe('backUpFiles, 1 min 0 s: 3 files');
    expect(text(activity({ progress: null }))).toBeNull();
    expect(
      text(activity({ progress: null, attempt: 3, since: null, lastFailure: 'no\nroom' })),
    ).toBe('backUpFiles, waits: attempt 3, before: no room');
  });

  test('stands in the status between steps and gates', () => {
    const shown = renderStatus(
      {
        ...status({ gates: [gate({ body: '**12 orders** would be lost.' })] }),
        activities: [activity()],
      },
      now,
      plainPaint,
    );
    expect(shown).toMatch(/backUpFiles[^]*Gate apply open[^]*\*\*12 orders\*\* would be lost\./);
  });

  test('is told again only with news, and not every moment', () => {
    const said: Said = new Map();
    const at = (seconds: number) => new Date(now.getTime() + seconds * 1_000);
    const more = (files: number) => [activity({ progress: { ...none, files } })];
    expect(activityLines(more(3), said, at(0))).toHaveLength(1);
    expect(activityLines(more(4), said, at(2))).toEqual([]);
    expect(activityLines(more(3), said, at(6))).toEqual([]);
    expect(activityLines(more(9), said, at(7))).toEqual([
      'acme/backup/1  backUpFiles, 1 min 7 s: 9 files',
    ]);
  });
});

const report: DrillReport = {
  schema: 1,
  site: 'acme',
  drill: 'd-2',
  point: 'p-1',
  pass: false,
  startedAt: '2026-03-01T11:00:00.000Z',
  endedAt: '2026-03-01T11:02:00.000Z',
  rtoMs: 65_000,
  rpoMs: 12_000,
  targets: { rtoMs: 60_000, rpoMs: 86_400_000 },
  stages: [
    { id: 'a', title: 'Restore the files', startedAt: '', ms: 40_000, countsForRto: true },
    { id: 'b', title: 'Check every page', startedAt: '', ms: 9_000, countsForRto: false },
  ],
  criteria: [
    { id: 'x', title: 'Every file', measured: 3, target: 3, pass: true, evidence: null },
    { id: 'y', title: 'Every table', measured: null, target: 12, pass: false, evidence: null },
  ],
  trend: [
    { drill: 'd-1', at: '2026-02-22T11:00:00.000Z', pass: true, rtoMs: 50_000, rpoMs: 9_000 },
    { drill: 'd-2', at: '2026-03-01T11:00:00.000Z', pass: false, rtoMs: 65_000, rpoMs: 12_000 },
  ],
};

test('a drill shows both times with their targets, its stages, what was not met, and the trend', () => {
  expect(renderDrill(report, plainPaint).split('\n')).toEqual([
    'Drill d-2 of p-1 failed, 2026-03-01 11:02:00Z',
    '  recovery time 1 min 5 s (target 1 min 0 s)',
    '  age of the copy 12 s (target 1 d 0 h)',
    '  Restore the files  40 s',
    '  Check every page   9.0 s  not part of the recovery time',
    '  1 of 2 criteria met',
    '  ✗ Every table: no data, wanted 12',
    '  the last drills',
    '    2026-02-22 11:00:00Z  passed  recovery time 50 s       age 9.0 s',
    '    2026-03-01 11:00:00Z  failed  recovery time 1 min 5 s  age 12 s',
  ]);
});

test('recovery points show their age, size, and why one must not be relied on', () => {
  const good: RecoveryPointSummary = {
    id: 'p-2',
    takenAt: '2026-03-01T03:00:00.000Z',
    reason: 'scheduled',
    files: 20_000,
    bytes: 1_073_741_824,
    tables: 12,
    rows: 34_567,
    missing: [],
    state: {
      pinned: { by: 'alice', at: '', reason: 'before the sale' },
      bad: null,
      proved: { at: '2026-03-01T05:00:00.000Z', drill: 'd', rtoMs: 65_000 },
    },
    error: null,
  };
  const bad = {
    ...good,
    id: 'p-1',
    files: null,
    missing: ['the database'],
    state: {
      pinned: null,
      proved: null,
      bad: { at: '2026-03-01T05:00:00.000Z', by: 'd', findings: ['a file is missing', 'stale'] },
    },
    error: 'the signature is wrong',
  };
  expect(renderPoints([good, bad], now, plainPaint).split('\n')).toEqual([
    'id   age        why        files   size     tables  rows    state',
    'p-2  9 h 1 min  scheduled  20,000  1.0 GiB  12      34,567  ' +
      'pinned by alice (before the sale); restored in 1 min 5 s on 2026-03-01 05:00:00Z',
    'p-1  9 h 1 min  scheduled  -       1.0 GiB  12      34,567  ' +
      'NOT USABLE: the signature is wrong; BAD since 2026-03-01 05:00:00Z: a file is missing; stale; ' +
      'does not hold: the database',
  ]);
  expect(renderPoints([], now, plainPaint)).toContain('presslift backup');
});

test('the newest operations of recovery stand in one line each', () => {
  const drill = status({ operation: 'restoreDrill', state: 'failed', criteria: report.criteria });
  expect(renderRecovery([drill], plainPaint)).toContain('1 of 2 criteria not met');
});

describe('schedules', () => {
  const view: ScheduleView = {
    name: 'drill',
    id: 'acme/drill',
    exists: true,
    cron: '0 5 * * 1',
    timeZone: 'UTC',
    paused: false,
    note: null,
    next: ['2026-03-02T05:00:00.000Z'],
    recent: [],
    running: ['acme/drill/scheduled-2026-03-01T05:00:00Z'],
    missed: 2,
    skipped: 1,
    differences: [{ what: 'times', from: '0 5 * * 1', to: '0 6 * * 1' }],
    leftOut: null,
  };

  test('say when they start next, what went wrong and what the site file wants', () => {
    expect(renderSchedules('acme', [view], plainPaint)).toBe(
      [
        'acme/drill 0 5 * * 1 UTC',
        '  next 2026-03-02 05:00:00Z',
        '  runs now: acme/drill/scheduled-2026-03-01T05:00:00Z',
        '  2 missed while Temporal was away',
        '  1 left out because one ran still',
        '  not as the site file wants it; `apply` changes',
        '    times: 0 5 * * 1 → 0 6 * * 1',
      ].join('\n'),
    );
  });

  test('that are not there say how to make them, or why there is none', () => {
    const absent = { ...view, exists: false };
    expect(renderSchedules('acme', [absent], plainPaint)).toContain(
      'presslift schedules acme apply',
    );
    const leftOut = { ...absent, leftOut: 'no password' };
    expect(renderSchedules('acme', [leftOut], plainPaint)).toBe(
      'acme/drill is not there: no password',
    );
  });

  test('that are paused stay so, and apply says it', () => {
    const done = { name: 'drill' as const, id: 'acme/drill', changes: [], why: null };
    expect(renderReconciled([{ ...done, did: 'unchanged', paused: true }], plainPaint)).toBe(
      'acme/drill unchanged\n  it is paused, and stays so',
    );
  });

  test('have calendars with the expression as their comment', () => {
    expect(calendarOf('5 3 * JAN 7')).toMatchObject({
      minute: [5],
      hour: [3],
      month: ['JANUARY'],
      dayOfWeek: ['SUNDAY'],
      comment: '5 3 * JAN 7',
    });
  });
});
