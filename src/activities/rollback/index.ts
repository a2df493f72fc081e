import type { RollbackActivities, VerificationActivities } from '../contracts.ts';
import { createApp } from './app.ts';
import { createDatabase } from './database.ts';
import type { RollbackDeps } from './deps.ts';
import { perExecution } from './execution.ts';
import { createExtensions } from './extensions.ts';
import { createKept } from './kept.ts';
import { createMaintenance } from './maintenance.ts';
import { createOptions } from './options.ts';
import { verifyRolledBackLayers } from './verify-layers.ts';
import { verifyRolledBackSite } from './verify-site.ts';

export type { RollbackDeps } from './deps.ts';
export { perExecution } from './execution.ts';
export { createRollbackObservers, createRollbackPlanning } from './planning.ts';

/** The changes of a rollback and their undos; those of a forked database are in src/activities/managed-database. */
export function createRollbackActivities(
  deps: RollbackDeps,
): Omit<
  RollbackActivities,
  'forkDatabase' | 'deleteForkedDatabase' | 'moveToForkedDatabase' | 'moveBackFromForkedDatabase'
> {
  return perExecution({
    ...createDatabase(deps),
    ...createExtensions(deps),
    ...createOptions(deps),
    ...createApp(deps),
    ...createMaintenance(deps),
    ...createKept(deps),
  });
}

/** The success criteria of a rollback, measured on the live site. */
export function createRollbackVerification(
  deps: RollbackDeps,
): Pick<VerificationActivities, 'verifyRolledBackLayers' | 'verifyRolledBackSite'> {
  return {
    verifyRolledBackLayers: (input) => verifyRolledBackLayers(deps, input),
    verifyRolledBackSite: (input) => verifyRolledBackSite(deps, input),
  };
}
