import type { CriterionResult } from '../../domain/criterion.ts';
import type { GateStatus } from '../../domain/gate.ts';
import type { Json } from '../../domain/json.ts';
import type { ControlRequest, OperationStatus, Step, StepState } from '../../domain/operation.ts';

const marks: Record<StepState, string> = {
  pending: '·',
  running: '▶',
  done: '✓',
  failed: '✗',
  skipped: '–',
  undone: '↶',
};

/** Text for one cell of a Markdown table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
}

function clock(iso: string | null): string {
  return iso === null ? '' : iso.slice(11, 19);
}

function stepRow(step: Step): string {
  const remark = cut(step.error ?? (step.result === null ? '' : JSON.stringify(step.result)));
  return `| ${marks[step.state]} | ${cell(step.title)} | ${clock(step.startedAt)} | ${clock(step.endedAt)} | ${cell(remark)} |`;
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

/** A measured value on one line. */
function brief(value: Json): string {
  return cut(JSON.stringify(value));
}

function command(workflowId: string, name: string, input: Record<string, string>): string {
  return `temporal workflow signal --workflow-id ${workflowId} --name ${name} --input '${JSON.stringify(input)}'`;
}

/** Command lines that answer an open gate; `<you>` is for the reader to fill in. */
export function gateCommands(
  workflowId: string,
  gate: Pick<GateStatus, 'id' | 'digest'>,
): string[] {
  const input = { gate: gate.id, digest: gate.digest, approver: '<you>' };
  return [
    command(workflowId, 'approve', input),
    command(workflowId, 'reject', { ...input, reason: '<why>' }),
  ];
}

/** Command lines that answer an operator question. */
export function operatorCommands(workflowId: string): string[] {
  return [
    command(workflowId, 'retry', { by: '<you>' }),
    command(workflowId, 'skip', { by: '<you>', reason: '<why>' }),
    command(workflowId, 'compensate', { by: '<you>' }),
  ];
}

function codeBlock(lines: string[]): string {
  return ['```sh', ...lines, '```'].join('\n');
}

function gateSection(status: OperationStatus): string[] {
  return status.gates
    .filter(({ state }) => state === 'open')
    .map((gate) => {
      const people = [...gate.approvers, ...(gate.escalated ? gate.deputies : [])].join(', ');
      const approvals = gate.decisions.filter(({ decision }) => decision === 'approve').length;
      return [
        `### Waiting for approval: ${gate.question}`,
        ...(gate.body === undefined ? [] : [gate.body]),
        `Plan \`${gate.digest}\`; ${approvals} of ${gate.quorum} approvals; asked: ${people}; until ${gate.deadline}.`,
        codeBlock(gateCommands(status.workflowId, gate)),
      ].join('\n\n');
    });
}

function operatorSection(status: OperationStatus): string[] {
  const question = status.operatorQuestion;
  if (question === null) return [];
  const options = question.options.map(
    ({ action, possible, safe, why }) =>
      `- **${action}** (${possible ? (safe ? 'safe' : 'not safe') : 'not possible'}): ${why}`,
  );
  return [
    [
      `### Waiting for an operator: ${question.step}`,
      question.error,
      options.join('\n'),
      codeBlock(operatorCommands(status.workflowId)),
    ].join('\n\n'),
  ];
}

/** Criteria counted, those that were not met in full. */
function criteriaSection(criteria: CriterionResult[]): string[] {
  if (criteria.length === 0) return [];
  const missed = criteria.filter(({ pass }) => !pass);
  return [
    [
      `Criteria met: ${criteria.length - missed.length} of ${criteria.length}.`,
      ...missed.map(
        ({ title, measured, target }) =>
          `- not met: ${title}: measured ${brief(measured)}, wanted ${brief(target)}`,
      ),
    ].join('\n'),
  ];
}

function requestLine(what: string, request: ControlRequest | null): string[] {
  if (request === null) return [];
  const reason = request.reason === null ? '' : `: ${request.reason}`;
  return [`${what} asked for by ${request.by ?? 'somebody'}${reason}.`];
}

/** The whole status as Markdown, for the Web UI's current details. */
export function renderDetails(status: OperationStatus): string {
  const waiting =
    status.waitingFor === null
      ? []
      : [
          `Waiting for \`${status.waitingFor.workflowId}\`, which has the site's lock since ${status.waitingFor.since}.`,
        ];
  const asked = [...requestLine('Pause', status.pause), ...requestLine('Abort', status.abort)];
  const findings = status.findings
    .filter(({ level }) => level !== 'info')
    .map(({ level, message }) => `- ${level}: ${message}`);
  return [
    `**${status.operation}** of **${status.site}**: ${status.state}`,
    ...waiting,
    ...asked,
    ...gateSection(status),
    ...operatorSection(status),
    ...(findings.length === 0 ? [] : [findings.join('\n')]),
    ...criteriaSection(status.criteria),
    [
      '| | step | from | to | |',
      '|---|---|---|---|---|',
      ...status.steps.map((step) => stepRow(step)),
    ].join('\n'),
  ].join('\n\n');
}
