import { CancelledFailure } from '@temporalio/workflow';
import { compactTime } from '../../domain/identifiers.ts';
import type { Json } from '../../domain/json.ts';
import type { RecoveryPointsAnswers, RecoveryPointsInput } from '../../domain/recovery/request.ts';
import { runActivity } from './activities.ts';
import { runOperation } from './operation.ts';
import type { Operation } from './operation.ts';

type Action = RecoveryPointsInput['action'];
type Answer = RecoveryPointsAnswers[Action];

const titles: Record<Action, (point: string) => string> = {
  list: () => 'List the recovery points',
  show: (point) => `Show the recovery point ${point}`,
  pin: (point) => `Pin the recovery point ${point}`,
  unpin: (point) => `Take the pin from the recovery point ${point}`,
  verify: (point) => `Read and verify the recovery point ${point}`,
  prune: () => 'Remove recovery points past their time',
};

/** Runs what is asked for as one step. The body of the workflow `recoveryPoints`. */
export async function answerAbout(asked: RecoveryPointsInput): Promise<Answer> {
  const given: { answer: Answer | null } = { answer: null };
  await runOperation(
    'recoveryPoints',
    { site: asked.site, ...(asked.by === undefined ? {} : { requestedBy: asked.by }) },
    async (operation) => {
      const title = titles[asked.action](asked.point ?? '');
      const removes = asked.action === 'prune';
      operation.board.setState(removes ? 'applying' : 'observing');
      await operation.controls.holdWhilePaused();
      given.answer = await operation.steps.run(
        asked.action,
        title,
        () => answer(operation, asked, title),
        (answered) => summaryOf(answered),
      );
    },
    // Whoever asked waits for the answer; nobody else wants to hear of it.
    { lock: asked.action === 'prune', gates: false, tells: null },
  );
  if (given.answer === null) throw new CancelledFailure('Stopped');
  return given.answer;
}

async function answer(
  { board }: Operation,
  { action, point = '', by = 'somebody', reason = null }: RecoveryPointsAsked,
  title: string,
): Promise<Answer> {
  const { site, status } = board;
  const id = action === 'prune' ? `${compactTime(new Date(Date.now()))}-${site.name}-prune` : point;
  const input = { site, id, operationId: status.workflowId };
  switch (action) {
    case 'list':
      return runActivity('listRecoveryPoints', { site }, title);
    case 'show':
      return runActivity('showRecoveryPoint', { site, point }, title);
    case 'pin':
      return runActivity('pinRecoveryPoint', { site, point, pinned: { by, reason } }, title);
    case 'unpin':
      return runActivity('pinRecoveryPoint', { site, point, pinned: null }, title);
    case 'verify':
      return runActivity('verifyRecoveryPoint', input, title);
    case 'prune':
      return runActivity('applyRetention', input, title);
  }
}

type RecoveryPointsAsked = Omit<RecoveryPointsInput, 'reason'> & { reason?: string | null };

/** What the step shows of an answer; the whole is the workflow's result. */
function summaryOf(answered: Answer): Json {
  if (Array.isArray(answered)) return { count: answered.length };
  if ('removed' in answered) return { kept: answered.kept, removed: answered.removed };
  if ('point' in answered) return { id: answered.point.id, takenAt: answered.point.takenAt };
  return { pinned: answered.pinned, bad: answered.bad !== null };
}
