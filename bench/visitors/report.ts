/** What visitors met before, during and after a migration, as numbers that a noisy machine allows. Pure. */
import type { VisitorSummary } from '../../test/e2e/support/visitors.ts';

/** What the roadmap promises: p95 while a migration is under way, in terms of p95 without. */
export const allowedRatio = 2;

/** Where the machine alone differs by more between before and after, a ratio says nothing. */
const mostDrift = 1.5;

export interface VisitorComparison {
  before: VisitorSummary;
  during: VisitorSummary;
  after: VisitorSummary;
  /** p95 during over the mean of those before and after. */
  ratio: number;
  /** p95 before and after, the larger over the smaller. */
  drift: number;
  /** Requests that failed or lost a session, of all three. */
  lost: number;
  /** Null when the machine was too noisy to tell. */
  pass: boolean | null;
}

/** @throws Error when one of them has no p95: visitors that made no request prove nothing. */
export function compareVisitors(
  before: VisitorSummary,
  during: VisitorSummary,
  after: VisitorSummary,
): VisitorComparison {
  const [first, last] = [p95Of(before), p95Of(after)];
  const ratio = p95Of(during) / ((first + last) / 2);
  const drift = Math.max(first, last) / Math.min(first, last);
  const lost = [before, during, after].reduce(
    (sum, { failed, sessionLost }) => sum + failed + sessionLost,
    0,
  );
  return { before, during, after, ratio, drift, lost, pass: verdictOf(ratio, drift, lost) };
}

function verdictOf(ratio: number, drift: number, lost: number): boolean | null {
  if (lost > 0) return false;
  return drift > mostDrift ? null : ratio <= allowedRatio;
}

function p95Of({ p95Ms }: VisitorSummary): number {
  if (p95Ms === null || p95Ms <= 0) throw new Error('Visitors have measured nothing');
  return p95Ms;
}

/** The comparison as lines for people. */
export function renderComparison(comparison: VisitorComparison): string {
  const line = (name: string, { requests, failed, p95Ms, p99Ms }: VisitorSummary) =>
    `| ${name.padEnd(6)} | ${String(requests).padStart(8)} | ${String(failed).padStart(6)} | ` +
    `${milliseconds(p95Ms).padStart(9)} | ${milliseconds(p99Ms).padStart(9)} |`;
  const { before, during, after, ratio, drift, pass } = comparison;
  const verdict = pass === null ? 'NO VERDICT' : pass ? 'yes' : 'NO';
  return [
    '|        | requests | failed |       p95 |       p99 |',
    '| ------ | -------- | ------ | --------- | --------- |',
    line('before', before),
    line('during', during),
    line('after', after),
    '',
    `p95 during over before and after: ${ratio.toFixed(2)}, allowed ${allowedRatio}: ${verdict}`,
    ...(drift > mostDrift
      ? [
          `p95 before and after differ ${drift.toFixed(1)}-fold: measure again on a machine that does nothing else.`,
        ]
      : []),
    '',
  ].join('\n');
}

const milliseconds = (value: number | null) => (value === null ? '-' : `${Math.round(value)} ms`);
