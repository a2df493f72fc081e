/** A person's word on one gate. */
export interface Decision {
  /** Unique; the update id where it came by Update. */
  id: string;
  gate: string;
  /** The digest the approver saw. */
  digest: string;
  decision: 'approve' | 'reject';
  approver: string;
  reason: string | null;
  /** ISO 8601, workflow time at which it was recorded. */
  at: string;
  /** The door it came through. */
  via: 'update' | 'signal';
}

/** What `decide`, `approve` and `reject` carry. Signals may leave out what stands in their name. */
export interface DecisionInput {
  gate: string;
  digest: string;
  approver: string;
  reason?: string;
}

/** The argument of the Update `decide`. */
export interface DecideInput extends DecisionInput {
  decision: 'approve' | 'reject';
}

/** A decision that was not counted, and why. Kept and shown: nothing is dropped silently. */
export interface RefusedDecision extends DecideInput {
  at: string;
  via: 'update' | 'signal';
  refusal: string;
}

export type GateState = 'open' | 'approved' | 'rejected' | 'expired' | 'withdrawn';

/** One gate as `status` shows it. All times ISO 8601. */
export interface GateStatus {
  id: string;
  state: GateState;
  /** What is asked, as one sentence. */
  question: string;
  /** Markdown: what stands behind the question. */
  body?: string;
  digest: string;
  quorum: number;
  approvers: string[];
  deputies: string[];
  /** True once deputies may decide too. */
  escalated: boolean;
  /** Where two persons are needed, the requester may not approve. */
  twoPerson: boolean;
  openedAt: string;
  deadline: string;
  closedAt: string | null;
  decisions: Decision[];
  refused: RefusedDecision[];
}
