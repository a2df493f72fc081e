import { durationMs } from '../../domain/durations.ts';
import type { DecideInput, GateStatus } from '../../domain/gate.ts';
import type { Site } from '../../domain/site/schema.ts';
import { failure } from './problems.ts';

export type GateKind = keyof Site['approvals']['gates'];

/**
 * Refuses, before anything is done, a gate that could never be passed or whose two-person rule could not be checked.
 *
 * @throws ApplicationFailure `InvalidInput` or `InvalidSite`.
 */
export function checkGatePolicy(site: Site, kind: GateKind, requestedBy: string | undefined): void {
  const { quorum, twoPerson, deadline, remindEvery } = site.approvals.gates[kind];
  if (twoPerson && requestedBy === undefined) {
    throw failure(
      'InvalidInput',
      `The gate ${kind} of site ${site.name} needs two persons, so the input must say who asks: "requestedBy".`,
    );
  }
  const people = new Set([...site.approvals.approvers, ...site.approvals.deputies]);
  if (twoPerson && requestedBy !== undefined) people.delete(requestedBy);
  if (people.size < quorum) {
    throw failure(
      'InvalidSite',
      `The gate ${kind} of site ${site.name} wants ${quorum} approvals, but only ${people.size} people may approve it.`,
    );
  }
  if (durationMs(deadline) <= 0 || durationMs(remindEvery) <= 0) {
    throw failure(
      'InvalidSite',
      `The gate ${kind} of site ${site.name} needs a deadline and remindEvery above zero.`,
    );
  }
}

/** A decision as it came over the wire, or what is wrong with its shape. */
export function readDecision(
  raw: unknown,
  decision?: DecideInput['decision'],
): { input: DecideInput; malformed: string | null } {
  const members =
    typeof raw === 'object' && raw !== null && !Array.isArray(raw)
      ? (raw as Record<string, unknown>)
      : {};
  const text = (key: string) => (typeof members[key] === 'string' ? members[key] : '');
  const said = decision ?? members['decision'];
  const input: DecideInput = {
    gate: text('gate'),
    digest: text('digest'),
    approver: text('approver'),
    decision: said === 'approve' ? 'approve' : 'reject',
    ...(text('reason') === '' ? {} : { reason: text('reason') }),
  };
  const missing = (['gate', 'digest', 'approver'] as const).filter((key) => input[key] === '');
  if (missing.length > 0) {
    return { input, malformed: `it does not say ${missing.join(', ')}` };
  }
  if (said !== 'approve' && said !== 'reject') {
    return { input, malformed: 'its decision is neither approve nor reject' };
  }
  return { input, malformed: null };
}

/** Why a decision does not count at this gate now, or null when it does. */
export function refusal(
  gate: GateStatus,
  input: DecideInput,
  requestedBy: string | null,
): string | null {
  const { approver } = input;
  const state = gate.state === 'open' ? (verdict(gate) ?? 'open') : gate.state;
  if (state !== 'open') return `the gate ${gate.id} is ${state}, not open`;
  if (input.digest !== gate.digest) {
    return `the gate ${gate.id} asks about ${gate.digest}, not about ${input.digest}`;
  }
  if (!gate.approvers.includes(approver)) {
    if (!gate.deputies.includes(approver)) {
      return `${approver} is not among the approvers of gate ${gate.id}`;
    }
    if (!gate.escalated) {
      return `${approver} is a deputy and is asked only after the deadline, ${gate.deadline}`;
    }
  }
  if (gate.twoPerson && approver === requestedBy && input.decision === 'approve') {
    return `${approver} asked for this operation, and the gate ${gate.id} needs a second person`;
  }
  if (gate.decisions.some((earlier) => earlier.approver === approver)) {
    return `${approver} has decided already`;
  }
  return null;
}

/** What the decisions so far amount to. One rejection closes a gate, whatever the quorum. */
export function verdict(gate: GateStatus): 'approved' | 'rejected' | null {
  if (gate.decisions.some(({ decision }) => decision === 'reject')) return 'rejected';
  return gate.decisions.length >= gate.quorum ? 'approved' : null;
}
