/** What was measured, as numbers that a noisy machine allows: medians with their spread. Pure. */
import { allowedRatio, tasks, type Side, type Task } from './settings.ts';

export interface Measurement {
  round: number;
  side: Side;
  task: Task;
  ms: number;
}

export interface Spread {
  median: number;
  min: number;
  max: number;
  /** Between which the middle half lies: what a round in which the machine stood still does not move. */
  quartiles: [number, number];
}

export interface Comparison {
  /** A task, or several together. */
  what: string;
  raw: Spread;
  presslift: Spread;
  /** Of the pairs of each round: both sides of a round met the machine in about the same state. */
  ratio: Spread;
  allowed: number;
  /** Null when the machine was too noisy: see `rawVariation`. */
  pass: boolean | null;
}

/** Memory of the process that orchestrates, in bytes. */
export interface MemoryUse {
  data: string;
  dataBytes: number;
  /** Resident before the first task and at the highest. */
  before: number;
  peak: number;
}

export interface Timing {
  what: string;
  ms: number;
  allowedMs: number;
  pass: boolean;
}

export interface BenchmarkReport {
  startedAt: string;
  machine: { cpus: number; memoryBytes: number; loadAverage: number };
  data: { files: number; fileBytes: number; databaseBytes: number };
  rounds: number;
  comparisons: Comparison[];
  memory: MemoryUse[];
  /** How much higher the peak is with all of the data than with a tenth; null when it was not measured. */
  memoryGrowthBytes: number | null;
  timings: Timing[];
  measurements: Measurement[];
}

/** @throws RangeError for no numbers: no data is no median. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) throw new RangeError('There is no spread of nothing');
  return {
    median: quantile(sorted, 0.5),
    min: sorted[0]!,
    max: sorted.at(-1)!,
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
  };
}

/** Between two neighbours it lies on the line from one to the other. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return below + (above - below) * (at - Math.floor(at));
}

/** Groups that are compared: what the roadmap promises first, then each task. */
const groups: Record<string, readonly Task[]> = {
  backup: ['back up files', 'back up database'],
  restore: ['restore files', 'restore database'],
  ...Object.fromEntries(tasks.map((task) => [task, [task]])),
};

/** Compares the sides over all rounds that both have finished. */
export function compare(measurements: readonly Measurement[]): Comparison[] {
  return Object.entries(groups).flatMap(([what, members]) => {
    const rounds = [...new Set(measurements.map(({ round }) => round))]
      .map((round) => ({
        raw: total(measurements, round, 'raw', members),
        presslift: total(measurements, round, 'presslift', members),
      }))
      .filter((pair): pair is { raw: number; presslift: number } => complete(pair));
    if (rounds.length === 0) return [];
    const ratio = spreadOf(rounds.map(({ raw, presslift }) => presslift / raw));
    const raw = spreadOf(rounds.map((one) => one.raw));
    return [
      {
        what,
        raw,
        presslift: spreadOf(rounds.map(({ presslift }) => presslift)),
        ratio,
        allowed: allowedRatio,
        pass: rawVariation(raw) > allowedRatio ? null : ratio.median <= allowedRatio,
      },
    ];
  });
}

/** Milliseconds of all members; null when one was not measured. */
function total(
  measurements: readonly Measurement[],
  round: number,
  side: Side,
  members: readonly Task[],
): number | null {
  let sum = 0;
  for (const task of members) {
    const found = measurements.find(
      (one) => one.round === round && one.side === side && one.task === task,
    );
    if (!found) return null;
    sum += found.ms;
  }
  return sum;
}

function complete(pair: { raw: number | null; presslift: number | null }): boolean {
  return pair.raw !== null && pair.presslift !== null;
}

/** Growth of the peak, as a median, from the smallest to the largest data; null without both. */
export function growthOf(memory: readonly MemoryUse[]): number | null {
  const sizes = memory.map(({ dataBytes }) => dataBytes).sort((a, b) => a - b);
  const [smallest, largest] = [sizes[0], sizes.at(-1)];
  if (smallest === undefined || largest === undefined || smallest === largest) return null;
  const peak = (size: number) =>
    spreadOf(memory.filter(({ dataBytes }) => dataBytes === size).map((one) => one.peak)).median;
  return peak(largest) - peak(smallest);
}

/**
 * How many times longer the slowest of the middle half of the raw pipeline's rounds took than the quickest; 1 is a quiet machine.
 * Where that is more than the margin which is measured, ratios decide nothing.
 */
export function rawVariation({ quartiles: [low, high] }: Spread): number {
  return high / low;
}

/** Status of the benchmark: 1 when something is slower than promised, 2 when the machine was too noisy to tell, else 0. */
export function statusOf(results: readonly { pass: boolean | null }[]): 0 | 1 | 2 {
  if (results.some(({ pass }) => pass === false)) return 1;
  return results.some(({ pass }) => pass === null) ? 2 : 0;
}

/** The report as a table for people. */
export function renderReport(report: BenchmarkReport): string {
  const { data, machine, rounds } = report;
  const lines = [
    `${data.files} files of ${megabytes(data.fileBytes)}, database of ${megabytes(data.databaseBytes)}; ` +
      `${rounds} rounds, ${machine.cpus} processors, load ${machine.loadAverage.toFixed(1)} at the start`,
    '',
    row(['', 'raw', 'presslift', 'ratio (of each round)', `allowed ${allowedRatio}`]),
    row(['---', '---', '---', '---', '---']),
    ...report.comparisons.map((one) =>
      row([
        one.what,
        seconds(one.raw),
        seconds(one.presslift),
        `${one.ratio.median.toFixed(2)} (${one.ratio.min.toFixed(2)}-${one.ratio.max.toFixed(2)})`,
        one.pass === null ? 'NO VERDICT' : one.pass ? 'yes' : 'NO',
      ]),
    ),
  ];
  const noisy = report.comparisons.filter(({ pass }) => pass === null);
  if (noisy.length > 0) {
    const variation = Math.max(...noisy.map(({ raw }) => rawVariation(raw)));
    lines.push(
      '',
      `The raw pipeline alone varied ${variation.toFixed(1)}-fold in the middle half of its rounds, more than the margin that ` +
        'is measured: ratios without verdict decide nothing. Measure again on a machine that does nothing else.',
    );
  }
  if (report.memory.length > 0) {
    lines.push('', row(['memory of the worker', 'data', 'before', 'peak', 'growth']));
    lines.push(row(['---', '---', '---', '---', '---']));
    for (const { data: name, dataBytes, before, peak } of report.memory) {
      lines.push(row([name, ...[dataBytes, before, peak, peak - before].map(megabytes)]));
    }
  }
  if (report.memoryGrowthBytes !== null) {
    lines.push(
      '',
      `Peak with all data over peak with a tenth: ${megabytes(report.memoryGrowthBytes)}`,
    );
  }
  if (report.timings.length > 0) {
    lines.push('', row(['whole operation', 'took', 'allowed', 'pass', '']));
    lines.push(row(['---', '---', '---', '---', '---']));
    for (const { what, ms, allowedMs, pass } of report.timings) {
      const took = `${(ms / 1_000).toFixed(1)} s`;
      lines.push(row([what, took, `${allowedMs / 1_000} s`, pass ? 'yes' : 'NO', '']));
    }
  }
  return `${lines.join('\n')}\n`;
}

const widths = [22, 22, 22, 24, 14];

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`;
}

function seconds({ median, min, max }: Spread): string {
  const text = (ms: number) => (ms / 1_000).toFixed(1);
  return `${text(median)} s (${text(min)}-${text(max)})`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_000_000)} MB`;
}
