import type { OperationStatus } from '../../domain/operation.ts';
import { printable } from '../terminal.ts';
import { short } from './short.ts';
import { elapsedBetween, timeText } from './time.ts';

const statesWorthALine = new Set([
  'waiting-for-lock',
  'needs-operator',
  'compensating',
  'paused',
  'done',
  'rejected',
  'expired',
  'failed',
  'undone',
  'aborted',
]);

/**
 * What happened between two looks at an operation, one plain line each; everything so far when there was no look
 * before. For logs and for terminals that cannot be redrawn.
 */
export function linesBetween(before: OperationStatus | null, after: OperationStatus): string[] {
  const now = new Date();
  const known = new Map(before?.steps.map((step) => [step.id, step]));
  const steps = after.steps.flatMap((step) => {
    const former = known.get(step.id);
    const same = former?.state === step.state && former.startedAt === step.startedAt;
    if (same || step.state === 'pending') return [];
    const time = elapsedBetween(step.startedAt, step.endedAt, now);
    const detail = step.error ?? (step.result === null ? '' : short(step.result));
    const suffix = step.state === 'running' ? '' : `${time === '' ? '' : ` (${time})`}`;
    return [
      `${step.state}: ${printable(step.title)}${suffix}${detail === '' ? '' : `: ${printable(detail)}`}`,
    ];
  });
  const gates = after.gates.flatMap((gate, index) => {
    const former = before?.gates[index];
    if (former?.state !== gate.state) {
      return gate.state === 'open'
        ? [
            `gate ${gate.id} asks: ${printable(gate.question)} (${gate.quorum} of ${gate.approvers.join(', ')}, until ${timeText(gate.deadline)})`,
          ]
        : [`gate ${gate.id} is ${gate.state}`];
    }
    return gate.decisions
      .slice(former.decisions.length)
      .map(({ decision, approver }) => `${decision} by ${printable(approver)} at gate ${gate.id}`);
  });
  const question = after.operatorQuestion;
  const asked =
    question !== null && before?.operatorQuestion?.since !== question.since
      ? [`an operator is asked in ${printable(question.step)}: ${printable(question.error)}`]
      : [];
  const state =
    before?.state !== after.state && statesWorthALine.has(after.state)
      ? [`state: ${after.state}`]
      : [];
  return [...steps, ...gates, ...asked, ...state].map((line) => `${after.workflowId}  ${line}`);
}
