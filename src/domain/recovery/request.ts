import type { OperationInput } from '../operation.ts';
import type { RecoveryPointReason, RollbackLayer } from './point.ts';

/** What `backup` takes; `{"site":"acme"}` is enough. */
export interface BackupInput extends OperationInput {
  /** Default `manual`; the schedule says `scheduled`. */
  reason?: RecoveryPointReason;
}

/** What `restoreDrill` takes; `{"site":"acme"}` is enough: it takes a fresh backup and restores that. */
export interface RestoreDrillInput extends OperationInput {
  /** Restore this point instead of a fresh one; its own sentinel is demanded then. */
  point?: string;
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

/** What `recoveryPoints` takes: one thing to do with a site's catalogue. It returns JSON. */
export interface RecoveryPointsInput {
  site: string;
  action: 'list' | 'show' | 'pin' | 'unpin' | 'verify' | 'prune';
  /** Needed by all but `list` and `prune`. */
  point?: string;
  by?: string;
  reason?: string;
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
