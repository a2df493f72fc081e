import { executionOf } from '../../domain/planners/rollback-names.ts';
import type { ChangeInput, ChangeResult } from '../contracts.ts';
import { runId } from '../activity-context.ts';

/**
 * What this execution of a workflow names its schemas, folders, clusters, Jobs and restarts after. A workflow id may be used
 * again once its run has closed; what the earlier run has kept must not be taken for this one's.
 */
export function executionId(operationId: string): string {
  const run = runId();
  return run === null ? operationId : `${operationId}/${run}`;
}

/**
 * Activities that get the execution which made the plan in place of the workflow's id. It stands in each change, so that
 * every attempt, the undo and a run that was reset name the same things.
 */
export function perExecution<
  Activities extends Record<keyof Activities, (input: ChangeInput) => Promise<ChangeResult>>,
>(activities: Activities): Activities {
  const wrapped = Object.entries<(input: ChangeInput) => Promise<ChangeResult>>(activities).map(
    ([name, activity]) => [
      name,
      (input: ChangeInput) =>
        activity({ ...input, operationId: executionOf(input.change, input.operationId) }),
    ],
  );
  return Object.fromEntries(wrapped) as Activities;
}
