import { isCancellation } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { failure, isOutsideFailure, isStop } from './problems.ts';

/**
 * Why a child did not come to its end, as a person reads it: one that runs already or that somebody else has cancelled
 * says so; every other error comes back as it is.
 */
export function childProblem(error: unknown, workflowId: string): unknown {
  if (error instanceof WorkflowExecutionAlreadyStartedError) {
    return failure('PreconditionFailed', `${workflowId} is running already; end it first.`);
  }
  if (isOutsideFailure(error) && isCancellation(error) && !isStop(error)) {
    return failure('PreconditionFailed', `${workflowId} was cancelled by somebody.`);
  }
  return error;
}
