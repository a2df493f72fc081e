import type { CriterionResult } from './criterion.ts';
import type { GateStatus } from './gate.ts';
import type { Json } from './json.ts';
import type { Drift, Finding } from './plan.ts';

/** Operations that are a phase of the roadmap. */
export type PhaseOperation = 'prerequisites' | 'hybridStorage';

/**
 * Workflow types that work on one site; all under its lock but `restoreDrill`, and `recoveryPoints` where it removes
 * nothing.
 */
export type OperationType =
  PhaseOperation | 'backup' | 'restoreDrill' | 'rollback' | 'recoveryPoints';

/**
 * What every operation takes; `{"site":"acme"}` is enough.
 */
export interface OperationInput {
  /** Name of the site file without its ending. */
  site: string;
  /** Who asks; the two-person rule compares approvers with it. */
  requestedBy?: string;
  /** Observe and plan, show the plan, change nothing. */
  planOnly?: boolean;
  /** What to do when a change fails for good: wait for a person (default) or undo at once. */
  onFailure?: 'ask' | 'compensate';
}

/** What `roadmap` takes besides. Phases are the numbers of the roadmap, both ends included. */
export interface RoadmapInput extends OperationInput {
  from?: number;
  to?: number;
}

export type OperationState =
  | 'starting'
  | 'waiting-for-lock'
  | 'observing'
  | 'waiting-for-approval'
  | 'applying'
  | 'verifying'
  | 'needs-operator'
  | 'compensating'
  | 'paused'
  | 'done'
  | 'rejected'
  | 'expired'
  | 'failed'
  | 'undone'
  | 'aborted';

export type StepState = 'pending' | 'running' | 'done' | 'failed' | 'skipped' | 'undone';

/** One line of the list that the query, the command line, the Web UI's details and the report all show. */
export interface Step {
  id: string;
  title: string;
  state: StepState;
  startedAt: string | null;
  endedAt: string | null;
  /** What it measured or returned, small. */
  result: Json;
  /** Why it failed, in one sentence with what to do. */
  error: string | null;
}

/** The operator's word when an operation stopped in `needs-operator`. */
export interface OperatorDecision {
  action: 'retry' | 'skip' | 'compensate';
  by: string;
  /** Asked for with `skip`. */
  reason?: string;
}

/** One way out of `needs-operator`. */
export interface OperatorOption {
  action: OperatorDecision['action'];
  /** False where it cannot be done at all; such an answer is refused. */
  possible: boolean;
  /** Whether it may leave the site worse than it is. */
  safe: boolean;
  why: string;
}

/** Who sent a signal such as `pause`, `abort` or `skip`, and why. */
export interface OperatorNote {
  by: string;
  reason?: string;
}

/** A signal or update that was not followed, and why. Kept and shown: nothing is dropped silently. */
export interface IgnoredMessage {
  /** `skip`, `approve`, … */
  name: string;
  by: string | null;
  at: string;
  why: string;
}

/** Who asked to hold or to stop, and why. */
export interface ControlRequest {
  by: string | null;
  reason: string | null;
  at: string;
}

/** What an operation in `needs-operator` asks. */
export interface OperatorQuestion {
  step: string;
  error: string;
  /** Failure type from the table in src/domain/failures.ts. */
  failureType: string;
  /** Each action, whether it is safe now, and why. */
  options: OperatorOption[];
  since: string;
}

export interface LockHolder {
  workflowId: string;
  runId: string;
  operation: string;
  since: string;
}

/** A recovery point by name; its content never passes through a workflow. */
export interface RecoveryPointRef {
  id: string;
  takenAt: string;
  /** What it holds, as names: `Deployment acme/wordpress`, `VolumeSnapshot acme/…`. */
  contains: string[];
  /** What it does not hold, so that nobody counts on it. */
  missing: string[];
}

/** The answer of the query `status` of every operation. */
export interface OperationStatus {
  workflowId: string;
  runId: string;
  operation: string;
  site: string;
  state: OperationState;
  requestedBy: string | null;
  startedAt: string;
  steps: Step[];
  gates: GateStatus[];
  planDigest: string | null;
  findings: Finding[];
  drift: Drift[];
  recoveryPoint: RecoveryPointRef | null;
  waitingFor: LockHolder | null;
  operatorQuestion: OperatorQuestion | null;
  criteria: CriterionResult[];
  /** A hold that was asked for: no further step is started until `resume`, and the state is `paused` then. */
  pause: ControlRequest | null;
  /** Somebody asked to stop and to take back what was done. */
  abort: ControlRequest | null;
  ignored: IgnoredMessage[];
}

/** One phase of a roadmap, run as a child workflow under its own id. */
export interface RoadmapChild {
  phase: number;
  operation: PhaseOperation;
  workflowId: string;
  runId: string | null;
  outcome: OperationReport['outcome'] | 'running' | 'failed' | null;
}

/** The answer of the query `status` of `roadmap`. */
export interface RoadmapStatus extends OperationStatus {
  children: RoadmapChild[];
}

/** What an operation returns when it ends. One that failed has it in the details of its failure. */
export interface OperationReport {
  site: string;
  operation: string;
  outcome: 'done' | 'planned' | 'rejected' | 'expired' | 'undone' | 'aborted' | 'failed';
  /** True when nothing had to be changed. */
  alreadyThere: boolean;
  planDigest: string | null;
  steps: Step[];
  criteria: CriterionResult[];
  findings: Finding[];
  recoveryPoint: RecoveryPointRef | null;
}

/** What `roadmap` returns: its own steps and gates' outcome, and the report of every phase that ran, in order. */
export interface RoadmapReport extends OperationReport {
  phases: OperationReport[];
}
