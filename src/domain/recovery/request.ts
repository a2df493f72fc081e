import type { CriterionResult } from '../criterion.ts';
import type { OperationInput, OperationReport } from '../operation.ts';
import type { BackupState } from '../search-attributes.ts';
import type {
  DrillReport,
  RecoveryPoint,
  RecoveryPointReason,
  RecoveryPointState,
  RecoveryPointSummary,
  RollbackLayer,
  Sentinel,
} from './point.ts';

/** What `backup` takes; `{"site":"acme"}` is enough. */
export interface BackupInput extends Pick<OperationInput, 'site' | 'requestedBy'> {
  /** Default `manual`; the schedule says `scheduled`. */
  reason?: RecoveryPointReason;
}

/** What `restoreDrill` takes; `{"site":"acme"}` is enough: it takes a fresh backup and restores that. */
export interface RestoreDrillInput extends Pick<OperationInput, 'site' | 'requestedBy'> {
  /** Restore this point instead of a fresh one; its own sentinel is demanded then. */
  point?: string;
}

/** What `backup` returns. */
export interface BackupReport extends OperationReport {
  /** What was written into the site just before it was copied; a drill demands it back. */
  sentinel: Sentinel | null;
}

/** What `restoreDrill` returns when it passed, and `details[0].report` of the failure of one that did not. */
export interface RestoreDrillReport extends OperationReport {
  /** The signed report, or null where it could not be stored. */
  drill: DrillReport | null;
  /** Keys of the stored documents. */
  keys: string[];
}

/** What `backupWatch` takes. */
export type BackupWatchInput = Pick<OperationInput, 'site'>;

/** What one run of `backupWatch` returns; its Schedule hands it to the next run, which so knows what people were told. */
export interface BackupWatchReport {
  state: BackupState;
  newest: string | null;
  ageSeconds: number | null;
  /** Whether people have been told of this state; false where no channel took the message. */
  told: boolean;
}

/** What `rollback` takes. */
export interface RollbackInput extends OperationInput {
  /** The recovery point to go back to; the newest good one when absent. */
  point?: string;
  /** What goes back; all that differ when absent (the database only when it is named). */
  layers?: RollbackLayer[];
  /** ISO 8601: the database as it was at this second, by the provider's point-in-time recovery instead of the dump. */
  databaseTime?: string;
  /** Answer visitors with a maintenance page while layers are switched. Default false. */
  maintenance?: boolean;
  /** Instead of going back: delete what earlier rollbacks have kept (old trees, old databases). */
  release?: boolean;
}

/** What can be done with a site's catalogue. */
export const recoveryPointActions = ['list', 'show', 'pin', 'unpin', 'verify', 'prune'] as const;

/** What `recoveryPoints` takes: one thing to do with a site's catalogue. It returns JSON. */
export interface RecoveryPointsInput {
  site: string;
  action: (typeof recoveryPointActions)[number];
  /** Needed by all but `list` and `prune`. */
  point?: string;
  by?: string;
  reason?: string;
}

/** What `recoveryPoints` returns, by action. */
export interface RecoveryPointsAnswers {
  list: RecoveryPointSummary[];
  show: { point: RecoveryPoint; state: RecoveryPointState; drills: DrillReport[] };
  pin: RecoveryPointState;
  unpin: RecoveryPointState;
  /** Also where a criterion is not met: it is for the asker to look at `pass`. */
  verify: CriterionResult[];
  prune: { kept: number; removed: string[] };
}

/** The part of a rollback's input that its planner reads. */
export type RollbackRequest = Pick<
  RollbackInput,
  'point' | 'layers' | 'databaseTime' | 'maintenance' | 'release'
>;

/** Fixed prefixes of what a drill makes; everything else is refused as its target. */
export const drillNamespacePrefix = 'presslift-drill-';
export const drillDatabasePrefix = 'presslift_drill_';
/** Schemas that a rollback makes: the restored one before the switch, the old one after it. */
export const rollbackDatabasePrefix = 'presslift_rollback_';
export const keptDatabasePrefix = 'presslift_kept_';
