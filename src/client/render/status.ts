import type { CriterionResult } from '../../domain/criterion.ts';
import type { GateStatus } from '../../domain/gate.ts';
import type { OperationState, OperationStatus, Step, StepState } from '../../domain/operation.ts';
import type { RunningActivity } from '../activities.ts';
import { indent, printable, type Paint, type Style } from '../terminal.ts';
import { activityText } from './activities.ts';
import { renderFinding } from './plan.ts';
import { short } from './short.ts';
import { elapsedBetween, timeText } from './time.ts';

const marks: Record<StepState, { mark: string; style: Style }> = {
  pending: { mark: '·', style: 'dim' },
  running: { mark: '▶', style: 'cyan' },
  done: { mark: '✓', style: 'green' },
  failed: { mark: '✗', style: 'red' },
  skipped: { mark: '–', style: 'dim' },
  undone: { mark: '↶', style: 'yellow' },
};

function stateStyle(state: OperationState): Style {
  if (state === 'done') return 'green';
  if (['failed', 'rejected', 'expired', 'undone', 'aborted'].includes(state)) return 'red';
  return ['waiting-for-approval', 'needs-operator', 'paused'].includes(state) ? 'yellow' : 'cyan';
}

const padded = (text: string, width: number) => text + ' '.repeat(Math.max(0, width - text.length));

function renderSteps(steps: Step[], now: Date, paint: Paint): string {
  const titles = steps.map((step) => printable(step.title));
  const width = Math.min(60, Math.max(0, ...titles.map((title) => title.length)));
  return steps
    .map((step, index) => {
      const { mark, style } = marks[step.state];
      const time = elapsedBetween(step.startedAt, step.endedAt, now);
      const line = `${paint(style, mark)} ${padded(titles[index] ?? '', width)}  ${time.padStart(10)}`;
      const remark =
        step.error !== null
          ? paint('red', printable(step.error))
          : step.result === null
            ? ''
            : paint('dim', short(step.result));
      return remark === '' ? line.trimEnd() : `${line}  ${remark}`;
    })
    .join('\n');
}

/** Commands that decide at a gate, to be pasted. */
function gateCommands(status: OperationStatus, gate: GateStatus): string {
  return [
    `presslift approve ${status.workflowId} --gate ${gate.id} --as <you>`,
    `presslift reject ${status.workflowId} --gate ${gate.id} --as <you> --reason <why>`,
  ].join('\n');
}

export function renderGate(status: OperationStatus, gate: GateStatus, paint: Paint): string {
  const approved = gate.decisions.filter(({ decision }) => decision === 'approve').length;
  const asked = [...gate.approvers, ...(gate.escalated ? gate.deputies : [])].join(', ');
  const style = gate.state === 'open' ? 'yellow' : gate.state === 'approved' ? 'green' : 'red';
  const lines = [
    printable(gate.question),
    ...(gate.state === 'open' && gate.body !== undefined ? [printable(gate.body.trim())] : []),
    `digest ${gate.digest}`,
    ...(gate.state === 'open'
      ? [
          `${approved} of ${gate.quorum} approvals; asked: ${printable(asked)}; until ${timeText(gate.deadline)}`,
          ...(gate.twoPerson
            ? [`two persons: not by ${printable(status.requestedBy ?? 'whoever asked for it')}`]
            : []),
        ]
      : []),
    ...gate.decisions.map(
      ({ decision, approver, at, via, reason }) =>
        `${decision} by ${printable(approver)} at ${timeText(at)} (${via})${reason === null ? '' : `: ${printable(reason)}`}`,
    ),
    ...gate.refused.map(({ decision, approver, refusal }) =>
      paint('dim', `not counted: ${decision} by ${printable(approver)}: ${printable(refusal)}`),
    ),
    ...(gate.state === 'open' ? [gateCommands(status, gate)] : []),
  ];
  return `Gate ${paint('bold', gate.id)} ${paint(style, gate.state)}\n${indent(lines.join('\n'), 2)}`;
}

function renderQuestion({ operatorQuestion, workflowId }: OperationStatus, paint: Paint): string[] {
  if (operatorQuestion === null) return [];
  const { step, error, failureType, options, since } = operatorQuestion;
  const lines = [
    `${failureType}: ${printable(error)}`,
    ...options.map(({ action, possible, safe, why }) => {
      const word = possible
        ? safe
          ? paint('green', 'safe')
          : paint('yellow', 'not safe')
        : paint('red', 'not possible');
      return `presslift ${action} ${workflowId} --as <you>   ${word}: ${printable(why)}`;
    }),
  ];
  const head = `${paint('yellow', 'An operator is asked')} since ${timeText(since)}, in the step ${printable(step)}`;
  return [`${head}\n${indent(lines.join('\n'), 2)}`];
}

/** The measured success criteria, failed ones with what was wanted. */
export function renderCriteria(criteria: CriterionResult[], paint: Paint): string {
  return criteria
    .map(({ pass, title, measured, target }) => {
      const mark = pass ? paint('green', '✓') : paint('red', '✗');
      const value = measured === null ? 'no data' : short(measured);
      return `${mark} ${printable(title)}: ${value}${pass ? '' : `, wanted ${short(target)}`}`;
    })
    .join('\n');
}

/**
 * One operation as a person reads it: state, what it waits for, steps, how far what runs now is, gates, criteria.
 *
 * @param status with `activities` where they are known
 */
export function renderStatus(
  status: OperationStatus & { activities?: RunningActivity[] },
  now: Date,
  paint: Paint,
): string {
  const by = status.requestedBy === null ? '' : ` for ${printable(status.requestedBy)}`;
  const head = `${paint('bold', `${status.operation} of ${status.site}`)} ${paint(stateStyle(status.state), status.state)}`;
  const waiting =
    status.waitingFor === null
      ? []
      : [
          `Waits for ${status.waitingFor.workflowId}, which has the site's lock since ${timeText(status.waitingFor.since)}.`,
        ];
  const asked = [
    { what: 'Pause', request: status.pause },
    { what: 'Abort', request: status.abort },
  ].flatMap(({ what, request }) => {
    // An older workflow run may not have the field.
    if (!request) return [];
    const why = request.reason === null ? '' : `: ${printable(request.reason)}`;
    return [`${what} asked for by ${printable(request.by ?? 'somebody')}${why}.`];
  });
  const closedGates = status.gates.filter(({ state }) => state !== 'open');
  const openGates = status.gates.filter(({ state }) => state === 'open');
  const findings = status.findings.filter(({ level }) => level !== 'info');
  const sections = [
    `${head}\n${paint('dim', `${status.workflowId}, started ${timeText(status.startedAt)}${by}`)}`,
    ...waiting,
    ...asked,
    renderSteps(status.steps, now, paint),
    (status.activities ?? [])
      .map((activity) => activityText(activity, now, paint))
      .filter((line) => line !== null)
      .join('\n'),
    findings.map((finding) => renderFinding(finding, paint)).join('\n'),
    status.drift
      .map(({ title }) => `${paint('yellow', 'changed since the approval:')} ${printable(title)}`)
      .join('\n'),
    ...closedGates.map((gate) => renderGate(status, gate, paint)),
    ...(status.recoveryPoint === null
      ? []
      : [
          `Recovery point ${status.recoveryPoint.id}, taken ${timeText(status.recoveryPoint.takenAt)}`,
        ]),
    status.criteria.length === 0
      ? ''
      : `Criteria\n${indent(renderCriteria(status.criteria, paint), 2)}`,
    status.ignored
      .map(({ name, by: sender, why }) =>
        paint(
          'dim',
          `not followed: ${printable(name)} by ${printable(sender ?? 'somebody')}: ${printable(why)}`,
        ),
      )
      .join('\n'),
    ...renderQuestion(status, paint),
    ...openGates.map((gate) => renderGate(status, gate, paint)),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}
