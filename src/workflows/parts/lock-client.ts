import {
  CancellationScope,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { workflowIds } from '../../domain/identifiers.ts';
import { signals } from '../../domain/messages.ts';
import type { LockHolder } from '../../domain/operation.ts';
import { runActivity } from './activities.ts';
import { now } from './board.ts';
import type { Board } from './board.ts';
import { isOutsideFailure } from './problems.ts';

/** A lock that does not answer in this time is asked again, in case its workflow was ended by hand. */
const ASK_AGAIN_MS = 15 * 60_000;

const lockGranted = defineSignal<[LockHolder]>(signals.lockGranted);
const lockHeldBy = defineSignal<[LockHolder]>(signals.lockHeldBy);
const releaseLock = defineSignal<[LockHolder]>(signals.releaseLock);

/** Whether the lock's holder is the workflow that started this one and waits for it. */
function isParent(holder: LockHolder): boolean {
  const { parent } = workflowInfo();
  return holder.workflowId === parent?.workflowId && holder.runId === parent.runId;
}

/** This operation's side of the site's lock. */
export class LockClient {
  readonly #board: Board;
  #granted = false;
  #underParent = false;
  /** Has the lock, or stands in its queue. */
  #asked = false;

  constructor(board: Board) {
    this.#board = board;
    setHandler(lockGranted, () => {
      // One that comes late, after the lock was given back, is no grant of the next turn.
      if (!this.#asked) return;
      this.#granted = true;
      this.#board.status.waitingFor = null;
      this.#board.refresh();
    });
    setHandler(lockHeldBy, (holder) => {
      if (!this.#asked || this.#granted) return;
      if (isParent(holder)) {
        this.#granted = true;
        this.#underParent = true;
        return;
      }
      this.#board.status.waitingFor = holder;
      this.#board.refresh();
    });
  }

  /**
   * Asks for the lock and waits until it is granted; meanwhile `waitingFor` names the holder. The child of the holder
   * works under its parent's lock, and gives its own place in the queue back. After a release it may be asked for again.
   */
  async acquire(): Promise<void> {
    const { site } = this.#board.status;
    const holder = this.#self();
    this.#asked = true;
    await this.#board.during('waiting-for-lock', async () => {
      do {
        await runActivity('requestLock', { site, holder }, `Ask for the lock of ${site}`);
      } while (
        !(await condition(() => this.#granted, ASK_AGAIN_MS, {
          summary: `Waiting for the lock of ${site}`,
        }))
      );
      if (this.#underParent) await this.release();
    });
  }

  /**
   * Gives the lock back, or the place in its queue. Never fails: a lock that is not there any more has nothing to give
   * back, and one that cannot be told notices by itself that this workflow has ended.
   */
  async release(): Promise<void> {
    if (!this.#asked) return;
    this.#asked = false;
    this.#granted = false;
    const lock = getExternalWorkflowHandle(workflowIds.siteLock(this.#board.status.site));
    try {
      await CancellationScope.nonCancellable(() => lock.signal(releaseLock, this.#self()));
    } catch (error) {
      if (!isOutsideFailure(error)) throw error;
    }
  }

  #self(): LockHolder {
    const { workflowId, runId } = workflowInfo();
    return { workflowId, runId, operation: this.#board.status.operation, since: now() };
  }
}
