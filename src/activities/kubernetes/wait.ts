import { ApplicationFailure } from '@temporalio/common';
import type { FailureType } from '../../domain/failures.ts';
import { heartbeat, pause } from '../activity-context.ts';
import { failure } from '../failure.ts';

export interface WaitOptions<T> {
  /** What is waited for, as it follows "waiting until": `2 new pods are ready`. */
  what: string;
  timeoutMs: number;
  /** Default 1,000. */
  intervalMs?: number;
  /** The value when it is there, or a sentence about what is still missing. Throws to end the wait. */
  check: () => Promise<{ done: T } | { missing: string }>;
  /** Failure type at the time-out; default Unavailable, which Temporal tries again. */
  onTimeout?: FailureType;
}

/**
 * Asks again and again until the condition holds. Every round is a heartbeat with what is still missing; a cancelled
 * activity ends at once; an answer that the API server could not give counts as "not yet", so that a short outage of it
 * does not fail a long wait.
 */
export async function waitUntil<T>(options: WaitOptions<T>): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  let missing = 'nothing seen yet';
  for (;;) {
    try {
      const answer = await options.check();
      if ('done' in answer) return answer.done;
      missing = answer.missing;
    } catch (error) {
      if (!isPassing(error)) throw error;
      missing = (error as Error).message;
    }
    heartbeat({ waitingFor: options.what, missing });
    if (Date.now() >= deadline) {
      throw failure(
        options.onTimeout ?? 'Unavailable',
        `Gave up after ${Math.round(options.timeoutMs / 1000)} s of waiting until ${options.what}: ${missing}`,
      );
    }
    await pause(options.intervalMs ?? 1_000);
  }
}

/** Sleeps while heartbeating. */
export async function pauseWithHeartbeat(ms: number, what: string): Promise<void> {
  const end = Date.now() + ms;
  for (let left = ms; left > 0; left = end - Date.now()) {
    heartbeat({ waitingFor: what, leftMs: left });
    await pause(Math.min(left, 2_000));
  }
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof ApplicationFailure &&
    (error.type === 'Unavailable' || error.type === 'RateLimited' || error.type === 'Conflict')
  );
}
