import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { signals } from '../../domain/messages.ts';
import type { OperatorNote, PauseRequest } from '../../domain/operation.ts';
import { now } from './board.ts';
import type { Board } from './board.ts';
import { membersOf, textOf } from './operator.ts';

/** What a workflow does besides when it is told to hold, go on or stop. */
export interface ControlHooks {
  pause?(note: OperatorNote): Promise<void>;
  resume?(note: OperatorNote): Promise<void>;
  /** Returns why it does not stop any more, or null when it does. */
  abort(note: OperatorNote): string | null | Promise<string | null>;
}

/** The signals `pause`, `resume` and `abort`. */
export class Controls {
  readonly #board: Board;
  /** Who asked to stop, once somebody did. */
  abortedBy: PauseRequest | null = null;

  constructor(board: Board, hooks: ControlHooks) {
    this.#board = board;
    setHandler(defineSignal<[OperatorNote]>(signals.pause), async (raw) => {
      board.status.pause ??= request(raw);
      board.refresh();
      await hooks.pause?.(noteOf(raw));
    });
    setHandler(defineSignal<[OperatorNote]>(signals.resume), async (raw) => {
      if (board.status.pause === null) {
        board.ignore('resume', membersOf(raw)['by'], 'it is not paused');
      }
      board.status.pause = null;
      board.refresh();
      await hooks.resume?.(noteOf(raw));
    });
    setHandler(defineSignal<[OperatorNote]>(signals.abort), async (raw) => {
      const former = this.abortedBy;
      this.abortedBy ??= request(raw);
      const why = former === null ? await hooks.abort(noteOf(raw)) : 'it is being aborted already';
      if (why === null) return;
      this.abortedBy = former;
      board.ignore('abort', membersOf(raw)['by'], why);
    });
  }

  /** Holds here while a pause is asked for. Called between steps, so that nothing is stopped in its middle. */
  async holdWhilePaused(): Promise<void> {
    if (this.#board.status.pause === null) return;
    await this.#board.during('paused', () => condition(() => this.#board.status.pause === null));
  }
}

function noteOf(raw: unknown): OperatorNote {
  const members = membersOf(raw);
  const reason = textOf(members['reason']);
  return { by: textOf(members['by']) ?? 'somebody', ...(reason === null ? {} : { reason }) };
}

function request(raw: unknown): PauseRequest {
  const members = membersOf(raw);
  return { by: textOf(members['by']), reason: textOf(members['reason']), at: now() };
}
