import { setTimeout as delay } from 'node:timers/promises';
import { asyncLocalStorage, type Context } from '@temporalio/activity';

/**
 * The running activity's cancellation signal; undefined where the code runs outside an activity, as a test or the
 * command line does.
 */
export function cancellationSignal(): AbortSignal | undefined {
  return asyncLocalStorage.getStore()?.cancellationSignal;
}

/** The run of the workflow that wants the running activity; null outside an activity. */
export function runId(): string | null {
  return asyncLocalStorage.getStore()?.info.workflowExecution?.runId ?? null;
}

/**
 * When the activity was first wanted, in milliseconds, where this is not its first attempt; null otherwise and outside an
 * activity. What an earlier attempt began may still be going on, or be done already.
 */
export function firstWantedAt(): number | null {
  const info = asyncLocalStorage.getStore()?.info;
  return info === undefined || info.attempt === 1 ? null : info.scheduledTimestampMs;
}

/** Where each running activity said that it is. */
const lastDetails = new WeakMap<Context, unknown>();

/** Says that the activity still lives, and where it is. Without it a dead worker is noticed only at the time-out. */
export function heartbeat(details?: unknown): void {
  const context = asyncLocalStorage.getStore();
  if (context === undefined) return;
  lastDetails.set(context, details);
  context.heartbeat(details);
}

/** Says once more what the activity said last: it lives, and is still there. */
export function heartbeatAgain(context: Context): void {
  context.heartbeat(lastDetails.get(context));
}

/** Throws the activity's cancellation when it was cancelled. */
export function throwIfCancelled(): void {
  cancellationSignal()?.throwIfAborted();
}

/** Sleeps, ends at once with the cancellation's error when the activity is cancelled. */
export async function pause(ms: number): Promise<void> {
  const signal = cancellationSignal();
  signal?.throwIfAborted();
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/**
 * Whether somebody wants the activity to end, and with it what it has made outside. A worker that stops, or an attempt that
 * took too long, is none of that: the next attempt goes on with what it finds.
 */
export function cancellationRequested(): boolean {
  return asyncLocalStorage.getStore()?.cancellationDetails?.cancelRequested === true;
}

/** Runs clean-up that a cancelled activity still has to do: nothing in it notices the cancellation. */
export function withoutCancellation<T>(cleanUp: () => Promise<T>): Promise<T> {
  return asyncLocalStorage.exit(cleanUp);
}
