import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  TemporalFailure,
  TimeoutFailure,
  isCancellation,
} from '@temporalio/workflow';
import { failures } from '../../domain/failures.ts';
import type { FailureType } from '../../domain/failures.ts';
import type { OperationReport } from '../../domain/operation.ts';
import { sentences } from '../../domain/sentences.ts';

/** What went wrong, as a person and a program read it. */
export interface Problem {
  /** From the table in src/domain/failures.ts, or `Unexpected`. */
  type: FailureType | 'Unexpected';
  message: string;
  /** What to do next. */
  advice: string;
}

function isKnown(type: string | null | undefined): type is FailureType {
  return type !== null && type !== undefined && type in failures;
}

/** The problem behind a failure, without the layers that Temporal wraps around it. */
export function problemOf(error: TemporalFailure): Problem {
  const wrapped = error instanceof ActivityFailure || error instanceof ChildWorkflowFailure;
  const cause = wrapped ? (error.cause ?? error) : error;
  if (cause instanceof TimeoutFailure) {
    const what = error instanceof ActivityFailure ? `The activity ${error.activityType}` : 'It';
    const message = `${what} did not answer in time (${cause.timeoutType}).`;
    return { type: 'Unavailable', message, advice: failures.Unavailable.advice };
  }
  if (cause instanceof ApplicationFailure && isKnown(cause.type)) {
    return { type: cause.type, message: cause.message, advice: failures[cause.type].advice };
  }
  return {
    type: 'Unexpected',
    message: cause.message,
    advice: 'No known failure; the log of the worker has the details.',
  };
}

/** Both halves of a problem in one sentence after the other. */
export function sentence(problem: Problem): string {
  return sentences(problem.message, problem.advice);
}

/** A failure that ends the workflow; `given` goes into the details of what closes it. */
export function failure(type: FailureType, message: string, given?: object): ApplicationFailure {
  const details = given === undefined ? [] : [given];
  return ApplicationFailure.create({ type, message, details, nonRetryable: true });
}

/**
 * The failure that closes a workflow: what happened, without the layers that Temporal wraps around it. Its details are
 * one object: what the walk itself gave with its failure, the advice, and the report as far as the workflow came.
 */
export function closingFailure(
  error: TemporalFailure,
  report: OperationReport | null = null,
): ApplicationFailure {
  const { type, message, advice } = problemOf(error);
  const given = error instanceof ApplicationFailure ? (error.details?.[0] ?? {}) : {};
  const details = [{ ...given, advice, ...(report === null ? {} : { report }) }];
  return ApplicationFailure.create({ type, message, details, nonRetryable: true });
}

/**
 * Whether an error is the answer of something outside that may be shown to a person. An error of the workflow's own
 * code is not: it has to fail the workflow task, so that it is mended and goes on where it was.
 */
export function isOutsideFailure(error: unknown): error is TemporalFailure {
  return error instanceof TemporalFailure;
}

/** Whether an error only says that this scope was cancelled: by a cancellation of the workflow or by `abort`. */
export function isStop(error: unknown): boolean {
  return isCancellation(error) && CancellationScope.current().consideredCancelled;
}

/** The walk ends here, without a failure. */
export class OperationEnded extends Error {
  override name = 'OperationEnded';
  readonly outcome: 'planned' | 'rejected' | 'expired';

  constructor(outcome: OperationEnded['outcome']) {
    super(outcome);
    this.outcome = outcome;
  }
}

/** Something is no longer as it was approved, and nothing has been changed yet: plan again. */
export class DriftedBeforeChange extends Error {
  override name = 'DriftedBeforeChange';
}

/** What was done is to be taken back, by a person's word or because the input says so. */
export class CompensationAsked extends Error {
  override name = 'CompensationAsked';
}
