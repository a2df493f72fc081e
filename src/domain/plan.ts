import type { Json, JsonObject } from './json.ts';

export type Risk = 'low' | 'medium' | 'high';

/** How a change is taken back, or why it cannot be. */
export type Undo = { possible: true; how: string } | { possible: false; why: string };

/**
 * One change to one thing outside. A person reads `title`, `target`, `before`, `after`, `risk` and `undo` at the gate;
 * the activity named by `kind` reads `target`, `after` and `params`.
 *
 * No secret stands in a change: values that could be secret are redacted by the planner, and the activity computes the
 * real object again from the live one, checks that its redacted form equals `after`, and applies that.
 */
export interface Change {
  /** Unique in its plan, kebab-case: `create-shared-claim`. It names the handler in the workflow. */
  id: string;
  /** A sentence in the imperative: "Create the shared volume claim wp-content". */
  title: string;
  /** What is changed, as a person names it: `PersistentVolumeClaim acme/wp-content`. */
  target: string;
  before: Json;
  after: Json;
  risk: Risk;
  /** Why it has that risk, in one sentence. */
  riskReason: string;
  undo: Undo;
  /** Keys of the plan's observations that this change alters; after it they no longer count as drift. */
  touches: string[];
  /** What the activity needs besides `after`; part of the digest like everything here. */
  params: JsonObject;
}

/** The state of one outside thing as the plan saw it; another digest later means drift. */
export interface Observation {
  /** `deployment:acme/wordpress`, `service:acme/wordpress`, `wordpress:active-plugins`, … */
  key: string;
  /** What a person calls it. */
  title: string;
  /** `sha256:…` over the parts that matter (no status, no resourceVersion). */
  digest: string;
}

export type FindingLevel = 'info' | 'warning' | 'error';

/** Something noticed that a person should know; an `error` forbids going on. */
export interface Finding {
  id: string;
  level: FindingLevel;
  message: string;
  /** What to do about it. */
  advice: string | null;
  evidence: Json;
}

/** What would be done to one site. Pure data; its digest is what people approve. */
export interface Plan {
  schema: 1;
  site: string;
  operation: string;
  /** Digest of the resolved site file that the plan was made from. */
  siteDigest: string;
  changes: Change[];
  observations: Observation[];
  findings: Finding[];
}

/** A plan with the digest that a gate asks about. */
export interface DigestedPlan {
  plan: Plan;
  /** `sha256:…` over the plan's canonical JSON. */
  digest: string;
}

/** An observation whose digest is no longer the approved one. */
export interface Drift {
  key: string;
  title: string;
  approved: string;
  /** `null` when the thing is gone. */
  found: string | null;
}
