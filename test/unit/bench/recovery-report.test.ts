import { describe, expect, it } from 'vitest';
import {
  compare,
  growthOf,
  rawVariation,
  renderReport,
  spreadOf,
  statusOf,
  type BenchmarkReport,
  type Measurement,
} from '../../../bench/recovery/report.ts';
import { dataSet, tasks } from '../../../bench/recovery/settings.ts';

const round = (number: number, raw: number, presslift: number): Measurement[] =>
  tasks.flatMap((task) => [
    { round: number, side: 'raw' as const, task, ms: raw },
    { round: number, side: 'presslift' as const, task, ms: presslift },
  ]);

describe('the spread of measurements', () => {
  it.each([
    [[3], { median: 3, min: 3, max: 3, quartiles: [3, 3] }],
    [[9, 1, 2], { median: 2, min: 1, max: 9, quartiles: [1.5, 5.5] }],
    [[4, 1, 2, 3], { median: 2.5, min: 1, max: 4, quartiles: [1.75, 3.25] }],
  ])('of %j is %j', (values, spread) => {
    expect(spreadOf(values)).toEqual(spread);
  });

  it('is refused without any', () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});

describe('the comparison', () => {
  it('takes the median of each round’s ratio, so that one bad round does not decide', () => {
    const all = [...round(1, 100, 110), ...round(2, 100, 300), ...round(3, 110, 110)];
    const [backup] = compare(all);
    expect(backup).toMatchObject({
      what: 'backup',
      ratio: { median: 1.1, min: 1, max: 3 },
      raw: { median: 200 },
      pass: true,
    });
  });

  it('fails above what is allowed, and passes at it', () => {
    expect(compare(round(1, 100, 115)).every(({ pass }) => pass)).toBe(true);
    expect(compare(round(1, 100, 116)).some(({ pass }) => pass)).toBe(false);
  });

  it('compares only rounds that both sides finished', () => {
    const broken = round(2, 100, 900).filter(
      ({ side, task }) => side === 'raw' || task !== 'restore files',
    );
    const found = compare([...round(1, 100, 100), ...broken]);
    expect(found.find(({ what }) => what === 'restore')?.ratio.max).toBe(1);
    expect(found.find(({ what }) => what === 'backup')?.ratio.max).toBe(9);
    expect(compare([])).toEqual([]);
  });
});

describe('the growth of memory', () => {
  const use = (dataBytes: number, peak: number) => ({ data: '', dataBytes, before: 1, peak });
  it('is that of the median peak, from the least to the most data', () => {
    expect(growthOf([use(10, 100), use(100, 130), use(100, 900), use(100, 120)])).toBe(30);
  });
  it('is unknown for one size', () => {
    expect(growthOf([use(10, 100), use(10, 200)])).toBeNull();
    expect(growthOf([])).toBeNull();
  });
});

it('the data is what the promise is about', () => {
  expect(dataSet('whole', 1)).toMatchObject({
    ...{ files: 20_000, fileBytes: 1_000_000_000, databaseBytes: 500_000_000 },
  });
});

it('the table says what passed and what did not', () => {
  const report: BenchmarkReport = {
    startedAt: '2026-11-23T18:00:00Z',
    machine: { cpus: 2, memoryBytes: 8e9, loadAverage: 1.25 },
    data: { files: 20_000, fileBytes: 1e9, databaseBytes: 5e8 },
    rounds: 1,
    comparisons: compare([
      ...round(1, 1_000, 1_100).filter(({ task }) => task.startsWith('back up')),
      ...round(1, 1_000, 2_000).filter(({ task }) => task.startsWith('restore')),
    ]),
    memory: [{ data: 'whole', dataBytes: 15e8, before: 1e8, peak: 12e7 }],
    memoryGrowthBytes: 2e6,
    timings: [{ what: 'restoreDrill', ms: 61_000, allowedMs: 90_000, pass: true }],
    measurements: [],
  };
  const lines = renderReport(report).split('\n');
  const line = (start: string) => lines.find((one) => one.startsWith(`| ${start} `));
  expect(line('backup')).toMatch(/1\.10 \(1\.10-1\.10\).*\| yes/);
  expect(line('restore')).toMatch(/2\.00 \(2\.00-2\.00\).*\| NO/);
  expect(line('restoreDrill')).toMatch(/61\.0 s.*90 s.*yes/);
  expect(line('whole')).toMatch(/1500 MB.*100 MB.*120 MB.*20 MB/);
  expect(renderReport(report)).not.toContain('decide nothing');
  expect(lines).toContain('Peak with all data over peak with a tenth: 2 MB');
});

it('the table says when the machine was too noisy for a verdict', () => {
  const comparisons = compare([...round(1, 100, 110), ...round(2, 350, 385)]);
  expect(comparisons.map(({ pass }) => pass)).toEqual(comparisons.map(() => null));
  const report: BenchmarkReport = {
    startedAt: '2026-11-23T18:00:00Z',
    machine: { cpus: 2, memoryBytes: 8e9, loadAverage: 20 },
    data: { files: 20_000, fileBytes: 1e9, databaseBytes: 5e8 },
    ...{ rounds: 2, comparisons, memory: [], memoryGrowthBytes: null, timings: [] },
    measurements: [],
  };
  expect(renderReport(report)).toMatch(/NO VERDICT[^]*alone varied 1\.8-fold/);
});

it('one round in which the machine stood still takes no verdict away', () => {
  const quiet = [1, 2, 3, 4, 5].flatMap((number) => round(number, 100, 110));
  const [backup] = compare([...quiet, ...round(6, 900, 110)]);
  expect(backup).toMatchObject({ pass: true, ratio: { median: 1.1 } });
  expect(backup && rawVariation(backup.raw)).toBe(1);
});

it.each([
  [[true, true], 0],
  [[true, null], 2],
  [[null, false], 1],
] as const)('results %j end with status %i', (results, status) => {
  expect(statusOf(results.map((pass) => ({ pass })))).toBe(status);
});
