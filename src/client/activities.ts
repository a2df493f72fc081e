import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { progressOf, type Progress } from '../domain/recovery/progress.ts';

/** One activity that a workflow waits for now. */
export interface RunningActivity {
  workflowId: string;
  /** Its name, such as `backUpFiles`. */
  type: string;
  /** Counted from 1. */
  attempt: number;
  /** When this attempt began, ISO 8601; null while it waits for a worker or for its next attempt. */
  since: string | null;
  /** How far it is, where its heartbeats say so. */
  progress: Progress | null;
  /** Why the attempt before failed. */
  lastFailure: string | null;
}

/** What a workflow waits for now, from Temporal itself: it is answered also while no worker runs. */
export interface Pending {
  activities: RunningActivity[];
  /** Ids of running operations that are a part of this one. */
  children: string[];
}

/** The activities and children that a workflow run waits for; none for a workflow that there is not. */
export async function pendingOf(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<Pending> {
  try {
    const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
    const activities = (raw.pendingActivities ?? []).map(async (activity) => ({
      workflowId,
      type: activity.activityType?.name ?? '',
      attempt: activity.attempt ?? 1,
      since: isoOf(activity.lastStartedTime?.seconds),
      progress: progressOf(await decoded(client, activity.heartbeatDetails?.payloads?.[0])),
      lastFailure: innermost(activity.lastFailure),
    }));
    const children = (raw.pendingChildren ?? []).map(({ workflowId: id }) => id ?? '');
    return { activities: await Promise.all(activities), children };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { activities: [], children: [] };
    throw error;
  }
}

/** A payload as the value that it was; null where the client has not the key to read it. */
async function decoded(client: Client, payload: Payload | undefined): Promise<unknown> {
  if (payload === undefined) return null;
  const { payloadCodecs, payloadConverter } = client.options.loadedDataConverter;
  try {
    let payloads = [payload];
    for (const codec of payloadCodecs) payloads = await codec.decode(payloads);
    return payloads[0] === undefined ? null : payloadConverter.fromPayload(payloads[0]);
  } catch {
    return null;
  }
}

const isoOf = (seconds: { toString(): string } | null | undefined) =>
  seconds === null || seconds === undefined
    ? null
    : new Date(Number(seconds.toString()) * 1_000).toISOString();

interface FailureMessage {
  message?: string | null;
  cause?: FailureMessage | null;
}

/** The message of the failure that caused all others. */
function innermost(failure: FailureMessage | null | undefined): string | null {
  if (failure === null || failure === undefined) return null;
  return innermost(failure.cause) ?? failure.message ?? null;
}
