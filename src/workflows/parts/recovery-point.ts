import type { Finding, Plan } from '../../domain/plan.ts';
import type { RecoveryPointRef } from '../../domain/operation.ts';
import { runActivity } from './activities.ts';
import { takeFullPoint } from './full-point.ts';
import type { Operation } from './operation.ts';
import { precautionOptions } from './options.ts';
import { isOutsideFailure, isStop, problemOf } from './problems.ts';
import type { Round, StepName } from './round.ts';

/** The recovery point that an operation is going to take before its first change. */
export interface PointOutlook {
  id: string;
  /** Whether files and database can be copied off the cluster too. */
  full: boolean;
  /** Why they cannot be. */
  missing: string[];
}

/** Looks whether a full recovery point can be taken. Whatever keeps from looking keeps from copying too. */
export async function outlookOf(operation: Operation, id: string): Promise<PointOutlook> {
  const { site } = operation.board;
  try {
    const { ready, missing } = await runActivity(
      'backupReadiness',
      { site },
      'Look whether copies can leave the cluster',
    );
    return { id, full: ready, missing };
  } catch (error) {
    if (isStop(error) || !isOutsideFailure(error)) throw error;
    return { id, full: false, missing: [problemOf(error).message] };
  }
}

/** What the approvers are told about the recovery point. */
export function outlookText({ id, full, missing }: PointOutlook): string {
  return full
    ? `The recovery point ${id} is taken before the first change. It will hold the files of all content volumes, the database, the Deployment with what hangs on it, the CDN's rules and WordPress's options; it will not hold values of Secrets, nor media that are in the bucket alone.`
    : `The recovery point ${id} is taken before the first change. It will hold Kubernetes objects and the list of plugins alone; it will NOT hold files or the database: ${missing.join('; ') || 'no copy can leave the cluster'}.`;
}

export function outlookFinding(outlook: PointOutlook): Finding {
  return {
    id: 'recovery-point',
    level: outlook.full ? 'info' : 'warning',
    message: outlookText(outlook),
    advice: outlook.full ? null : 'Mend that first where the change could touch files or database.',
    evidence: { id: outlook.id, full: outlook.full, missing: outlook.missing },
  };
}

/**
 * Takes the recovery point that was named at the gate. Null when a person goes on without one. Where the full one fails
 * and a person passes over it, the objects are kept all the same: undo goes back to them.
 */
export async function takeNamedPoint(
  operation: Operation,
  plan: Plan,
  outlook: PointOutlook,
  { recoveryPoint: step, named }: Round,
): Promise<RecoveryPointRef | null> {
  if (!outlook.full) return keepObjects(operation, plan, outlook, step);
  let copies = 0;
  const nextId = () => ((copies += 1) === 1 ? outlook.id : `${outlook.id}-${copies}`);
  const taken = await operation.insist(
    step,
    () =>
      operation.steps.run(
        step.id,
        step.title,
        () => takeFullPoint(operation, { nextId, named, reason: 'before-change' }),
        ({ ref: { id, contains, missing } }) => ({ id, contains, missing }),
      ),
    () =>
      precautionOptions(
        operation.undo,
        'Goes on with a recovery point of Kubernetes objects alone: files and database are not copied.',
      ),
  );
  if (taken !== null) return taken.ref;
  return keepObjects(operation, plan, outlook, {
    id: named('recovery-point-objects'),
    title: `Keep the Kubernetes objects as ${outlook.id}`,
  });
}

async function keepObjects(
  operation: Operation,
  plan: Plan,
  { id }: PointOutlook,
  step: StepName,
): Promise<RecoveryPointRef | null> {
  const { site, status } = operation.board;
  const input = { site, id, operationId: status.workflowId, plan };
  const kept = await operation.insist(
    step,
    () =>
      operation.steps.run(
        step.id,
        step.title,
        () => runActivity('takeRecoveryPoint', input, step.title),
        (point) => ({ id: point.id, contains: point.contains, missing: point.missing }),
      ),
    () =>
      precautionOptions(
        operation.undo,
        'Goes on without a recovery point; only the undo of each change protects the site then.',
      ),
  );
  if (kept === null) return null;
  const { id: point, takenAt, contains, missing } = kept;
  return { id: point, takenAt, contains, missing };
}
