import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { OperationStatus } from '../domain/operation.ts';
import { openGatesOf, type OpenGate } from './context.ts';
import { explain } from './errors.ts';
import { describe, ending, getStatuses, type Ending, type Started } from './operations.ts';
import { linesBetween } from './render/progress.ts';

const LOOK_EVERY_MS = 500;

export interface Follower {
  /** One plain line about what happened. */
  say: (line: string) => void;
  /** Called at every look at which a person is waited for; `stop` ends the following. */
  onWaiting: (waiting: Waiting) => Promise<'stop' | 'go on'>;
}

/** What waits for a person. */
export interface Waiting {
  gates: OpenGate[];
  /** Operations that ask an operator or are paused. */
  stopped: OperationStatus[];
}

export interface Followed {
  /** How it ended, or null when the following was stopped before. */
  ending: Ending | null;
  /** The last look: the workflow and its phases. */
  statuses: OperationStatus[];
}

function waitingIn(statuses: OperationStatus[]): Waiting {
  return {
    gates: statuses.flatMap((status) => openGatesOf(status)),
    stopped: statuses.filter(({ state }) => state === 'needs-operator' || state === 'paused'),
  };
}

/** Looks at a workflow again and again until it ends, and tells what happens. */
export async function follow(
  client: Client,
  started: Started,
  { say, onWaiting }: Follower,
): Promise<Followed> {
  const seen = new Map<string, OperationStatus>();
  let silentWorker = false;
  for (;;) {
    const workflow = await describe(client, started.workflowId, started.runId);
    let statuses: OperationStatus[] = [];
    try {
      statuses = await getStatuses(client, started.workflowId, started.runId);
      silentWorker = false;
    } catch (error) {
      const { exit, message } = explain(error);
      // A workflow that failed in its first step cannot answer queries; its ending says why.
      if (exit === 'unreachable' && !silentWorker) say(message);
      silentWorker = true;
      if (exit !== 'unreachable' && workflow?.running === true) throw error;
    }
    for (const status of statuses) {
      const key = `${status.workflowId}/${status.runId}`;
      linesBetween(seen.get(key) ?? null, status).forEach(say);
      seen.set(key, status);
    }
    if (workflow === null || !workflow.running) {
      return { ending: await ending(client, started), statuses };
    }
    const waiting = waitingIn(statuses);
    const someoneWaits = waiting.gates.length > 0 || waiting.stopped.length > 0;
    if (someoneWaits && (await onWaiting(waiting)) === 'stop') return { ending: null, statuses };
    await sleep(LOOK_EVERY_MS);
  }
}
