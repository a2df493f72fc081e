import type { DigestedPlan, Finding, Plan } from '../../domain/plan.ts';
import type { GateQuestion } from './gate.ts';
import type { Operation } from './operation.ts';
import { OperationEnded } from './problems.ts';
import { outlookText } from './recovery-point.ts';
import type { PointOutlook } from './recovery-point.ts';
import type { Round, StepName } from './round.ts';
import type { ExtraGate } from './shape.ts';

/** What a gate's question is made from. */
export interface Asking {
  planned: DigestedPlan;
  round: Round;
  outlook: PointOutlook;
}

/** The steps of all gates that a plan needs, in their order. */
export function gateSteps(operation: Operation, plan: Plan, round: Round): StepName[] {
  const extra = extraGates(operation, plan).map(({ gate }) => round.gate(gate.id, gate.title));
  return [applyStep(round), ...extra];
}

/**
 * A person approves the plan's digest, and then whatever else the plan's findings make a question of.
 *
 * @throws OperationEnded where a gate is rejected or expires.
 */
export async function approvePlan(operation: Operation, asking: Asking): Promise<void> {
  const { planned, round, outlook } = asking;
  const { plan } = planned;
  const { site, operation: type } = operation.board.status;
  const count = plan.changes.length;
  await ask(operation, planned.digest, applyStep(round), {
    id: 'apply',
    question: `Apply ${count} change${count === 1 ? '' : 's'} of ${type} to ${site}?`,
    body: [
      ...plan.changes.map(({ title, target, risk }) => `- ${title} (${target}; risk ${risk})`),
      '',
      ...toKnow(plan),
      outlookText(outlook),
    ].join('\n'),
  });
  for (const { gate, found } of extraGates(operation, plan)) {
    await ask(operation, planned.digest, round.gate(gate.id, gate.title), {
      id: gate.id,
      question: gate.question,
      body: [found.message, found.advice].filter(Boolean).join(' '),
    });
  }
}

/** What the planner noticed, warnings first: who gets the message alone must know what is lost and what stays. */
function toKnow({ findings }: Plan): string[] {
  if (findings.length === 0) return [];
  const lines = (level: Finding['level']) =>
    findings
      .filter((found) => found.level === level)
      .flatMap(({ message, advice, evidence }) => [
        `- ${[message, advice].filter(Boolean).join(' ')}`,
        ...sentencesOf(evidence).map((sentence) => `  - ${sentence}`),
      ]);
  return ['To know before:', ...lines('warning'), ...lines('info'), ''];
}

/** A list of sentences belongs to the message; names and numbers are for whoever looks closer. */
function sentencesOf(evidence: Finding['evidence']): string[] {
  if (!Array.isArray(evidence)) return [];
  return evidence.filter((one): one is string => typeof one === 'string' && one.includes(' '));
}

function applyStep(round: Round): StepName {
  return round.gate('apply', 'Approval of the plan');
}

function extraGates(operation: Operation, plan: Plan): { gate: ExtraGate; found: Finding }[] {
  return operation.shape.extraGates.flatMap((gate) => {
    const found = plan.findings.find(({ id }) => id === gate.finding);
    return found === undefined ? [] : [{ gate, found }];
  });
}

async function ask(
  { board, steps, gates }: Operation,
  digest: string,
  { id, title }: StepName,
  question: Omit<GateQuestion, 'kind' | 'digest'>,
): Promise<void> {
  board.setState('waiting-for-approval');
  const closed = await steps.run(
    id,
    title,
    () => gates.ask({ ...question, kind: 'apply', digest }),
    ({ state, decisions }) => ({ state, by: decisions.map(({ approver }) => approver) }),
  );
  if (closed.state === 'approved') return;
  steps.fail(id, `The gate is ${closed.state}.`, { state: closed.state });
  throw new OperationEnded(closed.state === 'rejected' ? 'rejected' : 'expired');
}
