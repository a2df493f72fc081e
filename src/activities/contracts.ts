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
import type {
  AppPart,
  CdnPart,
  ContentVolume,
  DatabasePart,
  DrillReport,
  DrillStage,
  FilesPart,
  ObjectStoragePart,
  RecoveryPoint,
  RecoveryPointState,
  RecoveryPointSummary,
  Sentinel,
  VolumeSnapshotRef,
  WordPressPart,
} from '../domain/recovery/point.ts';
import type { OpenedRepository } from '../domain/recovery/opened-repository.ts';
import type { RollbackRequest } from '../domain/recovery/request.ts';
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
  /** Compares the site with a recovery point and counts what going back would lose. */
  planRollback(input: PlanInput & { request: RollbackRequest }): Promise<DigestedPlan>;
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
  /** Rollback: every layer that went back is as the recovery point has it, on the live site. */
  verifyRolledBackLayers(input: VerifyInput): Promise<CriterionResult[]>;
  /** Rollback: front page, a post, search, login and wp-admin answer with what is expected; no visitor request failed. */
  verifyRolledBackSite(input: VerifyInput): Promise<CriterionResult[]>;
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

/** What a watch has seen so far. Its heartbeats carry it too, and the next watch goes on from it. */
export interface WatchedVisitors extends VisitorReport {
  /** Response times; see src/activities/visitors/histogram.ts. */
  histogram: Record<string, number>;
}

export interface VisitorActivities {
  /** A bounded baseline before anything is touched. */
  measureBaseline(input: SiteInput): Promise<VisitorReport>;
  /**
   * Runs until it is cancelled or its worker ends, six hours at most, and then returns what it saw.
   *
   * @param seen what the watch before it saw, which is counted on; null for the first.
   */
  watchVisitors(
    input: SiteInput & { operationId: string; seen: WatchedVisitors | null },
  ): Promise<WatchedVisitors>;
}

export interface RecoveryActivities {
  /**
   * Keeps (or finds, on a retry) the objects of the recovery point `id` in a Secret of the site's namespace, and with
   * phase 1's plan a snapshot of the document root.
   *
   * @param plan null where files and database are copied besides, so that neither is snapshot here nor called missing.
   */
  takeRecoveryPoint(
    input: SiteInput & { id: string; operationId: string; plan: Plan | null },
  ): Promise<RecoveryPointRef & { objectsSecret: string }>;
}

/** What the steps of a backup share. */
export interface PointInput extends SiteInput {
  /** Id of the recovery point that is being taken; names of Jobs and objects follow from it. */
  id: string;
  operationId: string;
}

/** A copy of everything off the cluster. Each is a step of `backup`, and of every operation before its first change. */
export interface BackupActivities {
  /** Whether copies can leave the cluster now, and as sentences why not. Changes nothing. */
  backupReadiness(input: SiteInput): Promise<{ ready: boolean; missing: string[] }>;
  /**
   * Opens the repository (making it the first time) and the catalogue, removes Jobs, claims and repository locks that an
   * operation which is no more has left. Points of which an empty repository holds nothing are marked as bad.
   */
  openRepository(input: PointInput): Promise<OpenedRepository>;
  /**
   * Holds automatic plugin updates by WordPress's own lock, which expires. `unheld` says why they could not be held; null when they
   * are, or where no PHP runs that could update anything.
   */
  holdPluginUpdates(input: PointInput): Promise<{ unheld: string | null }>;
  /** Writes the fresh row and file that a restore must bring back. */
  writeSentinel(input: PointInput): Promise<Sentinel>;
  describeWordPress(input: PointInput): Promise<WordPressPart>;
  /** Keeps Deployment, Service and what hangs on them. The Secret of `takeRecoveryPoint` holds the objects. */
  describeApp(input: PointInput & { objectsSecret: string }): Promise<AppPart>;
  describeObjectStorage(input: SiteInput): Promise<ObjectStoragePart>;
  /** Copies every content volume at one instant where its class can. */
  snapshotVolumes(
    input: PointInput,
  ): Promise<{ volumes: ContentVolume[]; snapshots: VolumeSnapshotRef[] }>;
  /** restic copy, from the snapshots where there are any. Heartbeats files, bytes and remaining seconds. */
  backUpFiles(
    input: PointInput & { volumes: ContentVolume[]; snapshots: VolumeSnapshotRef[] },
  ): Promise<FilesPart>;
  /** Dump into restic with a manifest of the same instant. Heartbeats bytes. */
  backUpDatabase(input: PointInput): Promise<DatabasePart>;
  /**
   * Compares both copies with their manifests and the live site, then writes the catalogue's document: from here on the
   * point exists. What an earlier attempt wrote stays as it is.
   * @throws BackupIncomplete when plugins or themes changed meanwhile or a part is not whole.
   */
  recordRecoveryPoint(
    input: SiteInput & { point: RecoveryPoint },
  ): Promise<{ ref: RecoveryPointRef; digest: string }>;
  /** Lets automatic plugin updates go on; nothing to do where PHP runs in no pod. */
  releasePluginUpdates(input: PointInput): Promise<void>;
  /** Removes what there is of a point that is not going to be finished: its document first, then its data. */
  discardRecoveryPoint(input: PointInput): Promise<void>;
  /** restic `forget` and `prune` of points past their time; never a pinned one nor the newest good one. */
  applyRetention(input: PointInput): Promise<{ kept: number; removed: string[] }>;
  /** restic `check` with the part of the data that the site file says. */
  checkRepository(input: PointInput): Promise<CriterionResult[]>;
  /** Age of the newest sound point. The metric `presslift_backup_age_seconds` counts from it until the next look. */
  measureBackupAge(
    input: SiteInput,
  ): Promise<{ newest: string | null; ageSeconds: number | null; late: boolean }>;
}

/** `presslift recovery-points`: what is in the catalogue. */
export interface CatalogueActivities {
  /** Newest first; a document that cannot be trusted is listed with its error. */
  listRecoveryPoints(input: SiteInput): Promise<RecoveryPointSummary[]>;
  /** @throws NotFound, CatalogueTampered */
  showRecoveryPoint(
    input: SiteInput & { point: string },
  ): Promise<{ point: RecoveryPoint; state: RecoveryPointState; drills: DrillReport[] }>;
  /** `pinned: null` takes the pin away. */
  pinRecoveryPoint(
    input: SiteInput & { point: string; pinned: { by: string; reason: string | null } | null },
  ): Promise<RecoveryPointState>;
  /**
   * The document's signature, and every byte of the point's data read and compared with the repository's hashes. Of a
   * document that cannot be trusted nothing further is measured.
   */
  verifyRecoveryPoint(input: PointInput): Promise<CriterionResult[]>;
}

export interface CdnActivities {
  /** The zone's rulesets, as the recovery point `id` keeps them or else as they are now; null for a site without a CDN. */
  describeCdn(input: SiteInput & { id?: string }): Promise<CdnPart | null>;
  /** Puts the rules of the recovery point's version in place. */
  restoreCdnRules(input: ChangeInput): Promise<ChangeResult>;
  /** Puts the rules of before back. */
  returnCdnRules(input: ChangeInput): Promise<ChangeResult>;
  purgeCdn(input: ChangeInput): Promise<ChangeResult>;
}

/** Where a drill restores to: nothing of it exists before, all of it is gone after. */
export interface DrillPlace {
  drill: string;
  namespace: string;
  database: string;
  host: string;
  point: string;
}

export interface DrillInput extends SiteInput {
  place: DrillPlace;
  operationId: string;
}

/** What a part of a drill found; `usable` says whether later parts have something to work with. */
export interface DrillFindings {
  criteria: CriterionResult[];
  stages: DrillStage[];
  usable: boolean;
}

export interface DrillActivities {
  /**
   * Removes what drills that are no more have left: namespaces, databases and their users. Returns what was removed, and, as
   * sentences, what is still there for a person to look at.
   */
  sweepDrills(
    input: SiteInput & { operationId: string },
  ): Promise<{ removed: string[]; remaining?: string[] }>;
  /**
   * Reads and authenticates the catalogue, makes the throwaway namespace and database.
   * @throws NotFound, CatalogueTampered, PreconditionFailed (a target that is not ours, or live).
   */
  openDrill(
    input: SiteInput & { drill: string; operationId: string; point: string | null },
  ): Promise<DrillPlace & { takenAt: string }>;
  /** restic `check` of the point's own data, and that the point is of this site and whole. */
  checkDrillRepository(input: DrillInput): Promise<DrillFindings>;
  restoreDrillFiles(input: DrillInput): Promise<DrillFindings>;
  restoreDrillDatabase(input: DrillInput): Promise<DrillFindings>;
  /** Moves the copy to its own host and starts WordPress from the point's image: no mail, no cron, no webhooks. */
  bootDrillSite(input: DrillInput): Promise<DrillFindings>;
  /** @param sentinel the fresh one, or null to demand the point's own. */
  checkDrillSite(input: DrillInput & { sentinel: Sentinel | null }): Promise<DrillFindings>;
  /** Signs the report and stores JSON, Markdown and HTML beside the point; marks the point proved or bad. */
  recordDrill(
    input: SiteInput & {
      drill: string;
      point: string | null;
      operationId: string;
      startedAt: string;
      takenAt: string | null;
      criteria: CriterionResult[];
      stages: DrillStage[];
    },
  ): Promise<{ report: DrillReport; keys: string[] }>;
  /** Returns, as sentences, volumes that stay although their claims are gone. */
  tearDownDrill(
    input: SiteInput & { drill: string; operationId: string },
  ): Promise<{ remaining?: string[] } | null>;
}

/** Changes of `rollback`, in the order of the plan. */
export interface RollbackActivities {
  /** Restores the dump into a schema of its own and compares it with the manifest. */
  stageDatabase(input: ChangeInput): Promise<ChangeResult>;
  unstageDatabase(input: ChangeInput): Promise<ChangeResult>;
  /** Exchanges all tables in one statement; the old ones are kept where WordPress cannot write. */
  switchDatabase(input: ChangeInput): Promise<ChangeResult>;
  switchDatabaseBack(input: ChangeInput): Promise<ChangeResult>;
  /** A new database cluster from the provider's backup and log, as of a second. */
  forkDatabase(input: ChangeInput): Promise<ChangeResult>;
  deleteForkedDatabase(input: ChangeInput): Promise<ChangeResult>;
  /** Host, CA and credentials to the fork, pods restarted; the old cluster is kept, read-only for WordPress. */
  moveToForkedDatabase(input: ChangeInput): Promise<ChangeResult>;
  moveBackFromForkedDatabase(input: ChangeInput): Promise<ChangeResult>;
  /** Restores plugins and themes beside the live trees and compares every file. */
  stageExtensions(input: ChangeInput): Promise<ChangeResult>;
  unstageExtensions(input: ChangeInput): Promise<ChangeResult>;
  /** Exchanges the trees by renames; the old ones are kept. */
  switchExtensions(input: ChangeInput): Promise<ChangeResult>;
  switchExtensionsBack(input: ChangeInput): Promise<ChangeResult>;
  /** `active_plugins`, theme and the like; PHP then reads the files anew in every pod. */
  restoreOptions(input: ChangeInput): Promise<ChangeResult>;
  returnOptions(input: ChangeInput): Promise<ChangeResult>;
  /** The Deployment's template of the point, rolled out; the whole Deployment where it is gone. */
  restoreApp(input: ChangeInput): Promise<ChangeResult>;
  returnApp(input: ChangeInput): Promise<ChangeResult>;
  beginMaintenance(input: ChangeInput): Promise<ChangeResult>;
  endMaintenance(input: ChangeInput): Promise<ChangeResult>;
  /** Deletes an old tree or database that a rollback has kept. */
  deleteKept(input: ChangeInput): Promise<ChangeResult>;
}

/** What `notify` says to people; channels come from the site file. */
export interface Notification {
  kind:
    | 'gate-opened'
    | 'gate-reminder'
    | 'gate-escalated'
    | 'gate-closed'
    | 'needs-operator'
    | 'finished'
    | 'backup-late'
    | 'drill-failed';
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
  BackupActivities &
  CatalogueActivities &
  CdnActivities &
  DrillActivities &
  RollbackActivities &
  NotificationActivities &
  LockActivities;

export type { Json };
