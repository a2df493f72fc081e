/** The report of a drill: what counts as recovery time, that nothing unmeasured passes, and what people read. No cluster. */
import { describe, expect, test } from 'vitest';
import type { CriterionResult } from '../../../src/domain/criterion.ts';
import {
  completeCriteria,
  criterionOfFailure,
  drillCriteria,
  drillCriterion,
  isUnmeasured,
  mergeCriteria,
  notMeasured,
  type DrillCriterion,
} from '../../../src/domain/recovery/drill-criteria.ts';
import { chart, drillHtml } from '../../../src/domain/recovery/drill-html.ts';
import { drillMarkdown } from '../../../src/domain/recovery/drill-markdown.ts';
import {
  badFindings,
  buildDrillReport,
  drillStage,
  recoveryTimeMs,
  trendLength,
} from '../../../src/domain/recovery/drill-report.ts';
import type { DrillReport, DrillStage } from '../../../src/domain/recovery/point.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

const site = acme();
const start = Date.parse('2026-11-23T18:00:00Z');
const seconds = (from: number, to: number) => [start + from * 1000, start + to * 1000] as const;

const stages: DrillStage[] = [
  drillStage('repository', ...seconds(1, 9)),
  drillStage('volumes', ...seconds(1, 2)),
  drillStage('files', ...seconds(2, 12)),
  drillStage('database', ...seconds(1, 7)),
  drillStage('start', ...seconds(14, 20)),
  drillStage('host', ...seconds(20, 21)),
];

const measured = (Object.keys(drillCriteria) as DrillCriterion[]).filter(
  (id) => !['place', 'rto', 'rpo'].includes(id),
);
const passing: CriterionResult[] = measured.map((id) =>
  drillCriterion(id, { pass: true, measured: 0, target: 0 }),
);

const report = (change: Partial<Parameters<typeof buildDrillReport>[1]> = {}): DrillReport =>
  buildDrillReport(site, {
    drill: '20261123T180000Z-acme-drill',
    point: '20261123T175900Z-acme-backup',
    startedAt: new Date(start).toISOString(),
    endedAt: new Date(start + 40_000).toISOString(),
    takenAt: new Date(start - 60_000).toISOString(),
    criteria: passing,
    stages,
    earlier: [],
    ...change,
  });

describe('recovery time', () => {
  test('is the time in which a stage that counts was under way: overlaps once, gaps not at all', () => {
    // 1 to 12 for volumes, files and database together, 14 to 20 for the start.
    expect(recoveryTimeMs(stages)).toBe(17_000);
  });

  test('a stage inside of another adds nothing', () => {
    const inner = [
      drillStage('files', ...seconds(0, 10)),
      drillStage('database', ...seconds(3, 4)),
    ];
    expect(recoveryTimeMs(inner)).toBe(10_000);
  });

  test('checks and the change of host do not count', () => {
    const only = [
      drillStage('repository', ...seconds(0, 10)),
      drillStage('host', ...seconds(3, 4)),
    ];
    expect(recoveryTimeMs(only)).toBe(0);
  });
});

describe('a report', () => {
  test('passes when every criterion passes', () => {
    const { pass, criteria, rtoMs, rpoMs, targets } = report();
    expect(criteria.filter((one) => !one.pass)).toEqual([]);
    expect(pass).toBe(true);
    expect(rtoMs).toBe(17_000);
    // From when the point was taken to the first stage of the restore.
    expect(rpoMs).toBe(61_000);
    expect(targets).toEqual({ rtoMs: 300_000, rpoMs: 86_400_000 });
  });

  test.each(measured)('does not pass without %s', (id) => {
    const { pass, criteria } = report({ criteria: passing.filter((one) => one.id !== id) });
    expect(pass).toBe(false);
    expect(criteria.filter((one) => !one.pass).map((one) => one.id)).toEqual([id]);
  });

  const good = drillCriterion('wrong-site', { pass: true, measured: 'acme', target: 'acme' });
  const unmeasured = notMeasured('wrong-site', 'no table');
  const seen = drillCriterion('wrong-site', { pass: false, measured: 'other', target: 'acme' });
  test.each([
    ['seen before good', [seen, good], seen],
    ['good before seen', [good, seen], seen],
    ['unmeasured before good', [unmeasured, good], unmeasured],
    ['good before unmeasured', [good, unmeasured], unmeasured],
    ['unmeasured before seen', [unmeasured, seen], seen],
    ['seen before unmeasured', [seen, unmeasured], seen],
  ])('of two results of a criterion the graver counts: %s', (_, found, counts) => {
    expect(completeCriteria(found).find(({ id }) => id === 'wrong-site')).toEqual(counts);
    const known: CriterionResult[] = [];
    for (const one of found) mergeCriteria(known, [one]);
    expect(known).toEqual([counts]);
  });

  test('too slow a restore fails, and the point is not to blame', () => {
    const slow = [...stages, drillStage('start', ...seconds(20, 400))];
    const found = report({ stages: slow });
    expect(found.criteria.filter((one) => !one.pass).map(({ id }) => id)).toEqual(['rto']);
    expect(badFindings(found)).toEqual([]);
  });

  test('a restore that broke off early was not fast', () => {
    const found = report({ stages: stages.filter(({ id }) => id !== 'start') });
    expect(found.criteria.find(({ id }) => id === 'rto')).toMatchObject({
      pass: false,
      measured: null,
    });
  });

  test('too old a point fails', () => {
    const found = report({ takenAt: new Date(start - 2 * 86_400_000).toISOString() });
    expect(found.criteria.filter((one) => !one.pass).map(({ id }) => id)).toEqual(['rpo']);
  });

  test('a point that the drill itself took after its start has lost nothing', () => {
    expect(report({ takenAt: new Date(start + 5_000).toISOString() }).rpoMs).toBe(0);
  });

  test('without a point nothing was measured', () => {
    const found = report({ point: null, takenAt: null, criteria: [], stages: [] });
    expect(found.pass).toBe(false);
    expect(found.criteria.every((one) => !one.pass)).toBe(true);
    expect(badFindings(found)).toEqual([]);
  });

  test('without a place it says what the stage said that was to make one', () => {
    const stage = {
      ...{ id: 'stage-open', title: 'Open', measured: null, target: 'done', pass: false },
      evidence: 'Name a class as drill.storageClass.',
    };
    const found = report({ point: 'p', takenAt: null, criteria: [stage], stages: [] });
    expect(found.criteria.find(({ id }) => id === 'place')).toEqual(
      notMeasured('place', 'Name a class as drill.storageClass.'),
    );
  });

  test('only what was seen makes a point bad', () => {
    const criteria = [
      ...passing.filter(({ id }) => !['rows', 'image', 'boot', 'sealed'].includes(id)),
      drillCriterion('rows', { pass: false, measured: 1, target: 0 }),
      drillCriterion('sealed', { pass: false, measured: 'sent', target: 'kept' }),
      notMeasured('image', 'the database was not usable'),
      {
        id: 'stage-boot',
        title: 'Boot',
        measured: null,
        target: 'done',
        pass: false,
        evidence: 'x',
      },
    ];
    expect(badFindings(report({ criteria }))).toEqual(['rows']);
  });

  test('shows the last drills, the newest last, and itself once', () => {
    const earlier = Array.from({ length: 20 }, (_, at) => ({
      ...report(),
      drill: `drill-${at}`,
      rtoMs: at,
    }));
    const { trend } = report({ earlier: [...earlier, report()] });
    expect(trend).toHaveLength(trendLength);
    expect(trend.at(-1)).toMatchObject({ drill: '20261123T180000Z-acme-drill', pass: true });
    expect(trend.at(-2)).toMatchObject({ drill: 'drill-19', rtoMs: 19 });
  });
});

test.each([
  ['CatalogueTampered', 'catalogue'],
  ['InvalidInput', 'wrong-site'],
  ['NotFound', 'half-finished'],
  ['Unauthorized', 'repository-keys'],
  ['RepositoryRefused', 'repository-keys'],
  ['PreconditionFailed', 'place'],
  ['Unexpected', 'place'],
])('a drill that cannot begin because of %s says %s', (type, id) => {
  expect(criterionOfFailure(type, 'words')).toMatchObject({
    id,
    pass: false,
    evidence: { failure: 'words' },
  });
});

describe('what people read', () => {
  const bad = report({
    criteria: [
      ...passing.filter(({ id }) => id !== 'missing-table' && id !== 'boot'),
      drillCriterion('missing-table', {
        pass: false,
        measured: 1,
        target: 0,
        evidence: { names: ['wp_a|b', '<script>alert(1)</script>'] },
      }),
      notMeasured('boot', 'the files were not usable'),
    ],
  });

  test('Markdown says first what is wrong, with numbers, and apart from it what was not measured', () => {
    const text = drillMarkdown(bad);
    expect(text).toContain('# Restore drill of acme: failed');
    const wrong = text.slice(text.indexOf('## What is wrong'), text.indexOf('## What could not'));
    expect(wrong).toContain('**missing-table**');
    expect(wrong).toContain('Measured 1, target 0.');
    expect(wrong).not.toContain('**boot**');
    expect(text).toContain('**boot**: {"notMeasured":"the files were not usable"}');
    expect(text).toContain('| Recovery time (RTO) | 17.0 s | at most 5 minutes |');
  });

  test('names from a database stay text in both', () => {
    expect(drillMarkdown(bad)).not.toContain('<script>');
    expect(drillMarkdown(bad)).toContain('wp_a\\|b');
    expect(drillHtml(bad)).not.toContain('<script>');
    expect(drillHtml(bad)).toContain('&lt;script&gt;');
  });

  test('the page asks nothing of other hosts', () => {
    const page = drillHtml(report());
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/(src|href)=|https?:\/\/|@import/);
  });

  test('the chart has a point for each drill, hollow for a failed one, and the target where it fits', () => {
    const trend = [
      { drill: 'a', at: '2026-11-01T00:00:00Z', pass: true, rtoMs: 20_000, rpoMs: 1 },
      { drill: 'b', at: '2026-11-08T00:00:00Z', pass: false, rtoMs: 40_000, rpoMs: 1 },
      { drill: 'c', at: '2026-11-15T00:00:00Z', pass: true, rtoMs: 30_000, rpoMs: 1 },
    ];
    const near = chart('RTO', trend, 'rtoMs', 60_000);
    expect(near.match(/class="good"/g)).toHaveLength(2);
    expect(near.match(/class="bad"/g)).toHaveLength(1);
    expect(near).toContain('class="target"');
    expect(near).not.toMatch(/NaN|Infinity|undefined/);
    const [low = 0, high = 0] = [...near.matchAll(/cy="([\d.]+)"/g)].map(([, y]) => Number(y));
    expect(high).toBeLessThan(low);
    expect(chart('RTO', trend, 'rtoMs', 3_600_000)).not.toContain('class="target"');
    for (const few of [trend.slice(0, 1), []]) {
      expect(chart('RTO', few, 'rtoMs', 60_000)).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  test('what was not measured is told from what was seen', () => {
    expect(isUnmeasured(notMeasured('boot', 'x'))).toBe(true);
    expect(
      isUnmeasured(drillCriterion('boot', { pass: false, measured: 'crashes', target: 'ready' })),
    ).toBe(false);
  });
});
