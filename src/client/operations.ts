import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type Client,
} from '@temporalio/client';
import type { DecideInput, Decision } from '../domain/gate.ts';
import { TASK_QUEUE, workflowIds } from '../domain/identifiers.ts';
import { queries, signals, updates } from '../domain/messages.ts';
import type {
  OperationInput,
  OperationReport,
  OperationStatus,
  OperatorDecision,
  OperatorNote,
  PhaseOperation,
  RoadmapInput,
  RoadmapReport,
  RoadmapStatus,
} from '../domain/operation.ts';
import type { DigestedPlan } from '../domain/plan.ts';
import { searchAttributes } from '../domain/search-attributes.ts';

/**
 * What the command line does to workflows, as functions for programs. Each takes a connected Temporal client and names
 * workflows by id; what Temporal answers comes back typed, and what Presslift refuses as an error of this file.
 */

/** How long a query or update may take: without a worker nobody answers. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The same operation runs already for this site. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError';
  readonly workflowId: string;

  constructor(workflowId: string) {
    super(`${workflowId} is running already`);
    this.workflowId = workflowId;
  }
}

/** A decision or an operator's word that the workflow did not accept; the message is the workflow's reason. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

export interface Started {
  workflowId: string;
  runId: string;
}

export interface WorkflowRef extends Started {
  type: string;
  running: boolean;
  startedAt: string;
}

async function start(
  client: Client,
  type: string,
  workflowId: string,
  input: RoadmapInput,
): Promise<Started> {
  try {
    const handle = await client.workflow.start(type, {
      taskQueue: TASK_QUEUE,
      workflowId,
      args: [input],
      workflowIdConflictPolicy: 'FAIL',
    });
    return { workflowId, runId: handle.firstExecutionRunId };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      throw new AlreadyRunningError(workflowId);
    }
    throw error;
  }
}

/** Starts `roadmap` for a site. @throws AlreadyRunningError */
export function startMigration(client: Client, input: RoadmapInput): Promise<Started> {
  return start(client, 'roadmap', workflowIds.roadmap(input.site), input);
}

/** Starts one phase of a site alone. @throws AlreadyRunningError */
export function startOperation(
  client: Client,
  type: PhaseOperation,
  input: OperationInput,
): Promise<Started> {
  return start(client, type, workflowIds.operation(input.site, type), input);
}

const withDeadline = <T>(client: Client, work: () => Promise<T>) =>
  client.connection.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, work);

/** Where an operation is. Also answers for one that has ended. */
export function getStatus(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<OperationStatus | RoadmapStatus> {
  const handle = client.workflow.getHandle(workflowId, runId);
  return withDeadline(client, () => handle.query(queries.status));
}

/** The plan of an operation with its digest, or null before there is one. */
export function getPlan(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<DigestedPlan | null> {
  const handle = client.workflow.getHandle(workflowId, runId);
  return withDeadline(client, () => handle.query(queries.plan));
}

async function update<Output, Input>(
  client: Client,
  workflowId: string,
  name: string,
  input: Input,
): Promise<Output> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    return await withDeadline(client, () =>
      handle.executeUpdate<Output, [Input]>(name, { args: [input] }),
    );
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) {
      throw new RefusedError((error.cause ?? error).message, { cause: error });
    }
    throw error;
  }
}

/** Approves or rejects what an open gate asks. @throws RefusedError */
export function decide(client: Client, workflowId: string, input: DecideInput): Promise<Decision> {
  return update(client, workflowId, updates.decide, input);
}

/** Answers an operation in `needs-operator`. @throws RefusedError */
export function answerOperator(
  client: Client,
  workflowId: string,
  input: OperatorDecision,
): Promise<OperatorDecision> {
  return update(client, workflowId, updates.operator, input);
}

/** Asks a workflow to hold, go on or stop. It is taken up at the next step; `getStatus` shows when. */
export async function control(
  client: Client,
  workflowId: string,
  name: 'pause' | 'resume' | 'abort',
  note: OperatorNote,
): Promise<void> {
  await client.workflow.getHandle(workflowId).signal(signals[name], note);
}

/** What a workflow is now, or null when there is none of that id. */
export async function describe(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<WorkflowRef | null> {
  try {
    const found = await client.workflow.getHandle(workflowId, runId).describe();
    return {
      workflowId: found.workflowId,
      runId: found.runId,
      type: found.type,
      running: found.status.name === 'RUNNING',
      startedAt: found.startTime.toISOString(),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

const phaseOperations: PhaseOperation[] = ['prerequisites', 'hybridStorage'];

/** The newest run of every operation of a site that Temporal still knows, the roadmap first. */
export async function operationsOfSite(client: Client, site: string): Promise<WorkflowRef[]> {
  // By id, not by search: what was started a moment ago is there at once.
  const ids = [
    workflowIds.roadmap(site),
    ...phaseOperations.map((type) => workflowIds.operation(site, type)),
  ];
  const found = await Promise.all(ids.map((id) => describe(client, id)));
  return found.filter((workflow) => workflow !== null);
}

/** Every running workflow that waits for a person, by search attributes (may be a second behind). */
export async function waitingWorkflows(client: Client): Promise<string[]> {
  const { gate, state } = searchAttributes;
  const query =
    `ExecutionStatus = "Running" AND ((${gate.name} IS NOT NULL AND ${gate.name} != "none")` +
    ` OR ${state.name} = "needs-operator" OR ${state.name} = "paused")`;
  const ids: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId);
  return ids.sort();
}

/** Status of a workflow and, for a roadmap, of its phases that have begun. */
export async function getStatuses(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<OperationStatus[]> {
  const status = await getStatus(client, workflowId, runId);
  const children = 'children' in status ? status.children : [];
  const begun = children.filter((child) => child.runId !== null);
  const phases = await Promise.all(
    begun.map((child) => getStatus(client, child.workflowId, child.runId ?? undefined)),
  );
  return [status, ...phases];
}

/** How a workflow ended: its report, or why it failed. */
export type Ending =
  | { report: OperationReport | RoadmapReport; failure: null }
  | { report: null; failure: { type: string | null; message: string } };

/** Waits until a workflow run is closed and says how it ended. */
export async function ending(client: Client, { workflowId, runId }: Started): Promise<Ending> {
  try {
    const handle = client.workflow.getHandle(workflowId, runId);
    return { report: (await handle.result()) as OperationReport, failure: null };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    return { report: null, failure: rootFailure(error) };
  }
}

/** The failure that started it all: workflow and activity failures only wrap it. */
function rootFailure(error: WorkflowFailedError): { type: string | null; message: string } {
  let at: Error = error;
  while (at.cause instanceof Error) at = at.cause;
  const { type } = at as { type?: unknown };
  return { type: typeof type === 'string' ? type : null, message: at.message };
}
