/** Starting operations and deciding at their gates, as people do it. */
import type { OperationState, OperationStatus } from '../../../src/domain/operation.ts';
import { eventually, presslift, temporal } from './platform.ts';

/** The status of an operation by the `temporal` CLI's query, so that `presslift` is not its own witness. */
export async function status(workflowId: string): Promise<OperationStatus> {
  const out = await temporal([
    'workflow',
    'query',
    '--workflow-id',
    workflowId,
    '--type',
    'status',
    '--output',
    'json',
  ]);
  const answer = JSON.parse(out) as { queryResult: OperationStatus[] };
  const [found] = answer.queryResult;
  if (found === undefined) throw new Error(`no status in ${out}`);
  // The CLI writes an empty list as null.
  const { criteria, findings, gates, ignored, steps } = found;
  return {
    ...found,
    criteria: criteria ?? [],
    findings: findings ?? [],
    gates: gates ?? [],
    ignored: ignored ?? [],
    steps: steps ?? [],
  };
}

export const untilState = (workflowId: string, state: OperationState, timeoutMs = 240_000) =>
  eventually(
    `${workflowId} in state ${state}`,
    async () => {
      const now = await status(workflowId);
      return now.state === state ? now : undefined;
    },
    { timeoutMs },
  );

/** The digest that the open gate of an operation asks about. */
export async function openGateDigest(workflowId: string, gate = 'apply'): Promise<string> {
  return eventually(`open gate ${gate} of ${workflowId}`, async () => {
    const now = await status(workflowId);
    return now.gates.find(({ id, state }) => id === gate && state === 'open')?.digest;
  });
}

export const startWithTemporal = (type: string, workflowId: string, input: object) =>
  temporal([
    'workflow',
    'start',
    '--type',
    type,
    '--task-queue',
    'presslift',
    '--workflow-id',
    workflowId,
    '--input',
    JSON.stringify(input),
  ]);

export const signal = (workflowId: string, name: string, input: object) =>
  temporal([
    'workflow',
    'signal',
    '--workflow-id',
    workflowId,
    '--name',
    name,
    '--input',
    JSON.stringify(input),
  ]);

/** How a workflow run was closed, in Temporal's word; undefined while it runs. */
export async function closedAs(workflowId: string): Promise<string | undefined> {
  const out = await temporal([
    'workflow',
    'describe',
    '--workflow-id',
    workflowId,
    '--output',
    'json',
  ]);
  const { workflowExecutionInfo } = JSON.parse(out) as {
    workflowExecutionInfo: { status: string };
  };
  const now = workflowExecutionInfo.status.replace('WORKFLOW_EXECUTION_STATUS_', '');
  return now === 'RUNNING' ? undefined : now;
}

/** Waits until a workflow run is closed and returns the status that Temporal gives it. */
export const untilClosed = (workflowId: string, timeoutMs = 600_000) =>
  eventually(`${workflowId} closed`, () => closedAs(workflowId), { timeoutMs, everyMs: 1_000 });

/** What a closed workflow returned. */
export async function resultOf<T>(workflowId: string): Promise<T> {
  const out = await temporal([
    'workflow',
    'result',
    '--workflow-id',
    workflowId,
    '--output',
    'json',
  ]);
  return (JSON.parse(out) as { result: T }).result;
}

export interface HistoryEvent {
  eventId: string;
  eventType: string;
  workflowExecutionStartedEventAttributes?: { originalExecutionRunId: string };
  activityTaskScheduledEventAttributes?: { activityId: string; activityType: { name: string } };
  activityTaskCompletedEventAttributes?: { scheduledEventId: string };
  childWorkflowExecutionStartedEventAttributes?: { workflowExecution: { workflowId: string } };
  workflowExecutionFailedEventAttributes?: { failure: WorkflowFailure };
}

/** Why a workflow failed, as its history has it. */
export interface WorkflowFailure {
  message: string;
  cause?: WorkflowFailure;
  applicationFailureInfo?: { type: string };
}

/** Type and message of the failure that a closed workflow ended with. */
export async function failureOf(workflowId: string): Promise<{ type: string; message: string }> {
  const closing = (await history(workflowId)).at(-1)?.workflowExecutionFailedEventAttributes;
  if (closing === undefined) throw new Error(`${workflowId} has not failed`);
  const { message, applicationFailureInfo } = closing.failure;
  return { type: applicationFailureInfo?.type ?? '', message };
}

export async function history(workflowId: string): Promise<HistoryEvent[]> {
  const out = await temporal(['workflow', 'show', '--workflow-id', workflowId, '--output', 'json']);
  return (JSON.parse(out) as { events: HistoryEvent[] }).events;
}

/** How often each activity completed in a workflow's history. */
export async function completedActivities(workflowId: string): Promise<Map<string, number>> {
  const events = await history(workflowId);
  const names = new Map(
    events.map((event) => [
      event.eventId,
      event.activityTaskScheduledEventAttributes?.activityType.name,
    ]),
  );
  const counts = new Map<string, number>();
  for (const event of events) {
    const scheduled = event.activityTaskCompletedEventAttributes?.scheduledEventId;
    const name = scheduled === undefined ? undefined : names.get(scheduled);
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

export async function approve(target: string, digest: string, as = 'alice') {
  const result = await presslift(['approve', target, '--as', as, '--yes', '--digest', digest]);
  if (result.status !== 0) {
    throw new Error(`approve ended with ${result.status}: ${result.stderr || result.stdout}`);
  }
}
