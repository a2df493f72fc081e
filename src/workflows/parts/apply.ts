import type { VisitorReport } from '../../activities/contracts.ts';
import type { Change, Plan } from '../../domain/plan.ts';
import { runActivity } from './activities.ts';
import type { ChangeHandler, ChangeTable } from './change-table.ts';
import type { Operation } from './operation.ts';
import { changeOptions, driftOptions } from './options.ts';
import { DriftedBeforeChange, failure, sentence } from './problems.ts';
import { VisitorWatch } from './visitors.ts';

/**
 * Carries out a plan's changes in order while the watch over visitors runs beside them. Before each one: hold where a
 * pause is asked for, look whether what was approved is still there, register its undo.
 *
 * @returns what visitors met meanwhile, or null when nobody could tell.
 * @throws DriftedBeforeChange when something drifted and nothing has been changed yet.
 * @throws CompensationAsked when a person, or the input, wants everything taken back.
 */
export async function applyPlan(
  operation: Operation,
  plan: Plan,
  changes: ChangeTable,
  watchStep: { id: string; title: string },
): Promise<VisitorReport | null> {
  const watch = new VisitorWatch(operation.board, operation.steps, watchStep);
  const touched = new Set<string>();
  for (const change of plan.changes) {
    const afterUndo = changes[change.id]?.afterUndo;
    if (afterUndo !== undefined) operation.undo.registerAfterwards(change, afterUndo);
  }
  try {
    for (const [index, change] of plan.changes.entries()) {
      const handler = changes[change.id];
      if (handler === undefined) throw failure('PlanMismatch', `No handler for ${change.id}.`);
      const later = plan.changes.slice(index + 1);
      await carryOut(operation, plan, { change, handler, later, touched });
    }
  } catch (error) {
    await watch.end();
    throw error;
  }
  return watch.end();
}

/**
 * The first look after the approval, before even a recovery point is taken.
 *
 * @throws DriftedBeforeChange when something is no longer as it was approved.
 */
export async function refuseDriftSinceApproval(operation: Operation, plan: Plan): Promise<void> {
  const { observations } = plan;
  if (observations.length === 0) return;
  const { board } = operation;
  const input = { site: board.site, observations };
  board.status.drift = await runActivity('detectDrift', input, 'Look for drift since the approval');
  board.refresh();
  if (board.status.drift.length > 0) throw new DriftedBeforeChange();
}

interface Turn {
  change: Change;
  handler: ChangeHandler;
  /** The changes that come after this one. */
  later: Change[];
  /** Keys of observations that changes begun so far alter; they are no longer as approved, and rightly so. */
  touched: Set<string>;
}

async function carryOut(operation: Operation, plan: Plan, turn: Turn): Promise<void> {
  const { change, handler, later, touched } = turn;
  const { steps, board, undo } = operation;
  await operation.insist(
    change,
    async () => {
      await refuseDrift(operation, plan, turn);
      undo.register(change, handler.undo ?? null);
      for (const key of change.touches) touched.add(key);
      const { site, status } = board;
      const { workflowId: operationId, recoveryPoint } = status;
      const input = { site, operationId, change, recoveryPoint };
      await steps.run(
        change.id,
        change.title,
        () => runActivity(handler.do, input, change.title),
        (result) => result,
      );
    },
    () => changeOptions(change, later, handler.standsAlone === true, undo),
  );
}

/** Looks at everything that no change of this run has touched; goes on only when it is as approved. */
async function refuseDrift(operation: Operation, plan: Plan, turn: Turn): Promise<void> {
  const { board, steps, undo } = operation;
  const { change, touched } = turn;
  const { site } = board;
  const observations = plan.observations.filter(({ key }) => !touched.has(key));
  if (observations.length === 0) return;
  for (;;) {
    const summary = `Look for drift before: ${change.title}`;
    board.status.drift = await runActivity('detectDrift', { site, observations }, summary);
    board.refresh();
    if (board.status.drift.length === 0) return;
    if (undo.isEmpty) throw new DriftedBeforeChange();
    const drifted = board.status.drift;
    const problem = {
      type: 'Drifted' as const,
      message: `No longer as approved: ${drifted.map(({ title }) => title).join(', ')}.`,
      advice: 'See who changed it and whether it belongs there; then answer.',
    };
    steps.fail(change.id, sentence(problem), null);
    const answer = await operation.askOrCompensate(change.id, problem, driftOptions(undo));
    if (answer.action === 'retry') continue;
    board.status.findings.push({
      id: `accepted-drift-before-${change.id}`,
      level: 'warning',
      message: `${answer.by} accepted drift: ${answer.reason ?? ''}`,
      advice: null,
      evidence: drifted.map(({ key }) => key),
    });
    for (const { key } of drifted) touched.add(key);
    return;
  }
}
