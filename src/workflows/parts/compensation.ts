import type { Change } from '../../domain/plan.ts';
import type { ChangeActivity } from './activities.ts';

export interface UndoEntry {
  change: Change;
  /** Null where taking back another change takes this one back too. */
  activity: ChangeActivity | null;
}

/**
 * What has to be taken back, registered before each change so that one that broke in its middle is taken back too.
 */
export class UndoStack {
  readonly #entries: UndoEntry[] = [];
  readonly #afterwards = new Map<string, UndoEntry>();

  /** Registers a change that is about to be made; a second attempt at it registers nothing more. */
  register(change: Change, activity: ChangeActivity | null): void {
    if (this.#entries.some((entry) => entry.change.id === change.id)) return;
    this.#entries.push({ change, activity });
  }

  /**
   * Registers what is to follow once everything has been taken back, in the place of what an earlier plan said. By itself it is
   * nothing that was changed.
   */
  registerAfterwards(change: Change, activity: ChangeActivity): void {
    this.#afterwards.set(change.id, { change, activity });
  }

  get afterwards(): UndoEntry[] {
    return [...this.#afterwards.values()];
  }

  /** Whether anything was begun that alters what was observed, so that others may have seen it. */
  get altered(): boolean {
    return this.#entries.some(({ change }) => change.touches.length > 0);
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Changes that were begun and cannot be taken back. Once there is one, nothing is undone any more. */
  get irreversible(): Change[] {
    return this.#entries.map(({ change }) => change).filter(({ undo }) => !undo.possible);
  }

  /** Hands out what to take back next: the last change first. */
  *unwind(): Generator<UndoEntry> {
    for (let entry = this.#entries.at(-1); entry !== undefined; entry = this.#entries.at(-1)) {
      yield entry;
      this.#entries.pop();
    }
  }
}
