import type { Notification } from '../../activities/contracts.ts';
import type { OperationReport } from '../../domain/operation.ts';
import type { Finding } from '../../domain/plan.ts';
import type { Operation } from './operation.ts';

/** A gate that is asked besides `apply`, with its rules, where the plan has a certain finding. */
export interface ExtraGate {
  id: string;
  title: string;
  question: string;
  /** Id of the finding. */
  finding: Finding['id'];
}

/** In what an operation differs from a walk that changes the live site. */
export interface OperationShape {
  /** Whether it holds the site's lock. */
  lock: boolean;
  /** Whether somebody is asked before it changes anything. */
  gates: boolean;
  extraGates: ExtraGate[];
  /** The kind of message that says it ended, in case it failed; null for one whose end is no news. */
  tells: { ended: Notification['kind']; failed: Notification['kind'] } | null;
  /** Does what is left to do when the outcome is known, without waiting for anything. */
  ended(operation: Operation, outcome: OperationReport['outcome']): void;
}

export const usualShape: OperationShape = {
  lock: true,
  gates: true,
  extraGates: [],
  tells: { ended: 'finished', failed: 'finished' },
  ended: () => {},
};
