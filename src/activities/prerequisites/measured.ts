import { activityInfo, asyncLocalStorage } from '@temporalio/activity';
import { failures } from '../../domain/failures.ts';
import type { Measured } from '../../domain/prerequisite-facts.ts';
import { heartbeat } from '../activity-context.ts';
import { failureTypeOf } from '../failure.ts';

/** Attempts in which a passing trouble of the other side is left to Temporal's retries. */
const PATIENT_ATTEMPTS = 3;

/** Number of this attempt, 1 for the first; 1 outside an activity. */
export function attemptNumber(): number {
  try {
    return activityInfo().attempt;
  } catch {
    return 1;
  }
}

/**
 * Runs a measurement and keeps its failure as data, so that one outside system that is down does not hide what the
 * others say. In the first attempts of an activity, what a retry can help is thrown instead.
 *
 * @throws what is not of the failure table: a bug must not look like a measurement.
 */
export async function measured<T>(
  measure: () => Promise<T>,
  attempt: number | null = insideActivity(),
): Promise<Measured<T>> {
  try {
    return { ok: true, value: await measure() };
  } catch (error) {
    const type = failureTypeOf(error);
    if (type === null) throw error;
    if (attempt !== null && failures[type].retryable && attempt < PATIENT_ATTEMPTS) throw error;
    return { ok: false, type, message: (error as Error).message };
  }
}

function insideActivity(): number | null {
  try {
    return activityInfo().attempt;
  } catch {
    return null;
  }
}

/** Heartbeats every five seconds while `work` runs: its parts have time-outs of their own, shorter than any activity's. */
export async function whileBeating<T>(work: () => Promise<T>): Promise<T> {
  heartbeat();
  const context = asyncLocalStorage.getStore();
  const timer = setInterval(() => context?.heartbeat(), 5_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
