import type { DrillFindings } from '../../activities/contracts.ts';
import type { CriterionResult } from '../../domain/criterion.ts';
import type { Json } from '../../domain/json.ts';
import { mergeCriteria } from '../../domain/recovery/drill-criteria.ts';
import type { DrillStage } from '../../domain/recovery/point.ts';
import { now } from './board.ts';
import type { Operation } from './operation.ts';
import { isOutsideFailure, isStop, problemOf, sentence } from './problems.ts';
import { shortfall } from './verify.ts';

const titles = {
  sweep: 'Remove what earlier drills have left',
  backup: 'Take a fresh backup',
  open: 'Make a throwaway namespace and database',
  repository: "Read and check the recovery point's data",
  files: 'Restore the files and compare every one',
  database: 'Restore the database and compare every table',
  boot: 'Start WordPress from what was restored',
  check: 'Ask the restored site',
  record: 'Sign and store the report',
  teardown: 'Remove everything that the drill made',
} as const;

export type StageId = keyof typeof titles;

/** Come to pass in every ending; they are no part of what is measured. */
const closing: StageId[] = ['record', 'teardown'];

/** Without a criterion of these, something that ought to be measured was not. */
const measuring: StageId[] = ['repository', 'files', 'database', 'check'];

/**
 * The stages of a drill as steps. What goes wrong in one does not break the drill off: it becomes a failed criterion,
 * `stage-<id>`, and stages that need its result are left out and fail as not measured: no data is a fail.
 */
export class DrillStages {
  /** Times of the stages so far, for the report. */
  readonly timed: DrillStage[] = [];
  readonly #operation: Operation;
  readonly #expected: StageId[];
  readonly #ended = new Set<StageId>();

  constructor(operation: Operation, withBackup: boolean) {
    this.#operation = operation;
    const all = Object.keys(titles) as StageId[];
    this.#expected = all.filter((id) => withBackup || id !== 'backup');
    operation.steps.announce(...this.#expected.map((id) => ({ id, title: titles[id] })));
  }

  /** A stage that makes something ready. */
  async prepare(
    id: StageId,
    ready: boolean,
    work: (title: string) => Promise<Json>,
  ): Promise<void> {
    if (!ready) return;
    const startedAt = now();
    await this.#attempt(id, async () => {
      const { steps } = this.#operation;
      await steps.run(
        id,
        titles[id],
        () => work(titles[id]),
        (result) => result,
      );
      const ms = Date.parse(now()) - Date.parse(startedAt);
      this.timed.push({ id, title: titles[id], startedAt, ms, countsForRto: false });
      return true;
    });
  }

  /** A stage that measures; true when later ones have something to work with. */
  async measure(
    id: StageId,
    ready: boolean,
    work: (title: string) => Promise<DrillFindings>,
  ): Promise<boolean> {
    if (!ready) return false;
    const { board, steps } = this.#operation;
    return this.#attempt(id, async () => {
      const { criteria, stages, usable } = await steps.run(
        id,
        titles[id],
        () => work(titles[id]),
        (found) => result(found.criteria),
      );
      mergeCriteria(board.status.criteria, criteria);
      this.timed.push(...stages);
      const empty = criteria.length === 0;
      if (empty && measuring.includes(id)) this.#failed(id, 'No criterion was measured.');
      const missed = empty ? null : shortfall(criteria);
      if (missed !== null) steps.fail(id, missed, result(criteria));
      board.refresh();
      return usable;
    });
  }

  /** A stage that comes last whatever was before it. To be called in a non-cancellable scope. */
  async finish(id: StageId, work: (title: string) => Promise<Json>): Promise<void> {
    await this.#attempt(id, async () => {
      const { steps } = this.#operation;
      await steps.run(
        id,
        titles[id],
        () => work(titles[id]),
        (outcome) => outcome,
      );
      return true;
    });
  }

  /** Counts every stage that did not come to its end as failed; `why` says what kept it from being measured. */
  settle(why: string): void {
    const { board, steps } = this.#operation;
    for (const id of this.#expected) {
      if (this.#ended.has(id) || closing.includes(id)) continue;
      this.#failed(id, `Not measured: ${why}.`);
      const begun = board.status.steps.some((step) => step.id === id && step.state === 'failed');
      if (!begun) steps.skip(id, titles[id], `Not measured: ${why}.`);
    }
  }

  async #attempt(id: StageId, work: () => Promise<boolean>): Promise<boolean> {
    const { controls } = this.#operation;
    if (!closing.includes(id)) await controls.holdWhilePaused();
    try {
      const usable = await work();
      this.#ended.add(id);
      return usable;
    } catch (error) {
      if (isStop(error) || !isOutsideFailure(error)) throw error;
      this.#ended.add(id);
      this.#failed(id, sentence(problemOf(error)));
      return false;
    }
  }

  #failed(id: StageId, evidence: string): void {
    const { board } = this.#operation;
    const criterion = { id: `stage-${id}`, title: titles[id], target: 'done', pass: false };
    mergeCriteria(board.status.criteria, [{ ...criterion, measured: null, evidence }]);
    board.refresh();
  }
}

function result(criteria: CriterionResult[]): Json {
  const missed = criteria.filter(({ pass }) => !pass);
  return { met: criteria.length - missed.length, notMet: missed.map(({ id }) => id) };
}
