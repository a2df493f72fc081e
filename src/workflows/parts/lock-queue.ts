import { condition } from '@temporalio/workflow';
import type { LockHolder } from '../../domain/operation.ts';
import { now } from './board.ts';
import { membersOf, textOf } from './operator.ts';

export interface LockState {
  holder: LockHolder | null;
  queue: LockHolder[];
}

function same(a: LockHolder, b: LockHolder): boolean {
  return a.workflowId === b.workflowId && a.runId === b.runId;
}

/** A holder as it came over the wire; null when it does not say which run it is, so that it could never be told. */
export function readHolder(raw: unknown): LockHolder | null {
  const members = membersOf(raw);
  const workflowId = textOf(members['workflowId']);
  const runId = textOf(members['runId']);
  if (workflowId === null || runId === null) return null;
  return { workflowId, runId, operation: textOf(members['operation']) ?? 'unknown', since: now() };
}

/** Who holds a lock and who waits, first come first served. Handlers call it; it only records. */
export class LockQueue {
  #holder: LockHolder | null;
  #queue: LockHolder[];
  /** Waiting and not yet told by whom the lock is held now. */
  #untold: LockHolder[] = [];
  /** The holder asked again, having missed the answer. */
  #grantAgain = false;
  #moves = 0;
  #seen = -1;

  constructor({ holder, queue }: LockState) {
    this.#holder = holder;
    this.#queue = [...queue];
    // After continue-as-new everybody is told once more, in case somebody asked in between.
    this.#untold = [...queue];
  }

  get holder(): LockHolder | null {
    return this.#holder;
  }

  get queue(): LockHolder[] {
    return this.#queue;
  }

  get untold(): LockHolder[] {
    return [...this.#untold];
  }

  get state(): LockState {
    return { holder: this.#holder, queue: this.#queue };
  }

  /** Puts a run into the queue. Asking twice keeps the place and is answered again. */
  request(asking: LockHolder | null): void {
    if (asking === null) return;
    this.#moves += 1;
    if (this.#holder !== null && same(this.#holder, asking)) {
      this.#grantAgain = true;
      return;
    }
    if (!this.#queue.some((waiting) => same(waiting, asking))) this.#queue.push(asking);
    if (!this.#untold.some((waiting) => same(waiting, asking))) this.#untold.push(asking);
  }

  /** Takes a run out, whether it holds the lock or waits. */
  release(leaving: LockHolder | null): void {
    if (leaving === null) return;
    this.#moves += 1;
    if (this.#holder !== null && same(this.#holder, leaving)) {
      this.#holder = null;
      this.#grantAgain = false;
    }
    this.#queue = this.#queue.filter((waiting) => !same(waiting, leaving));
    this.told(leaving);
  }

  /** The run that is to be granted the lock now, or null when there is none to tell. */
  promote(): LockHolder | null {
    if (this.#holder !== null) {
      const again = this.#grantAgain;
      this.#grantAgain = false;
      return again ? this.#holder : null;
    }
    const next = this.#queue.shift();
    if (next === undefined) return null;
    this.#holder = { ...next, since: now() };
    this.told(next);
    this.#untold = [...this.#queue];
    return this.#holder;
  }

  told(waiting: LockHolder): void {
    this.#untold = this.#untold.filter((untold) => !same(untold, waiting));
  }

  /** Everything up to now is being served. */
  seen(): void {
    this.#seen = this.#moves;
  }

  /** Waits for the next request or release, not longer than `timeoutMs`; false when none came. */
  async moved(timeoutMs?: number, summary?: string): Promise<boolean> {
    const moved = () => this.#moves !== this.#seen;
    if (timeoutMs === undefined) {
      await condition(moved);
      return true;
    }
    return condition(moved, timeoutMs, { summary: summary ?? '' });
  }
}
