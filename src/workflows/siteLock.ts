import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { queries, signals } from '../domain/messages.ts';
import type { LockHolder } from '../domain/operation.ts';
import { searchAttributes } from '../domain/search-attributes.ts';
import { runActivity } from './parts/activities.ts';
import { LockQueue, readHolder } from './parts/lock-queue.ts';
import type { LockState } from './parts/lock-queue.ts';
import { isOutsideFailure } from './parts/problems.ts';
import { versioned } from './parts/versioning.ts';

// An entity without an end of its own: new code has to reach the one that runs.
versioned('AUTO_UPGRADE', siteLock);

/** With nobody holding it or waiting, the lock ends after this time; the next request starts it again. */
const IDLE_MS = 10 * 60_000;

/** While somebody waits, the holder is looked at this often at first, then twice as seldom each time up to the last. */
const FIRST_LOOK_MS = 60_000;
const LAST_LOOK_MS = 15 * 60_000;

const lockGranted = defineSignal<[LockHolder]>(signals.lockGranted);
const lockHeldBy = defineSignal<[LockHolder]>(signals.lockHeldBy);

/** What the lock starts with: the site alone, or where it continued as new, who holds it and who waits. */
export interface SiteLockInput {
  site: string;
  state?: LockState;
}

/**
 * The lock of one site: one mutating operation at a time, the others wait in the order in which they asked. A holder
 * that ended without giving it back is noticed as soon as somebody waits.
 */
export async function siteLock(input: SiteLockInput): Promise<void> {
  const lock = new LockQueue(input.state ?? { holder: null, queue: [] });
  setHandler(defineQuery<LockHolder | null>(queries.holder), () => lock.holder);
  setHandler(defineQuery<LockHolder[]>(queries.queue), () => lock.queue);
  setHandler(defineSignal<[LockHolder]>(signals.requestLock), (raw) => {
    lock.request(readHolder(raw));
  });
  setHandler(defineSignal<[LockHolder]>(signals.releaseLock), (raw) => {
    lock.release(readHolder(raw));
  });

  let look = FIRST_LOOK_MS;
  for (;;) {
    const asked = await serve(lock);
    show(input.site, lock);
    look = asked ? FIRST_LOOK_MS : Math.min(look * 2, LAST_LOOK_MS);
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished);
      await continueAsNew<typeof siteLock>({ site: input.site, state: lock.state });
    }
    if (lock.holder === null) {
      if (!(await lock.moved(IDLE_MS, 'Ends when nobody asks'))) return;
    } else if (lock.queue.length === 0) {
      await lock.moved();
    } else {
      await lock.moved(look, `Look whether ${lock.holder.workflowId} still runs`);
    }
  }
}

/** Frees a dead holder, grants the lock to the next, tells those who wait. True when somebody new had asked. */
async function serve(lock: LockQueue): Promise<boolean> {
  const asked = lock.untold.length > 0;
  lock.seen();
  const { holder } = lock;
  if (holder !== null && lock.queue.length > 0 && !(await isAlive(holder))) lock.release(holder);
  for (let next = lock.promote(); next !== null; next = lock.promote()) {
    if (await tell(next, lockGranted, next)) break;
    lock.release(next);
  }
  for (const waiting of lock.untold) {
    if (lock.holder === null) break;
    if (await tell(waiting, lockHeldBy, lock.holder)) lock.told(waiting);
    else lock.release(waiting);
  }
  return asked;
}

/** False when the receiver does not run any more. */
async function tell(
  receiver: LockHolder,
  signal: typeof lockGranted,
  holder: LockHolder,
): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(receiver.workflowId, receiver.runId).signal(signal, holder);
    return true;
  } catch (error) {
    if (!isOutsideFailure(error)) throw error;
    return false;
  }
}

/** A holder that nobody can look at counts as alive: two operations at once are worse than a wait. */
async function isAlive(holder: LockHolder): Promise<boolean> {
  try {
    return await runActivity('isHolderAlive', { holder }, `Does ${holder.workflowId} still run?`);
  } catch (error) {
    if (!isOutsideFailure(error)) throw error;
    return true;
  }
}

function show(site: string, lock: LockQueue): void {
  const state = lock.holder === null ? 'free' : 'held';
  if (workflowInfo().typedSearchAttributes.get(searchAttributes.state) !== state) {
    upsertSearchAttributes([
      { key: searchAttributes.site, value: site },
      { key: searchAttributes.operation, value: 'siteLock' },
      { key: searchAttributes.state, value: state },
      { key: searchAttributes.gate, value: 'none' },
    ]);
  }
  const line = ({ workflowId, since }: LockHolder) => `\`${workflowId}\` since ${since}`;
  setCurrentDetails(
    [
      `**Lock of ${site}**: ${lock.holder === null ? 'free' : `held by ${line(lock.holder)}`}`,
      ...lock.queue.map((waiting, place) => `${place + 1}. ${line(waiting)}`),
    ].join('\n\n'),
  );
}
