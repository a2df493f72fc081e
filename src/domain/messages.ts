import type { DecideInput, Decision, DecisionInput } from './gate.ts';
import type {
  LockHolder,
  OperationStatus,
  OperatorDecision,
  OperatorNote,
  RoadmapStatus,
} from './operation.ts';
import type { DigestedPlan } from './plan.ts';

/**
 * Names of every query, update and signal, and what each carries. Workflows define their handlers by these names, and
 * whoever talks to a workflow (the client, the lock's activities, tests) uses the same ones.
 */
export const queries = {
  /** Of operations and `roadmap`: everything there is to know, as JSON. */
  status: 'status',
  /** Of operations: the plan with its digest, or null before there is one (always null for `roadmap`). */
  plan: 'plan',
  /** Of `siteLock`: who holds the lock, or null. */
  holder: 'holder',
  /** Of `siteLock`: who waits for it, next first. */
  queue: 'queue',
} as const;

export const updates = {
  /** A person's word on the open gate. Its update id becomes the decision's id. */
  decide: 'decide',
  /** The operator's word in `needs-operator`. */
  operator: 'operator',
} as const;

export const signals = {
  approve: 'approve',
  reject: 'reject',
  retry: 'retry',
  skip: 'skip',
  compensate: 'compensate',
  pause: 'pause',
  resume: 'resume',
  abort: 'abort',
  /** Lock → operation: it is yours. */
  lockGranted: 'lockGranted',
  /** Lock → waiting operation: this one has it. */
  lockHeldBy: 'lockHeldBy',
  /** Operation → lock, by signal-with-start with `{site}` as the lock's input. */
  requestLock: 'requestLock',
  /** Operation → lock, also by one that only waits. */
  releaseLock: 'releaseLock',
} as const;

/** Arguments of each signal. */
export interface SignalArguments {
  approve: [DecisionInput];
  reject: [DecisionInput];
  retry: [OperatorNote];
  skip: [OperatorNote];
  compensate: [OperatorNote];
  pause: [OperatorNote];
  resume: [OperatorNote];
  abort: [OperatorNote];
  lockGranted: [LockHolder];
  lockHeldBy: [LockHolder];
  requestLock: [LockHolder];
  releaseLock: [LockHolder];
}

/** Argument and answer of each update. */
export interface UpdateContracts {
  decide: { input: DecideInput; output: Decision };
  operator: { input: OperatorDecision; output: OperatorDecision };
}

/** Answers of the queries; no query takes an argument. */
export interface QueryAnswers {
  status: OperationStatus | RoadmapStatus;
  plan: DigestedPlan | null;
  holder: LockHolder | null;
  queue: LockHolder[];
}
