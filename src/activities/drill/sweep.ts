import type { V1Namespace } from '@kubernetes/client-node';
import {
  MANAGED_BY,
  MANAGED_BY_LABEL,
  ROLE_LABEL,
  SITE_LABEL,
} from '../../domain/kubernetes/names.ts';
import {
  drillAnnotations,
  drillNames,
  drillRole,
  siteNamespacePrefix,
} from '../../domain/recovery/drill-place.ts';
import { drillDatabasePrefix, drillNamespacePrefix } from '../../domain/recovery/request.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { DrillActivities } from '../contracts.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { read, remove } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { databaseAccess, withDatabase } from '../recovery/database.ts';
import { dropDrillDatabase, drillDatabases } from './database.ts';
import { clusterOf, type DrillDeps } from './deps.ts';
import { remainingVolumes } from './volumes.ts';

/** For all that a sweep finds together: pods get half a minute to end, and some drivers take as long for a volume. */
const sweepPatienceMs = 120_000;
const teardownPatienceMs = 600_000;

/** `sweepDrills` and `tearDownDrill`: nothing of a drill stays, whatever became of the drill. */
export function createDrillRemoval(
  deps: DrillDeps,
): Pick<DrillActivities, 'sweepDrills' | 'tearDownDrill'> {
  return {
    async sweepDrills({ site, operationId }) {
      const k = clusterOf(deps, site);
      // Databases first: each that is made has its namespace before it, so one without is left over.
      const databases = await whereAdministered(deps, site, () =>
        databaseAccess(deps, site, 'admin').then((access) =>
          withDatabase(access, (admin) => drillDatabases(admin, site)),
        ),
      );
      const namespaces = await drillNamespaces(k, site);
      const inUse = new Set<string>();
      for (const { name, operation } of namespaces) {
        // Of this very workflow an earlier run is over: it makes its own place only after this.
        if (operation !== operationId && (await deps.isRunning(operation))) inUse.add(name);
      }
      const removed: string[] = [];
      const leaving: string[] = [];
      const stuck: string[] = [];
      for (const { name, ending } of namespaces) {
        if (inUse.has(name)) continue;
        // The cluster is at it, for a finalizer perhaps that nobody serves any more: no reason not to drill.
        if (ending) stuck.push(name);
        else {
          await removeNamespace(k, name);
          removed.push(`Namespace ${name}`);
          leaving.push(name);
        }
      }
      for (const name of databases ?? []) {
        if (inUse.has(namespaceOf(name))) continue;
        await dropDatabase(deps, site, name);
        removed.push(`Database ${name}`);
      }
      const deadline = Date.now() + sweepPatienceMs;
      for (const name of leaving) {
        const left = Math.max(0, deadline - Date.now());
        if (!(await isGoneWithin(k, name, left))) stuck.push(name);
      }
      const mine = (namespace: string) =>
        namespace.startsWith(siteNamespacePrefix(site)) && !inUse.has(namespace);
      const remaining = [
        ...stuck.map((name) => `Namespace ${name}: it is being deleted, and does not go`),
        ...(await remainingVolumes(k, mine, 30_000)),
      ];
      return { removed, remaining };
    },

    async tearDownDrill({ site, drill }) {
      const k = clusterOf(deps, site);
      const { namespace, database } = drillNames(site, drill);
      const found = await read<V1Namespace>(k, namespaceRef(namespace));
      // A namespace that this drill was refused is not this drill's to delete.
      const ours = found !== null && isOurs(found, site) && drillOf(found) === drill;
      if (ours) await removeNamespace(k, namespace);
      if (ours || found === null) await dropDatabase(deps, site, database);
      if (ours && !(await isGoneWithin(k, namespace, teardownPatienceMs))) {
        throw failure(
          'PreconditionFailed',
          `Namespace ${namespace} is being deleted, and does not go`,
        );
      }
      return { remaining: await remainingVolumes(k, (name) => name === namespace) };
    },
  };
}

async function dropDatabase(deps: DrillDeps, site: Site, name: string): Promise<void> {
  await whereAdministered(deps, site, async () => {
    const access = await databaseAccess(deps, site, 'admin');
    return withDatabase(access, (admin) => dropDrillDatabase(admin, name));
  });
}

/** Without an administrator of the database no drill can have made any. */
async function whereAdministered<T>(
  _deps: DrillDeps,
  site: Site,
  work: () => Promise<T>,
): Promise<T | null> {
  return site.database.adminCredentials === undefined ? null : work();
}

async function drillNamespaces(
  k: KubernetesClients,
  site: Site,
): Promise<{ name: string; operation: string; ending: boolean }[]> {
  const labelSelector = `${MANAGED_BY_LABEL}=${MANAGED_BY},${ROLE_LABEL}=${drillRole},${SITE_LABEL}=${site.name}`;
  const { items } = await calling('list', 'namespaces', () =>
    k.core.listNamespace({ labelSelector }),
  );
  return items.flatMap((found) => {
    const name = found.metadata?.name ?? '';
    // Of a site of the same name that lives elsewhere in this cluster the names differ.
    const own = drillNames(site, drillOf(found)).namespace;
    if (name !== own) return [];
    const { annotations, deletionTimestamp } = found.metadata ?? {};
    const operation = annotations?.[drillAnnotations.operation] ?? '';
    return [{ name, operation, ending: deletionTimestamp !== undefined }];
  });
}

const drillOf = (found: V1Namespace) => found.metadata?.annotations?.[drillAnnotations.drill] ?? '';

function isOurs({ metadata }: V1Namespace, site: Site): boolean {
  const labels = metadata?.labels ?? {};
  return (
    labels[MANAGED_BY_LABEL] === MANAGED_BY &&
    labels[ROLE_LABEL] === drillRole &&
    labels[SITE_LABEL] === site.name
  );
}

/** The namespace of a drill whose database has this name. */
function namespaceOf(database: string): string {
  return `${drillNamespacePrefix}${database.slice(drillDatabasePrefix.length).replaceAll('_', '-')}`;
}

const namespaceRef = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', name });

async function removeNamespace(k: KubernetesClients, name: string): Promise<void> {
  if (!name.startsWith(drillNamespacePrefix)) {
    throw failure('PreconditionFailed', `Namespace ${name} is no drill's`);
  }
  await remove(k, namespaceRef(name));
}

/** Whether a namespace that is being deleted is gone before the time is over. */
async function isGoneWithin(
  k: KubernetesClients,
  name: string,
  timeoutMs: number,
): Promise<boolean> {
  try {
    await waitUntil({
      what: `namespace ${name} is gone`,
      timeoutMs,
      intervalMs: 500,
      onTimeout: 'PreconditionFailed',
      check: async () => {
        const found = await read<V1Namespace>(k, namespaceRef(name));
        if (found === null) return { done: true };
        const waiting = found.status?.conditions?.find(
          ({ status, type }) => status === 'True' && type !== 'NamespaceDeletionDiscoveryFailure',
        );
        return { missing: waiting?.message ?? 'it is being deleted' };
      },
    });
    return true;
  } catch (error) {
    if (failureTypeOf(error) !== 'PreconditionFailed') throw error;
    return false;
  }
}
