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
  for (const entry of undo.unwind()) {
    if (entry.activity === null) steps.undone(entry.change.id);
    else await takeBack(operation, entry, entry.activity);
  }
}

async function takeBack(
  operation: Operation,
  { change }: UndoEntry,
  activity: NonNullable<UndoEntry['activity']>,
): Promise<void> {
  const { board, steps, desk } = operation;
  const input = {
    site: board.site,
    operationId: board.status.workflowId,
    change,
    recoveryPoint: board.status.recoveryPoint,
  };
  const id = `undo-${change.id}`;
  const title = `Undo: ${change.title}`;
  for (;;) {
    try {
      await steps.run(
        id,
        title,
        () => runActivity(activity, input, title),
        (result) => result,
      );
      steps.undone(change.id);
      return;
    } catch (error) {
      if (!isOutsideFailure(error)) throw error;
      const answer = await desk.ask(id, problemOf(error), undoOptions(change));
      if (answer.action !== 'skip') continue;
      steps.skip(id, title, passedOver(answer));
      return;
    }
  }
}
