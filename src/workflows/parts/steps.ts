import type { Json } from '../../domain/json.ts';
import type { OperatorDecision, Step } from '../../domain/operation.ts';
import { now } from './board.ts';
import type { Board } from './board.ts';
import { isOutsideFailure, isStop, problemOf, sentence } from './problems.ts';

/** What a step's result says when a person passed over it. */
export function passedOver({ by, reason }: OperatorDecision): Json {
  return { skippedBy: by, reason: reason ?? null };
}

/** The list of steps: announced when they are known, in the order in which they will run. */
export class StepList {
  readonly #board: Board;

  constructor(board: Board) {
    this.#board = board;
  }

  /** Adds steps that will come, so that a reader sees what is left. */
  announce(...steps: { id: string; title: string }[]): void {
    for (const { id, title } of steps) {
      if (this.#find(id) !== undefined) continue;
      this.#board.status.steps.push({
        id,
        title,
        state: 'pending',
        startedAt: null,
        endedAt: null,
        result: null,
        error: null,
      });
    }
    this.#board.refresh();
  }

  /** Takes back the announcement of steps that will not come any more. */
  withdrawPending(): void {
    const { status } = this.#board;
    status.steps = status.steps.filter(({ state }) => state !== 'pending');
    this.#board.refresh();
  }

  /**
   * Runs one step and writes down when, what it measured and how it ended. A step may run again after a failure.
   *
   * @throws what `work` throws.
   */
  async run<T>(
    id: string,
    title: string,
    work: () => Promise<T>,
    describe: (value: T) => Json = () => null,
  ): Promise<T> {
    const step = this.#step(id, title);
    Object.assign(step, { state: 'running', startedAt: now(), endedAt: null, result: null });
    step.error = null;
    this.#board.refresh();
    try {
      const value = await work();
      this.#end(step, 'done', { result: describe(value) });
      return value;
    } catch (error) {
      if (isStop(error)) this.#end(step, 'failed', { error: 'Stopped before it ended.' });
      else if (isOutsideFailure(error)) {
        this.#end(step, 'failed', { error: sentence(problemOf(error)) });
      }
      throw error;
    }
  }

  /** Marks a step that was not needed or that a person passed over; `why` becomes its result. */
  skip(id: string, title: string, why: Json): void {
    this.#end(this.#step(id, title), 'skipped', { result: why });
  }

  /** Marks a step whose effect is gone again. */
  undone(id: string): void {
    const step = this.#find(id);
    if (step !== undefined) this.#end(step, 'undone', {});
  }

  /** Marks a step that came to an end but not to the wanted result. */
  fail(id: string, error: string, result: Json): void {
    const step = this.#find(id);
    if (step !== undefined) this.#end(step, 'failed', { error, result });
  }

  resultOf(id: string): Json {
    return this.#find(id)?.result ?? null;
  }

  #end(step: Step, state: Step['state'], outcome: Partial<Pick<Step, 'result' | 'error'>>): void {
    Object.assign(step, { state, endedAt: now(), ...outcome });
    this.#board.refresh();
  }

  #find(id: string): Step | undefined {
    return this.#board.status.steps.find((step) => step.id === id);
  }

  #step(id: string, title: string): Step {
    this.announce({ id, title });
    return this.#find(id) as Step;
  }
}
