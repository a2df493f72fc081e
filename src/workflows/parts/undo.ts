import type { UndoEntry } from './compensation.ts';
import { runActivity } from './activities.ts';
import type { Operation } from './operation.ts';
import { undoOptions } from './options.ts';
import { isOutsideFailure, problemOf } from './problems.ts';
import { passedOver } from './steps.ts';

/**
 * Takes back every change of this run, the last one first. To be called in a non-cancellable scope. Where a change
 * cannot be undone, nothing is: half of a way back is worse than none, and the report says so.
 */
export async function undoEverything(operation: Operation): Promise<void> {
  const { board, undo, steps } = operation;
  if (undo.isEmpty) return;
  const lasting = undo.irreversible;
  if (lasting.length > 0) {
    board.status.findings = [
      ...board.status.findings,
      {
        id: 'not-undone',
        level: 'error',
        message: `Nothing was taken back, because this cannot be: ${lasting.map(({ title }) => title).join(', ')}.`,
        advice: 'Start the operation again to carry on, or restore the recovery point.',
        evidence: lasting.map(({ id }) => id),
      },
    ];
    board.refresh();
    return;
  }
  board.setState('compensating');
  // Where nothing was altered yet, nobody can remember it.
  const afterwards = undo.altered ? undo.afterwards : [];
  for (const entry of undo.unwind()) {
    const { change, activity } = entry;
    if (activity !== null) {
      const done = { id: `undo-${change.id}`, title: `Undo: ${change.title}` };
      if (!(await untilDone(operation, entry, activity, done))) continue;
    }
    steps.undone(change.id);
  }
  for (const entry of afterwards) {
    const { change, activity } = entry;
    const done = { id: `after-undo-${change.id}`, title: `After the undo: ${change.title}` };
    if (activity !== null) await untilDone(operation, entry, activity, done);
  }
}

/** Runs one step of the way back until it is done, or a person passes over it: then the answer is false. */
async function untilDone(
  operation: Operation,
  { change }: UndoEntry,
  activity: NonNullable<UndoEntry['activity']>,
  { id, title }: { id: string; title: string },
): Promise<boolean> {
  const { board, steps, desk } = operation;
  const input = {
    site: board.site,
    operationId: board.status.workflowId,
    change,
    recoveryPoint: board.status.recoveryPoint,
  };
  for (;;) {
    try {
      await steps.run(
        id,
        title,
        () => runActivity(activity, input, title),
        (result) => result,
      );
      return true;
    } catch (error) {
      if (!isOutsideFailure(error)) throw error;
      const answer = await desk.ask(id, problemOf(error), undoOptions(change));
      if (answer.action !== 'skip') continue;
      steps.skip(id, title, passedOver(answer));
      return false;
    }
  }
}
