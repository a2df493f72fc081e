import type { AllActivities } from '../activities/contracts.ts';
import { failures } from './failures.ts';
import type { FailureType } from './failures.ts';

/** How an activity is run: plain data with the field names of Temporal's ActivityOptions; times in milliseconds. */
export interface RetryProfile {
  startToCloseTimeout: number;
  /** Set where the activity must heartbeat; a worker that dies in it is noticed after this time. */
  heartbeatTimeout?: number;
  retry: {
    initialInterval: number;
    backoffCoefficient: number;
    maximumInterval: number;
    /** Absent means: for ever. */
    maximumAttempts?: number;
    nonRetryableErrorTypes: FailureType[];
  };
  cancellationType: 'WAIT_CANCELLATION_COMPLETED' | 'TRY_CANCEL';
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Types that no further attempt can mend; a person has to do something first. */
const nonRetryableErrorTypes = (Object.keys(failures) as FailureType[]).filter(
  (type) => !failures[type].retryable,
);

/**
 * The named ways to run an activity. The worker heartbeats by itself for those with a heartbeat time-out
 * (src/config/heartbeats.ts), so that a worker's death is noticed in seconds also in the middle of a short call. None limits the whole
 * time from schedule to close: while no worker runs, work waits for one as long as it takes. Cancellation always waits for what is under way wherever something is changed,
 * because an undo must not overtake the change that it takes back.
 */
export const retryProfiles = {
  /**
   * Reads. They change nothing, so trying often is free, and ten attempts (about three minutes) outlast the restart of
   * an API server; after that a person should hear that the other side is gone.
   */
  probe: {
    startToCloseTimeout: MINUTE,
    heartbeatTimeout: 15 * SECOND,
    retry: {
      initialInterval: SECOND,
      backoffCoefficient: 2,
      maximumInterval: 30 * SECOND,
      maximumAttempts: 10,
      nonRetryableErrorTypes,
    },
    cancellationType: 'TRY_CANCEL',
  },
  /**
   * What can be done without, before a site is changed: what a broken WordPress says of itself. Three attempts in a few
   * seconds: a person who waits for a rollback of a site that is down shall not wait for its answers besides.
   */
  brief: {
    startToCloseTimeout: MINUTE,
    heartbeatTimeout: 15 * SECOND,
    retry: {
      initialInterval: SECOND,
      backoffCoefficient: 2,
      maximumInterval: 30 * SECOND,
      maximumAttempts: 3,
      nonRetryableErrorTypes,
    },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  },
  /**
   * Short idempotent writes. Repeating one is safe, so a lost answer is simply asked for again; the time for one
   * attempt is short because a write that hangs longer has met a broken peer.
   */
  mutate: {
    startToCloseTimeout: 2 * MINUTE,
    heartbeatTimeout: 15 * SECOND,
    retry: {
      initialInterval: SECOND,
      backoffCoefficient: 2,
      maximumInterval: 30 * SECOND,
      maximumAttempts: 10,
      nonRetryableErrorTypes,
    },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  },
  /**
   * Work that takes as long as there is data or pods: Jobs, rollouts, probes with pods. Heartbeats show a dead worker
   * within a quarter of a minute and carry cancellation; the next attempt adopts what the last one left under its
   * deterministic name, so attempts after a crash are cheap.
   */
  longRunning: {
    startToCloseTimeout: 6 * HOUR,
    heartbeatTimeout: 15 * SECOND,
    retry: {
      initialInterval: 2 * SECOND,
      backoffCoefficient: 2,
      maximumInterval: MINUTE,
      maximumAttempts: 10,
      nonRetryableErrorTypes,
    },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  },
  /**
   * Taking away what cannot be made again (keys, for one). A single attempt: whether to repeat it after an unclear
   * answer is a person's decision, asked through `needs-operator`.
   */
  irreversible: {
    startToCloseTimeout: 2 * MINUTE,
    retry: {
      initialInterval: SECOND,
      backoffCoefficient: 1,
      maximumInterval: SECOND,
      maximumAttempts: 1,
      nonRetryableErrorTypes,
    },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  },
  /**
   * Telling people. Five attempts, then the operation goes on: a broken chat must never hold or fail a migration, and
   * everything said is in `status` as well.
   */
  notify: {
    startToCloseTimeout: 30 * SECOND,
    retry: {
      initialInterval: 2 * SECOND,
      backoffCoefficient: 2,
      maximumInterval: 30 * SECOND,
      maximumAttempts: 5,
      nonRetryableErrorTypes,
    },
    cancellationType: 'TRY_CANCEL',
  },
  /**
   * A watch that runs beside everything else until it is cancelled, in runs of six hours at most. It returns what it
   * saw on cancellation, so cancelling waits for it; the heartbeat is short because cancellation travels with it. One
   * attempt: the workflow starts the next one and hands it what was seen. An activity that is cancelled between two
   * attempts of its own says nothing, however much was seen before.
   */
  watch: {
    startToCloseTimeout: 12 * HOUR,
    heartbeatTimeout: 10 * SECOND,
    retry: {
      initialInterval: SECOND,
      backoffCoefficient: 1,
      maximumInterval: SECOND,
      maximumAttempts: 1,
      nonRetryableErrorTypes,
    },
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  },
} satisfies Record<string, RetryProfile>;

export type RetryProfileName = keyof typeof retryProfiles;

/** Which profile each activity runs under. */
export const activityProfiles: Record<keyof AllActivities, RetryProfileName> = {
  loadSite: 'probe',
  planPrerequisites: 'longRunning',
  planHybridStorage: 'longRunning',
  detectDrift: 'probe',
  createBucket: 'mutate',
  deleteEmptyBucket: 'mutate',
  configureBucket: 'mutate',
  restoreBucketConfiguration: 'mutate',
  createBucketKeys: 'mutate',
  deleteBucketKeys: 'irreversible',
  installProvisioner: 'longRunning',
  removeProvisioner: 'longRunning',
  createSharedClaim: 'longRunning',
  releaseSharedClaim: 'longRunning',
  copyExtensions: 'longRunning',
  keepSalts: 'mutate',
  deleteSalts: 'mutate',
  applyConfiguration: 'mutate',
  deleteConfiguration: 'mutate',
  applyDisruptionBudget: 'mutate',
  restoreDisruptionBudget: 'mutate',
  startNewPods: 'longRunning',
  removeNewPods: 'longRunning',
  moveTraffic: 'longRunning',
  returnTraffic: 'longRunning',
  retireOldPods: 'longRunning',
  reviveOldPods: 'longRunning',
  scaleOut: 'longRunning',
  restoreScale: 'longRunning',
  verifyDatabase: 'longRunning',
  verifyObjectStorage: 'longRunning',
  verifyHostnames: 'longRunning',
  verifySharedStorage: 'longRunning',
  verifyPluginLifecycle: 'longRunning',
  verifyAdminAndVisitors: 'longRunning',
  measureBaseline: 'longRunning',
  watchVisitors: 'watch',
  takeRecoveryPoint: 'longRunning',
  planRollback: 'longRunning',
  verifyRolledBackLayers: 'longRunning',
  verifyRolledBackSite: 'longRunning',
  backupReadiness: 'probe',
  openRepository: 'longRunning',
  holdPluginUpdates: 'longRunning',
  writeSentinel: 'mutate',
  describeWordPress: 'probe',
  describeApp: 'probe',
  describeObjectStorage: 'probe',
  snapshotVolumes: 'longRunning',
  backUpFiles: 'longRunning',
  backUpDatabase: 'longRunning',
  recordRecoveryPoint: 'longRunning',
  releasePluginUpdates: 'mutate',
  discardRecoveryPoint: 'longRunning',
  applyRetention: 'longRunning',
  checkRepository: 'longRunning',
  measureBackupAge: 'probe',
  listRecoveryPoints: 'probe',
  showRecoveryPoint: 'probe',
  pinRecoveryPoint: 'mutate',
  verifyRecoveryPoint: 'longRunning',
  describeCdn: 'probe',
  // A Job reads the rules from the repository when they are nowhere else.
  restoreCdnRules: 'longRunning',
  returnCdnRules: 'longRunning',
  purgeCdn: 'mutate',
  sweepDrills: 'longRunning',
  openDrill: 'longRunning',
  checkDrillRepository: 'longRunning',
  restoreDrillFiles: 'longRunning',
  restoreDrillDatabase: 'longRunning',
  bootDrillSite: 'longRunning',
  checkDrillSite: 'longRunning',
  recordDrill: 'mutate',
  tearDownDrill: 'longRunning',
  stageDatabase: 'longRunning',
  unstageDatabase: 'mutate',
  switchDatabase: 'mutate',
  switchDatabaseBack: 'mutate',
  forkDatabase: 'longRunning',
  deleteForkedDatabase: 'mutate',
  moveToForkedDatabase: 'longRunning',
  moveBackFromForkedDatabase: 'longRunning',
  stageExtensions: 'longRunning',
  unstageExtensions: 'longRunning',
  switchExtensions: 'longRunning',
  switchExtensionsBack: 'longRunning',
  restoreOptions: 'longRunning',
  returnOptions: 'longRunning',
  restoreApp: 'longRunning',
  returnApp: 'longRunning',
  beginMaintenance: 'longRunning',
  endMaintenance: 'longRunning',
  deleteKept: 'irreversible',
  notify: 'notify',
  requestLock: 'mutate',
  isHolderAlive: 'probe',
};
