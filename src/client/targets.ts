import type { Client } from '@temporalio/client';
import type { OperationStatus } from '../domain/operation.ts';
import { openGatesOf, type OpenGate } from './context.ts';
import { CommandError } from './errors.ts';
import { describe, getStatus, operationsOfSite, type WorkflowRef } from './operations.ts';
import { settled } from './silent.ts';

/**
 * Workflows that a word on the command line means: with a slash a workflow id, else a site with all its operations,
 * the roadmap first.
 *
 * @throws CommandError when there are none
 */
export async function workflowsOf(client: Client, target: string): Promise<WorkflowRef[]> {
  if (target.includes('/')) {
    const found = await describe(client, target);
    if (found === null) throw new CommandError('notFound', `There is no workflow ${target}.`);
    return [found];
  }
  const found = await operationsOfSite(client, target);
  if (found.length === 0) {
    throw new CommandError(
      'notFound',
      `Nothing was started for a site ${target} yet; \`presslift migrate ${target}\` starts the roadmap.`,
    );
  }
  return found;
}

/** Status of every running workflow that the word means and that answers. */
export async function runningStatuses(client: Client, target: string): Promise<OperationStatus[]> {
  const running = (await workflowsOf(client, target)).filter((workflow) => workflow.running);
  const ids = running.map(({ workflowId }) => workflowId);
  const asked = ids.map((id) => getStatus(client, id));
  return (await settled<OperationStatus>(ids, asked)).answers;
}

const statesText = (statuses: OperationStatus[]) =>
  statuses.length === 0
    ? 'nothing of it is running'
    : statuses.map(({ workflowId, state }) => `${workflowId} is ${state}`).join(', ');

/**
 * The one open gate that is meant.
 *
 * @throws CommandError when there is none, or more than one
 */
export async function theOpenGate(
  client: Client,
  target: string,
  gateId: string | undefined,
): Promise<OpenGate> {
  const statuses = await runningStatuses(client, target);
  const open = statuses.flatMap((status) => openGatesOf(status));
  const meant = open.filter(({ gate }) => gateId === undefined || gate.id === gateId);
  const [first, second] = meant;
  if (first === undefined) {
    const others = open.map(({ gate }) => gate.id).join(', ');
    throw new CommandError(
      'notFound',
      gateId !== undefined && open.length > 0
        ? `No gate ${gateId} is open for ${target}; open: ${others}.`
        : `No gate is open for ${target}: ${statesText(statuses)}.`,
    );
  }
  if (second !== undefined) {
    const choices = meant.map(({ status, gate }) => `${status.workflowId} (gate ${gate.id})`);
    throw new CommandError(
      'usage',
      `Several gates are open; name the workflow instead of the site: ${choices.join(', ')}.`,
    );
  }
  return first;
}

/**
 * The one running workflow that asks for an operator.
 *
 * @throws CommandError when there is none, or more than one
 */
export async function theAskingOperation(client: Client, target: string): Promise<OperationStatus> {
  const statuses = await runningStatuses(client, target);
  const asking = statuses.filter(({ operatorQuestion }) => operatorQuestion !== null);
  const [first, second] = asking;
  if (first === undefined) {
    throw new CommandError(
      'notFound',
      `No operator is asked for ${target}: ${statesText(statuses)}.`,
    );
  }
  if (second !== undefined) {
    const ids = asking.map(({ workflowId }) => workflowId).join(', ');
    throw new CommandError('usage', `Several operations ask; name one of them: ${ids}.`);
  }
  return first;
}

/**
 * The workflow that `pause`, `resume` and `abort` speak to: the operation that another one runs in (a roadmap, a drill)
 * tells its parts; where several run beside each other, the roadmap.
 */
export async function theRunningWorkflow(client: Client, target: string): Promise<WorkflowRef> {
  const running = (await workflowsOf(client, target)).filter((workflow) => workflow.running);
  const whole = running.filter(
    ({ parent }) => !running.some(({ workflowId }) => workflowId === parent),
  );
  const [first] = whole;
  if (first === undefined) {
    throw new CommandError('notFound', `Nothing of ${target} is running.`);
  }
  const roadmap = whole.find(({ type }) => type === 'roadmap');
  if (roadmap === undefined && whole.length > 1) {
    const ids = whole.map(({ workflowId }) => workflowId).join(', ');
    throw new CommandError('usage', `Several operations run; name one of them: ${ids}.`);
  }
  return roadmap ?? first;
}
