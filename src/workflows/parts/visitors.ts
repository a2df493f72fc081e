import {
  ActivityFailure,
  CancellationScope,
  TimeoutFailure,
  isCancellation,
  sleep,
} from '@temporalio/workflow';
import type { VisitorReport } from '../../activities/contracts.ts';
import { runActivity } from './activities.ts';
import type { Board } from './board.ts';
import { failure, isOutsideFailure } from './problems.ts';
import type { StepList } from './steps.ts';

/** An attempt that ended early (its worker shut down, say) is followed by the next after this time. */
const BEFORE_NEXT_MS = 2_000;

/** Two reports of one watch as one. The percentile of both cannot be known, so it is the worse one. */
export function mergeReports(first: VisitorReport | null, second: VisitorReport): VisitorReport {
  if (first === null) return second;
  const percentiles = [first.p95Ms, second.p95Ms].filter((value) => value !== null);
  return {
    requests: first.requests + second.requests,
    failed: first.failed + second.failed,
    p95Ms: percentiles.length === 0 ? null : Math.max(...percentiles),
    from: first.from,
    to: second.to,
    failures: [...first.failures, ...second.failures].slice(0, 20),
  };
}

/**
 * What the last heartbeat of a watch said. A watch whose worker dies just when it is ended is not tried again, and this
 * is all that is left of it.
 */
function lastReport(error: unknown): VisitorReport | null {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  const details = cause instanceof TimeoutFailure ? cause.lastHeartbeatDetails : undefined;
  if (typeof details !== 'object' || details === null || !('requests' in details)) return null;
  const { requests, failed, p95Ms, from, to, failures } = details as VisitorReport;
  return { requests, failed, p95Ms, from, to, failures };
}

/**
 * The watch over visitors that runs beside the changes. It ends by being cancelled and then reports; a watch that
 * breaks does not stop the changes, but leaves no report, and verification counts no data as a fail.
 */
export class VisitorWatch {
  readonly #board: Board;
  readonly #steps: StepList;
  readonly #scope = new CancellationScope();
  readonly #watching: Promise<VisitorReport | null>;

  /** Starts the watch. */
  constructor(board: Board, steps: StepList, step: { id: string; title: string }) {
    this.#board = board;
    this.#steps = steps;
    this.#watching = this.#watch(step);
  }

  /** Ends the watch and returns what it saw, or null when it saw nothing. */
  async end(): Promise<VisitorReport | null> {
    this.#scope.cancel();
    return this.#watching;
  }

  async #watch({ id, title }: { id: string; title: string }): Promise<VisitorReport | null> {
    const seen: { report: VisitorReport | null } = { report: null };
    try {
      await this.#steps.run(
        id,
        title,
        () => this.#scope.run(() => this.#untilCancelled(title, seen)),
        () => seen.report && { ...seen.report, failures: seen.report.failures.slice(0, 3) },
      );
    } catch (error) {
      if (!isOutsideFailure(error)) throw error;
    }
    return seen.report;
  }

  async #untilCancelled(title: string, seen: { report: VisitorReport | null }): Promise<void> {
    const input = { site: this.#board.site, operationId: this.#board.status.workflowId };
    const over = () => this.#scope.consideredCancelled;
    try {
      while (!over()) {
        seen.report = mergeReports(seen.report, await runActivity('watchVisitors', input, title));
        if (!over()) await sleep(BEFORE_NEXT_MS, { summary: 'Before watching again' });
      }
    } catch (error) {
      const last = lastReport(error);
      if (last !== null) seen.report = mergeReports(seen.report, last);
      else if (!isCancellation(error)) throw error;
      if (seen.report === null) {
        throw failure('Unavailable', 'The watch over visitors ended without having seen anything.');
      }
    }
  }
}
