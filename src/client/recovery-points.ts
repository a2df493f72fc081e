import { randomBytes } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { compactTime, workflowIds } from '../domain/identifiers.ts';
import type { RecoveryPointsAnswers, RecoveryPointsInput } from '../domain/recovery/request.ts';
import { pendingOf } from './activities.ts';
import { start, outcome, type Failure } from './operations.ts';
import { activityLines, type Said } from './render/activities.ts';

const LOOK_EVERY_MS = 1_000;

/**
 * Runs the workflow `recoveryPoints` and waits for its answer. Reading all data of a point takes its time: `say` gets a
 * line now and then of how far it is.
 */
export async function askRecoveryPoints<Action extends RecoveryPointsInput['action']>(
  client: Client,
  input: RecoveryPointsInput & { action: Action },
  say: (line: string) => void,
): Promise<
  { result: RecoveryPointsAnswers[Action]; failure: null } | { result: null; failure: Failure }
> {
  // Two people may ask in the same second.
  const unique = `${compactTime(new Date())}-${randomBytes(2).toString('hex')}`;
  const workflowId = workflowIds.recoveryPoints(input.site, unique);
  const started = await start(client, 'recoveryPoints', workflowId, input);
  const said: Said = new Map();
  const watch = setInterval(() => {
    pendingOf(client, workflowId, started.runId).then(
      ({ activities }) => activityLines(activities, said, new Date()).forEach(say),
      // What keeps it from looking keeps the answer away too, and is told there.
      () => undefined,
    );
  }, LOOK_EVERY_MS);
  try {
    return await outcome<RecoveryPointsAnswers[Action]>(client, started);
  } finally {
    clearInterval(watch);
  }
}
