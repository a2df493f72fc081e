import type { Plan } from '../../domain/plan.ts';
import type { ChangeActivity } from './activities.ts';
import { failure } from './problems.ts';

/** What carries out a change and what takes it back. */
export interface ChangeHandler {
  do: ChangeActivity;
  /** Left out where taking back another change takes this one back too; `Change.undo` says which. */
  undo?: ChangeActivity;
  /**
   * Runs when everything has been taken back, also where this change itself was not reached: for what others remember of
   * the state that was given up.
   */
  afterUndo?: ChangeActivity;
  /** No later change needs this one, so that passing over it is safe. */
  standsAlone?: boolean;
}

/** Handlers by the change's id. */
export type ChangeTable = Record<string, ChangeHandler>;

/**
 * Refuses a plan that could not be carried out, before anybody is asked to approve it.
 *
 * @throws ApplicationFailure `PreconditionFailed` for a plan with an error finding, `PlanMismatch` for a change that
 *   has no handler, which happens when workflow and planner are of different versions.
 */
export function refuseUnworkable(plan: Plan, changes: ChangeTable): void {
  const errors = plan.findings.filter(({ level }) => level === 'error');
  if (errors.length > 0) {
    const listed = errors.map(({ message, advice }) => [message, advice].filter(Boolean).join(' '));
    throw failure('PreconditionFailed', `The plan cannot be carried out. ${listed.join('; ')}`);
  }
  const unknown = plan.changes.filter(({ id }) => !Object.hasOwn(changes, id));
  if (unknown.length > 0) {
    const ids = unknown.map(({ id }) => id).join(', ');
    throw failure('PlanMismatch', `This worker's workflow has no handler for: ${ids}.`);
  }
}
