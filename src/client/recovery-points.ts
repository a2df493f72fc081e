import { randomBytes } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { compactTime, workflowIds } from '../domain/identifiers.ts';
import type { RecoveryPointsAnswers, RecoveryPointsInput } from '../domain/recovery/request.ts';
import { followToEnd } from './follow.ts';
import { start, outcome, type Failure } from './operations.ts';

/**
 * Runs the workflow `recoveryPoints` and follows it to its answer. Reading all data of a point takes its time: `say` gets
 * a line now and then of how far it is.
 *
 * @throws CommandError `waiting` when it is paused; what keeps from following it, such as that no worker runs
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
  await followToEnd(client, started, say);
  return outcome<RecoveryPointsAnswers[Action]>(client, started);
}
