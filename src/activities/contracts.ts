/**
 * What workflows may ask of the outside: interfaces only, so that workflows import no code of activities and workflow
 * tests put their own implementations behind them. Each method is one Temporal activity with the same name.
 *
 * Every activity is idempotent: the same input again, after any interruption, ends in the same state with nothing done
 * twice. Everything here is small JSON without secrets.
 */
import type { CriterionResult } from '../domain/criterion.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { LockHolder, RecoveryPointRef } from '../domain/operation.ts';
import type { Change, DigestedPlan, Drift, Observation, Plan } from '../domain/plan.ts';
import type { Site } from '../domain/site/schema.ts';

export interface SiteInput {
  site: Site;
}

/** `sites.*`: the site file. */
export interface SiteActivities {
  /** Reads and validates `sites/<name>.yaml`. Fails with InvalidSite (all errors in one message) or NotFound. */
  loadSite(input: { name: string }): Promise<{ site: Site; digest: string }>;
}

export interface PlanInput extends SiteInput {
  siteDigest: string;
  /** Workflow id of the asking operation. */
  operationId: string;
}

/** Observe, then run the pure planner of src/domain/planners. Read-only outside (probe objects are removed). */
export interface PlanningActivities {
  planPrerequisites(input: PlanInput): Promise<DigestedPlan>;
  planHybridStorage(input: PlanInput): Promise<DigestedPlan>;
  /** Looks again at the given observations and returns those that differ. */
  detectDrift(input: SiteInput & { observations: Observation[] }): Promise<Drift[]>;
}

/** What the activity behind a change gets. */
export interface ChangeInput extends SiteInput {
  operationId: string;
  change: Change;
  recoveryPoint: RecoveryPointRef | null;
}

/** Small facts about what was done; shown in the step's result. */
export type ChangeResult = JsonObject;

/** Phase 0 changes. `undo…` takes back what the change created, and nothing that holds somebody's data. */
export interface PrerequisiteActivities {
  createBucket(input: ChangeInput): Promise<ChangeResult>;
  deleteEmptyBucket(input: ChangeInput): Promise<ChangeResult>;
  configureBucket(input: ChangeInput): Promise<ChangeResult>;
  restoreBucketConfiguration(input: ChangeInput): Promise<ChangeResult>;
  createBucketKeys(input: ChangeInput): Promise<ChangeResult>;
  deleteBucketKeys(input: ChangeInput): Promise<ChangeResult>;
}

/** Phase 1 changes, in the order of docs/app/wp-perf-roadmap.md. */
export interface HybridStorageActivities {
  /** Installs the RWX provisioner (its Kubernetes objects) where the site asks for one. */
  installProvisioner(input: ChangeInput): Promise<ChangeResult>;
  removeProvisioner(input: ChangeInput): Promise<ChangeResult>;
  createSharedClaim(input: ChangeInput): Promise<ChangeResult>;
  releaseSharedClaim(input: ChangeInput): Promise<ChangeResult>;
  /** Copies plugins and themes by a Job with a file-by-file hash manifest; compares old and new. */
  copyExtensions(input: ChangeInput): Promise<ChangeResult>;
  /** Reads the live salts in the pod and keeps them in a Secret; the values never leave the activity. */
  keepSalts(input: ChangeInput): Promise<ChangeResult>;
  deleteSalts(input: ChangeInput): Promise<ChangeResult>;
  applyConfiguration(input: ChangeInput): Promise<ChangeResult>;
  deleteConfiguration(input: ChangeInput): Promise<ChangeResult>;
  applyDisruptionBudget(input: ChangeInput): Promise<ChangeResult>;
  restoreDisruptionBudget(input: ChangeInput): Promise<ChangeResult>;
  /** New pods beside the old ones (held by minReadySeconds); waits until they are ready and hold the same files. */
  startNewPods(input: ChangeInput): Promise<ChangeResult>;
  removeNewPods(input: ChangeInput): Promise<ChangeResult>;
  /** Moves the Service's selector to the new pods and drains the old ones. */
  moveTraffic(input: ChangeInput): Promise<ChangeResult>;
  returnTraffic(input: ChangeInput): Promise<ChangeResult>;
  /** Lets the old pods, now without traffic, end; waits until they are gone. */
  retireOldPods(input: ChangeInput): Promise<ChangeResult>;
  /** Brings pods of the old template back beside the new ones and waits until they are ready. */
  reviveOldPods(input: ChangeInput): Promise<ChangeResult>;
  scaleOut(input: ChangeInput): Promise<ChangeResult>;
  restoreScale(input: ChangeInput): Promise<ChangeResult>;
}

export interface VerifyInput extends SiteInput {
  operationId: string;
  /** The plan that was applied, or the empty one that found nothing to do. */
  plan: Plan;
  /** What the watch over visitors saw, or null when nothing was applied. */
  visitors: VisitorReport | null;
}

/** Success criteria, measured. One activity a group, so that each is a step of its own. */
export interface VerificationActivities {
  /** Phase 0: database over TLS; wrong CA and plain refused. */
  verifyDatabase(input: VerifyInput): Promise<CriterionResult[]>;
  /** Phase 0: bucket and keys. */
  verifyObjectStorage(input: VerifyInput): Promise<CriterionResult[]>;
  /** Phase 0: host names, ingress, certificates. */
  verifyHostnames(input: VerifyInput): Promise<CriterionResult[]>;
  /** Phase 1: every pod: mounts, constants, tree hashes, no file missing, active plugins as before. */
  verifySharedStorage(input: VerifyInput): Promise<CriterionResult[]>;
  /** Phase 1: plugin installed, activated, updated through WP Admin's web flow, on every pod, after deletion of every pod. */
  verifyPluginLifecycle(input: VerifyInput): Promise<CriterionResult[]>;
  /** Phase 1: login valid across pods, editor gone, core does not update itself, failed visitor requests. */
  verifyAdminAndVisitors(input: VerifyInput): Promise<CriterionResult[]>;
}

/** What visitors met while an operation ran, asked at a low constant rate from the worker. */
export interface VisitorReport {
  requests: number;
  failed: number;
  p95Ms: number | null;
  from: string;
  to: string;
  /** The first failures, with time, URL path and what was seen. */
  failures: { at: string; path: string; seen: string }[];
}

export interface VisitorActivities {
  /** A bounded baseline before anything is touched. */
  measureBaseline(input: SiteInput): Promise<VisitorReport>;
  /** Runs until cancelled and then returns what it saw; keeps its counts in heartbeats over a retry. */
  watchVisitors(input: SiteInput & { operationId: string }): Promise<VisitorReport>;
}

export interface RecoveryActivities {
  /** Takes (or finds, on a retry) the recovery point `id`. */
  takeRecoveryPoint(
    input: SiteInput & { id: string; operationId: string; plan: Plan },
  ): Promise<RecoveryPointRef>;
}

/** What `notify` says to people; channels come from the site file. */
export interface Notification {
  kind:
    | 'gate-opened'
    | 'gate-reminder'
    | 'gate-escalated'
    | 'gate-closed'
    | 'needs-operator'
    | 'finished';
  site: string;
  operationId: string;
  title: string;
  /** Markdown. */
  body: string;
  /** Commands a person can paste. */
  commands: string[];
}

export interface NotificationActivities {
  notify(input: SiteInput & { notification: Notification }): Promise<void>;
}

/** The site's lock is a workflow; these activities talk to it, for a workflow cannot start it itself with a signal. */
export interface LockActivities {
  /** Signal-with-start of `<site>/lock` with a request; the lock answers by signal `lockGranted` or `lockHeldBy`. */
  requestLock(input: { site: string; holder: LockHolder }): Promise<void>;
  /** Whether the holder's workflow run is still open. A run that Temporal does not know counts as closed. */
  isHolderAlive(input: { holder: LockHolder }): Promise<boolean>;
}

/** Everything the worker registers. */
export type AllActivities = SiteActivities &
  PlanningActivities &
  PrerequisiteActivities &
  HybridStorageActivities &
  VerificationActivities &
  VisitorActivities &
  RecoveryActivities &
  NotificationActivities &
  LockActivities;

export type { Json };
