import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { OperationStatus } from '../domain/operation.ts';
import { openGatesOf, type OpenGate } from './context.ts';
import { CommandError, explain } from './errors.ts';
import { describe, ending, getStatuses, type Ending, type Started } from './operations.ts';
import { activityLines, type Said } from './render/activities.ts';
import { linesBetween } from './render/progress.ts';

const LOOK_EVERY_MS = 500;

export interface Follower {
  /** Waits for a worker and for Temporal when they are away. */
  patient: boolean;
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

/**
 * Looks at a workflow again and again until it ends, and tells what happens. Lives on while the worker or Temporal is
 * away, saying so once; with `patient: false` that ends it.
 *
 * @throws what keeps it from looking, where it is not patient or more than an absence
 */
export async function follow(
  client: Client,
  started: Started,
  follower: Follower,
): Promise<Followed> {
  const seen: Seen = { statuses: new Map(), said: new Map() };
  let away = false;
  for (;;) {
    try {
      const followed = await look(client, started, follower, seen);
      away = false;
      if (followed !== null) return followed;
    } catch (error) {
      const { exit, message } = explain(error);
      if (exit !== 'unreachable' || !follower.patient) throw error;
      if (!away) follower.say(message);
      away = true;
    }
    await sleep(LOOK_EVERY_MS);
  }
}

/**
 * Follows what asks nobody, such as a plan, to its end.
 *
 * @throws CommandError `waiting` when somebody has paused it; what keeps from looking, such as that no worker runs
 */
export async function followToEnd(
  client: Client,
  started: Started,
  say: (line: string) => void,
): Promise<Ending> {
  say(`started ${started.workflowId} (run ${started.runId})`);
  const onWaiting = async () => 'stop' as const;
  const { ending } = await follow(client, started, { patient: false, say, onWaiting });
  if (ending !== null) return ending;
  const { workflowId } = started;
  throw new CommandError(
    'waiting',
    `${workflowId} is paused; \`presslift resume ${workflowId}\` lets it go on.`,
  );
}

/** What was told already. */
interface Seen {
  statuses: Map<string, OperationStatus>;
  said: Said;
}

/** One look; null when it goes on. */
async function look(
  client: Client,
  started: Started,
  { say, onWaiting }: Follower,
  seen: Seen,
): Promise<Followed | null> {
  const workflow = await describe(client, started.workflowId, started.runId);
  const ended = workflow === null || !workflow.running;
  const statuses = await getStatuses(client, started.workflowId, started.runId).catch(
    (error: unknown) => {
      // A workflow that failed in its first step cannot answer; its ending says why.
      if (ended) return [];
      throw error;
    },
  );
  for (const status of statuses) {
    const key = `${status.workflowId}/${status.runId}`;
    linesBetween(seen.statuses.get(key) ?? null, status).forEach(say);
    activityLines(status.activities, seen.said, new Date()).forEach(say);
    seen.statuses.set(key, status);
  }
  if (ended) return { ending: await ending(client, started), statuses };
  const waiting = waitingIn(statuses);
  const someoneWaits = waiting.gates.length > 0 || waiting.stopped.length > 0;
  return someoneWaits && (await onWaiting(waiting)) === 'stop' ? { ending: null, statuses } : null;
}
