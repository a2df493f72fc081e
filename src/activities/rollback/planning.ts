import { digestOf } from '../../domain/digest.ts';
import { rollbackObserved } from '../../domain/planners/rollback-facts.ts';
import {
  pickExtensionOptions,
  extensionOptions,
} from '../../domain/planners/rollback-situation.ts';
import { planRollback } from '../../domain/planners/rollback.ts';
import { rollbackLayers } from '../../domain/recovery/point.ts';
import type { RollbackRequest } from '../../domain/recovery/request.ts';
import type { PlanningActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { readDeployment } from '../kubernetes/site-objects.ts';
import type { ObserverRegistry } from '../hybrid-storage/planning.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { databaseAccess, withDatabase } from '../recovery/database.ts';
import { siteCluster } from '../recovery/deps.ts';
import type { RollbackDeps } from './deps.ts';
import { executionId } from './execution.ts';
import { extensionListing, observeRollback, readOptions } from './observe.ts';
import { tablesOf } from './sql.ts';

/** The activity `planRollback`. */
export function createRollbackPlanning(
  deps: RollbackDeps,
): Pick<PlanningActivities, 'planRollback'> {
  return {
    async planRollback({ site, siteDigest, operationId, request }) {
      checkRequest(request, deps.now());
      const execution = executionId(operationId);
      const facts = await observeRollback(deps, { site, operationId: execution, request });
      const plan = planRollback(site, facts, request, { siteDigest, execution });
      return { plan, digest: digestOf(plan) };
    },
  };
}

/** @throws InvalidInput for what no plan can be made of. */
function checkRequest({ layers, databaseTime }: RollbackRequest, now: Date): void {
  const unknown = layers?.find((layer) => !rollbackLayers.includes(layer));
  if (unknown !== undefined || layers?.length === 0) {
    throw failure(
      'InvalidInput',
      `The layers of a rollback are ${rollbackLayers.join(', ')}; not ${JSON.stringify(unknown ?? layers)}`,
    );
  }
  if (databaseTime === undefined) return;
  const time = Date.parse(databaseTime);
  if (Number.isNaN(time)) {
    throw failure('InvalidInput', `databaseTime is no time: ${JSON.stringify(databaseTime)}`);
  }
  if (time > now.getTime()) {
    throw failure('InvalidInput', `databaseTime is in the future: ${databaseTime}`);
  }
}

/** Observers of everything that a plan of a rollback observes. */
export function createRollbackObservers(deps: RollbackDeps): ObserverRegistry {
  return {
    'rollback-point': async (site, key) => {
      const id = key.slice(key.indexOf(':') + 1);
      const catalogue = await openCatalogue(deps, site);
      try {
        return rollbackObserved.point(await catalogue.read(id), await catalogue.state(id));
      } finally {
        catalogue.close();
      }
    },
    'rollback-app': async (site) =>
      rollbackObserved.deployment(await readDeployment(siteCluster(deps, site), site)),
    'rollback-files': async (site) => extensionListing(deps, site),
    'rollback-options': async (site) =>
      rollbackObserved.options(
        pickExtensionOptions(await readOptions(deps, site, [...extensionOptions])),
      ),
    'rollback-database': async (site) =>
      withDatabase(await databaseAccess(deps, site, 'site'), async (connection) =>
        rollbackObserved.tables(await tablesOf(connection, site.database.name)),
      ),
    'rollback-cdn': async (site) => rollbackObserved.cdn(await deps.describeCdn({ site })),
  };
}
