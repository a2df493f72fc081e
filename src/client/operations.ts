import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type Client,
  type WorkflowExecutionInfo,
} from '@temporalio/client';
import type { DecideInput, Decision } from '../domain/gate.ts';
import { compactTime, TASK_QUEUE, workflowIds } from '../domain/identifiers.ts';
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
import type { BackupInput, RestoreDrillInput, RollbackInput } from '../domain/recovery/request.ts';
import { searchAttributes } from '../domain/search-attributes.ts';
import { pendingOf, type RunningActivity } from './activities.ts';

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
  /** Workflow id of the operation that started it as a part of itself. */
  parent: string | null;
}

/** Starts a workflow that must not run yet. @throws AlreadyRunningError */
export async function start(
  client: Client,
  type: string,
  workflowId: string,
  input: { site: string },
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

/** Starts `backup`: a recovery point off the cluster. @throws AlreadyRunningError */
export function startBackup(client: Client, input: BackupInput): Promise<Started> {
  return start(client, 'backup', workflowIds.backup(input.site, compactTime(new Date())), input);
}

/** Starts `restoreDrill`. @throws AlreadyRunningError */
export function startDrill(client: Client, input: RestoreDrillInput): Promise<Started> {
  const workflowId = workflowIds.drill(input.site, compactTime(new Date()));
  return start(client, 'restoreDrill', workflowId, input);
}

/** Starts `rollback`. @throws AlreadyRunningError */
export function startRollback(client: Client, input: RollbackInput): Promise<Started> {
  const workflowId = workflowIds.rollback(input.site, compactTime(new Date()));
  return start(client, 'rollback', workflowId, input);
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
    return refOf(await client.workflow.getHandle(workflowId, runId).describe());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

const refOf = (found: Omit<WorkflowExecutionInfo, 'raw'>): WorkflowRef => ({
  workflowId: found.workflowId,
  runId: found.runId,
  type: found.type,
  running: found.status.name === 'RUNNING',
  startedAt: found.startTime.toISOString(),
  parent: found.parentExecution?.workflowId ?? null,
});

const phaseOperations: PhaseOperation[] = ['prerequisites', 'hybridStorage'];

/** The newest run of every phase of a site that Temporal still knows, the roadmap first. */
async function phasesOfSite(client: Client, site: string): Promise<WorkflowRef[]> {
  // By id, not by search: what was started a moment ago is there at once.
  const ids = [
    workflowIds.roadmap(site),
    ...phaseOperations.map((type) => workflowIds.operation(site, type)),
  ];
  const found = await Promise.all(ids.map((id) => describe(client, id)));
  return found.filter((workflow) => workflow !== null);
}

/** Recovery operations by workflow type, with the folder of their workflow ids. */
const recoveryFolders = { rollback: 'rollback', restoreDrill: 'drill', backup: 'backup' } as const;

/** What runs of one type of recovery operation, else the newest that has ended. */
async function newestOfType(
  client: Client,
  site: string,
  type: keyof typeof recoveryFolders,
): Promise<WorkflowRef[]> {
  // By id, not by search attribute: one that a wrong site file stopped has none.
  const prefix = `${site}/${recoveryFolders[type]}/`;
  const query = `WorkflowType = "${type}" AND WorkflowId STARTS_WITH "${prefix}"`;
  const running: WorkflowRef[] = [];
  for await (const found of client.workflow.list({
    query: `${query} AND ExecutionStatus = "Running"`,
  })) {
    running.push(refOf(found));
  }
  if (running.length > 0) return running.sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  // Temporal lists the one that ended last first.
  for await (const found of client.workflow.list({ query, pageSize: 1 })) return [refOf(found)];
  return [];
}

/**
 * The newest run of every operation of a site that Temporal still knows: the roadmap and its phases, then rollback, drill
 * and backup (from the search index, which may be a second behind).
 */
export async function operationsOfSite(client: Client, site: string): Promise<WorkflowRef[]> {
  const types = Object.keys(recoveryFolders) as (keyof typeof recoveryFolders)[];
  const found = await Promise.all([
    phasesOfSite(client, site),
    ...types.map((type) => newestOfType(client, site, type)),
  ]);
  return found.flat();
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

/** A status with what the workflow waits for besides persons. */
export interface OperationView extends OperationStatus {
  activities: RunningActivity[];
}

/**
 * Status of a workflow and of the operations that are a part of it: the phases of a roadmap that have begun, the running
 * backup of a drill.
 */
export async function getStatuses(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<OperationView[]> {
  const [status, pending] = await Promise.all([
    getStatus(client, workflowId, runId),
    pendingOf(client, workflowId, runId),
  ]);
  const children = 'children' in status ? status.children : [];
  const phases = await Promise.all(
    children.flatMap(({ workflowId: id, runId: run }) =>
      run === null ? [] : [viewOf(client, id, run)],
    ),
  );
  // One that has just begun or ended may not answer; the whole has told what there is to know of it.
  const parts = await Promise.all(
    ('children' in status ? [] : pending.children).map((id) =>
      viewOf(client, id).catch(() => null),
    ),
  );
  const view = { ...status, activities: pending.activities };
  return [view, ...phases, ...parts.filter((part) => part !== null)];
}

async function viewOf(client: Client, workflowId: string, runId?: string): Promise<OperationView> {
  const [status, { activities }] = await Promise.all([
    getStatus(client, workflowId, runId),
    pendingOf(client, workflowId, runId),
  ]);
  return { ...status, activities };
}

/** How a workflow ended: its report, or why it failed and the report that came with that. */
export type Ending =
  { report: OperationReport | RoadmapReport; failure: null } | { report: null; failure: Failure };

export interface Failure {
  type: string | null;
  message: string;
  /** What a failed operation found, such as the criteria that a drill did not meet. */
  report: OperationReport | null;
}

/** Waits until a workflow run is closed and gives its result, or why it failed. */
export async function outcome<T>(
  client: Client,
  { workflowId, runId }: Started,
): Promise<{ result: T; failure: null } | { result: null; failure: Failure }> {
  try {
    const handle = client.workflow.getHandle(workflowId, runId);
    return { result: (await handle.result()) as T, failure: null };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    return { result: null, failure: rootFailure(error) };
  }
}

/** Waits until an operation is closed and says how it ended. */
export async function ending(client: Client, started: Started): Promise<Ending> {
  const { result, failure } = await outcome<OperationReport | RoadmapReport>(client, started);
  return failure === null ? { report: result, failure } : { report: null, failure };
}

/** The failure that started it all: workflow and activity failures only wrap it. The report is the outermost one. */
function rootFailure(error: WorkflowFailedError): Failure {
  let report: OperationReport | null = null;
  let at: Error = error;
  for (;;) {
    const { details } = at as { details?: unknown[] };
    const [first] = Array.isArray(details) ? details : [];
    report ??= (first as { report?: OperationReport } | null | undefined)?.report ?? null;
    if (!(at.cause instanceof Error)) break;
    at = at.cause;
  }
  const { type } = at as { type?: unknown };
  return { type: typeof type === 'string' ? type : null, message: at.message, report };
}
