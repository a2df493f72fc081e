import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { signals } from '../../domain/messages.ts';
import type { OperatorNote, ControlRequest } from '../../domain/operation.ts';
import { now } from './board.ts';
import type { Board } from './board.ts';
import { membersOf, textOf } from './operator.ts';

/** What a workflow does besides when it is told to hold, go on or stop. */
export interface ControlHooks {
  pause?(note: OperatorNote): Promise<void>;
  resume?(note: OperatorNote): Promise<void>;
  /** Why it cannot be stopped any more, or null while it can. */
  refuseAbort(): string | null;
  abort(note: OperatorNote): void | Promise<void>;
}

/** The signals `pause`, `resume` and `abort`. */
export class Controls {
  readonly #board: Board;

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
      const why = await this.#abort(raw, hooks);
      if (why !== null) board.ignore('abort', membersOf(raw)['by'], why);
    });
  }

  async #abort(raw: unknown, hooks: ControlHooks): Promise<string | null> {
    const { status } = this.#board;
    if (status.abort !== null) return 'it is being aborted already';
    const why = hooks.refuseAbort();
    if (why !== null) return why;
    status.abort = request(raw);
    this.#board.refresh();
    await hooks.abort(noteOf(raw));
    return null;
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

function request(raw: unknown): ControlRequest {
  const members = membersOf(raw);
  return { by: textOf(members['by']), reason: textOf(members['reason']), at: now() };
}
