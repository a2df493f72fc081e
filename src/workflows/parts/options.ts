import type { OperatorOption } from '../../domain/operation.ts';
import type { Change } from '../../domain/plan.ts';
import type { UndoStack } from './compensation.ts';

function titles(changes: Change[]): string {
  return changes.map(({ title }) => `"${title}"`).join(', ');
}

/** Whether and how everything done so far can be taken back. */
export function compensateOption(undo: UndoStack): OperatorOption {
  const action = 'compensate';
  const lasting = undo.irreversible;
  if (lasting.length > 0) {
    const why = lasting
      .map(
        (change) =>
          `"${change.title}" cannot be undone: ${change.undo.possible ? '' : change.undo.why}`,
      )
      .join('; ');
    return { action, possible: false, safe: false, why };
  }
  const why = undo.isEmpty
    ? 'Nothing was changed by this run; it just ends.'
    : 'Takes back every change of this run, the last one first.';
  return { action, possible: true, safe: true, why };
}

/** The ways out when a change failed for good. `later` are the changes that were still to come. */
export function changeOptions(
  change: Change,
  later: Change[],
  standsAlone: boolean,
  undo: UndoStack,
): OperatorOption[] {
  const safe = standsAlone || later.length === 0;
  return [
    {
      action: 'retry',
      possible: true,
      safe: true,
      why: 'The change is idempotent: it goes on from whatever the last attempt left.',
    },
    {
      action: 'skip',
      possible: true,
      safe,
      why: safe
        ? `No later change needs "${change.title}"; verification will still measure its effect.`
        : `Later changes build on it: ${titles(later)}. Only when it has been done by hand.`,
    },
    compensateOption(undo),
  ];
}

/** The ways out when something is no longer as approved, and changes have been made already. */
export function driftOptions(undo: UndoStack): OperatorOption[] {
  return [
    {
      action: 'retry',
      possible: true,
      safe: true,
      why: 'Looks again; goes on once everything is as it was approved.',
    },
    {
      action: 'skip',
      possible: true,
      safe: false,
      why: 'Goes on although nobody has approved the state that is there now.',
    },
    compensateOption(undo),
  ];
}

/** The ways out when a success criterion was not met. */
export function criteriaOptions(undo: UndoStack): OperatorOption[] {
  return [
    { action: 'retry', possible: true, safe: true, why: 'Measures again; changes nothing.' },
    {
      action: 'skip',
      possible: true,
      safe: false,
      why: 'Accepts the site as it was measured; the reason stays in the report.',
    },
    compensateOption(undo),
  ];
}

/** The ways out when a precaution could not be taken: a baseline, a recovery point, a look before a change. */
export function precautionOptions(undo: UndoStack, without: string): OperatorOption[] {
  return [
    { action: 'retry', possible: true, safe: true, why: 'Tries again; nothing is changed by it.' },
    { action: 'skip', possible: true, safe: false, why: without },
    compensateOption(undo),
  ];
}

/** The ways out when taking back a change failed. */
export function undoOptions(change: Change): OperatorOption[] {
  return [
    {
      action: 'retry',
      possible: true,
      safe: true,
      why: 'Taking back is idempotent: it goes on from whatever the last attempt left.',
    },
    {
      action: 'skip',
      possible: true,
      safe: false,
      why: `Leaves "${change.title}" in place and goes on with the changes before it. Only when it has been taken back by hand.`,
    },
    {
      action: 'compensate',
      possible: false,
      safe: false,
      why: 'That is what is being done.',
    },
  ];
}
