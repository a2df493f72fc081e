import { readFile } from 'node:fs/promises';
import { history } from './operations.ts';

/** What stands for one activity of one run of a workflow in the list of kills. */
export const activityKey = (runId: string, activityId: string) => `${runId} ${activityId}`;

/** Every activity that completed in the newest run of a workflow, by the key above and by its name. */
export async function completedKeys(workflowId: string): Promise<Map<string, string>> {
  const events = await history(workflowId);
  const [started] = events;
  const runId = started?.workflowExecutionStartedEventAttributes?.originalExecutionRunId ?? '';
  const scheduled = new Map(
    events.map(({ eventId, activityTaskScheduledEventAttributes: asked }) => [eventId, asked]),
  );
  const completed = new Map<string, string>();
  for (const { activityTaskCompletedEventAttributes: done } of events) {
    const asked = done && scheduled.get(done.scheduledEventId);
    if (asked) completed.set(activityKey(runId, asked.activityId), asked.activityType.name);
  }
  return completed;
}

/** Names of the activities of a workflow that completed without a worker having been killed at their end. */
export async function spared(workflowId: string, ledger: string): Promise<string[]> {
  const killed = new Set((await readFile(ledger, 'utf8')).split('\n'));
  return [...(await completedKeys(workflowId))]
    .filter(([key]) => !killed.has(key))
    .map(([, name]) => name);
}

/** Ids of the workflows that a workflow has started as its children. */
export async function childrenOf(workflowId: string): Promise<string[]> {
  const events = await history(workflowId);
  return events.flatMap(
    (event) =>
      event.childWorkflowExecutionStartedEventAttributes?.workflowExecution.workflowId ?? [],
  );
}
