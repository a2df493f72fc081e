import {
  ActivityFailure,
  CancellationScope,
  TimeoutFailure,
  isCancellation,
  sleep,
} from '@temporalio/workflow';
import type { VisitorReport, WatchedVisitors } from '../../activities/contracts.ts';
import type { Json } from '../../domain/json.ts';
import { runActivity } from './activities.ts';
import type { Board } from './board.ts';
import { failure, isOutsideFailure } from './problems.ts';
import type { StepList } from './steps.ts';

/** The time before the next watch: this long when the last one ended as it should, more with each that broke. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

/** What the last heartbeat of a watch said: all that is left of one whose worker died. */
function lastHeartbeat(error: unknown): WatchedVisitors | null {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  const details = cause instanceof TimeoutFailure ? cause.lastHeartbeatDetails : undefined;
  if (typeof details !== 'object' || details === null || !('histogram' in details)) return null;
  return details as WatchedVisitors;
}

/** Whether the next watch may do better than one that broke. */
function mayPass(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.retryState !== 'NON_RETRYABLE_FAILURE' &&
    !isCancellation(error)
  );
}

/** A report as a step shows it: some of its failures say what they were like. */
export function shownReport({ failures, ...counts }: VisitorReport): Json {
  return { ...counts, failures: failures.slice(0, 3) };
}

/** What is told of a watch; its histogram is only for the next one. */
function reportOf(watched: WatchedVisitors): VisitorReport {
  const { requests, failed, p95Ms, from, to, failures } = watched;
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
  #seen: WatchedVisitors | null = null;

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
    try {
      await this.#steps.run(
        id,
        title,
        () => this.#scope.run(() => this.#untilCancelled(title)),
        () => this.#seen && shownReport(reportOf(this.#seen)),
      );
    } catch (error) {
      if (!isOutsideFailure(error)) throw error;
    }
    return this.#seen && reportOf(this.#seen);
  }

  async #untilCancelled(title: string): Promise<void> {
    let broken = 0;
    try {
      while (!this.#scope.consideredCancelled) {
        broken = (await this.#watchOnce(title)) ? 0 : broken + 1;
        const wait = Math.min(FIRST_WAIT_MS * 2 ** broken, LONGEST_WAIT_MS);
        await sleep(wait, { summary: 'Before watching again' });
      }
    } catch (error) {
      if (!isCancellation(error)) throw error;
    }
    if (this.#seen === null) {
      throw failure('Unavailable', 'The watch over visitors ended without having seen anything.');
    }
  }

  /** Returns whether it ended as it should; what it saw is kept also where it did not. */
  async #watchOnce(title: string): Promise<boolean> {
    const { site, status } = this.#board;
    const input = { site, operationId: status.workflowId, seen: this.#seen };
    try {
      this.#seen = await runActivity('watchVisitors', input, title);
      return true;
    } catch (error) {
      this.#seen = lastHeartbeat(error) ?? this.#seen;
      if (!mayPass(error)) throw error;
      return false;
    }
  }
}
