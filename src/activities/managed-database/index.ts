/** A managed database as of a second: a new cluster from the provider's backup and log, and the site moved to it. */
import { forkNames } from '../../domain/recovery/database-fork.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { RollbackActivities } from '../contracts.ts';
import type { VerifiedConnectionOptions } from '../database/connection.ts';
import { Secret } from '../secrets/secret.ts';
import { clusterOf, type ManagedDatabaseDeps } from './deps.ts';
import { createForkChanges } from './fork.ts';
import { readKept } from './kept.ts';
import { createMoveChanges } from './move.ts';

export type { ManagedDatabaseDeps } from './deps.ts';

/** The changes `fork-database` and `move-to-forked-database` of a rollback, with their undos. */
export function createManagedDatabaseActivities(
  deps: ManagedDatabaseDeps,
): Pick<
  RollbackActivities,
  'forkDatabase' | 'deleteForkedDatabase' | 'moveToForkedDatabase' | 'moveBackFromForkedDatabase'
> {
  return { ...createForkChanges(deps), ...createMoveChanges(deps) };
}

/** How to reach the fork of an operation as WordPress does; null when there is none. For verification after a move. */
export async function forkedDatabaseAccess(
  deps: Pick<ManagedDatabaseDeps, 'kubernetes' | 'secrets'>,
  site: Site,
  operationId: string,
  time: string,
): Promise<VerifiedConnectionOptions | null> {
  const fork = await readKept(clusterOf(deps, site), site, forkNames(site, operationId, time));
  if (fork === null) return null;
  const { username, password } = fork.account;
  return {
    ...{ host: fork.host, port: fork.port, ca: fork.ca, database: site.database.name },
    account: { username, password: new Secret(password) },
  };
}
