import type { Client } from '@temporalio/client';
import { digestOf } from '../domain/digest.ts';
import type { Decision, DecideInput } from '../domain/gate.ts';
import type { OpenGate } from './context.ts';
import { CommandError } from './errors.ts';
import { decide, getPlan, RefusedError } from './operations.ts';
import { renderPlan } from './render/plan.ts';
import { renderGate } from './render/status.ts';
import type { Paint } from './terminal.ts';

/**
 * What a gate asks, for a person: the plan as a diff where there is one, then the question.
 *
 * @throws CommandError when the plan shown is not the one that the gate asks about
 */
export async function gateText(
  client: Client,
  { status, gate }: OpenGate,
  paint: Paint,
): Promise<string> {
  const plan = await getPlan(client, status.workflowId, status.runId);
  const question = renderGate(status, gate, paint);
  // A go between two phases has no changes of its own; its question and the criteria say what it is about.
  if (plan === null) return question;
  if (plan.digest !== gate.digest || digestOf(plan.plan) !== gate.digest) {
    throw new CommandError(
      'refused',
      `The gate ${gate.id} of ${status.workflowId} asks about ${gate.digest}, but the plan that would be shown is ` +
        `${digestOf(plan.plan)}. It may just be changing; try again.`,
    );
  }
  return `${renderPlan(plan, paint)}\n\n${question}`;
}

/** Whether a digest begins with what somebody gave: `sha256:ab12…`, or the hex digits alone, eight at least. */
export function digestMatches(digest: string, given: string): boolean {
  const hex = given.replace(/^sha256:/, '').toLowerCase();
  return /^[0-9a-f]{8,64}$/.test(hex) && digest.startsWith(`sha256:${hex}`);
}

/**
 * Sends a decision and turns a refusal into the documented exit.
 *
 * @throws CommandError `refused` with the workflow's reason
 */
export async function sendDecision(
  client: Client,
  { status, gate }: OpenGate,
  word: Pick<DecideInput, 'approver' | 'decision' | 'reason'>,
): Promise<Decision> {
  try {
    return await decide(client, status.workflowId, {
      gate: gate.id,
      digest: gate.digest,
      ...word,
    });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    throw new CommandError('refused', error.message, { cause: error });
  }
}

/** One line about a decision that counts. */
export const decisionText = (workflowId: string, { decision, gate, approver }: Decision) =>
  `${decision === 'approve' ? 'approved' : 'rejected'}: gate ${gate} of ${workflowId}, by ${approver}`;
