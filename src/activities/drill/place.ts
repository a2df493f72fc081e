import { randomBytes } from 'node:crypto';
import {
  AuthenticationV1Api,
  RbacAuthorizationV1Api,
  type V1Namespace,
  type V1Secret,
} from '@kubernetes/client-node';
import {
  MANAGED_BY,
  MANAGED_BY_LABEL,
  ROLE_LABEL,
  SITE_LABEL,
} from '../../domain/kubernetes/names.ts';
import {
  drillNamespace,
  drillNetworkPolicies,
  sealObject,
  workerBinding,
} from '../../domain/recovery/drill-objects.ts';
import {
  drillAnnotations,
  drillNames,
  drillRole,
  unfitNames,
  type DrillNames,
} from '../../domain/recovery/drill-place.ts';
import { sealSecret } from '../../domain/recovery/drill-template.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { DrillActivities } from '../contracts.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { read } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling, statusCode } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { openCatalogue, resolvePoint } from '../recovery/catalogue.ts';
import { databaseAccess, withDatabase } from '../recovery/database.ts';
import { ensureDrillDatabase } from './database.ts';
import { clusterOf, scripts, type DrillDeps } from './deps.ts';
import { drillVolumes } from './volumes.ts';

/** The activity `openDrill`. */
export function createOpenDrill(deps: DrillDeps): Pick<DrillActivities, 'openDrill'> {
  return {
    async openDrill({ site, drill, operationId, point: wanted }) {
      const names = drillNames(site, drill);
      const unfit = unfitNames(site, names);
      if (unfit !== null) throw failure('PreconditionFailed', unfit);
      const catalogue = await openCatalogue(deps, site);
      const point = await resolvePoint(catalogue, wanted).finally(() => catalogue.close());
      try {
        const k = clusterOf(deps, site);
        // Found out before anything is made, and told as what it is: a claim would wait for ever.
        await drillVolumes(k, site, point.files?.volumes ?? []);
        await ensureNamespace(k, site, { names, drill, operationId });
        await ensureRights(k, site, names.namespace);
        const password = await ensureSeal(k, site, names);
        const access = await databaseAccess(deps, site, 'admin');
        await withDatabase(access, (admin) =>
          ensureDrillDatabase(admin, names.database, password, point.database?.manifest ?? null),
        );
      } catch (error) {
        throw notThePoint(error);
      }
      return { drill, ...names, point: point.id, takenAt: point.takenAt };
    },
  };
}

/** Types that would blame the recovery point say something else where only a place is made for it. */
function notThePoint(error: unknown): unknown {
  const type = failureTypeOf(error);
  const misleading = ['NotFound', 'InvalidInput', 'Unauthorized', 'SecretMissing'];
  if (type === null || !misleading.includes(type)) return error;
  return failure('PreconditionFailed', (error as Error).message);
}

async function ensureNamespace(
  k: KubernetesClients,
  site: Site,
  input: { names: DrillNames; drill: string; operationId: string },
): Promise<void> {
  const { namespace } = input.names;
  const ref = { apiVersion: 'v1', kind: 'Namespace', name: namespace };
  await waitUntil({
    what: `an earlier namespace ${namespace} is gone`,
    timeoutMs: 180_000,
    check: async () => {
      const found = await read<V1Namespace>(k, ref);
      if (found !== null) requireOurs(found, site, input.drill);
      const ending = found?.metadata?.deletionTimestamp !== undefined;
      return ending ? { missing: 'it is being deleted' } : { done: true };
    },
  });
  if ((await read<V1Namespace>(k, ref)) !== null) return;
  const live = await read<V1Namespace>(k, { ...ref, name: site.cluster.namespace });
  const body = drillNamespace(site, {
    name: namespace,
    drill: input.drill,
    operationId: input.operationId,
    liveLabels: live?.metadata?.labels ?? {},
  });
  await created('namespaces', namespace, () => k.core.createNamespace({ body }));
}

/** @throws PreconditionFailed for a namespace of that name that no drill of this site made. */
function requireOurs(found: V1Namespace, site: Site, drill: string): void {
  const { labels = {}, annotations = {}, name } = found.metadata ?? {};
  const ours =
    labels[MANAGED_BY_LABEL] === MANAGED_BY &&
    labels[ROLE_LABEL] === drillRole &&
    labels[SITE_LABEL] === site.name &&
    annotations[drillAnnotations.drill] === drill;
  if (ours) return;
  throw failure(
    'PreconditionFailed',
    `Namespace ${name} is there and this drill did not make it: nothing is restored into it`,
  );
}

/** Gives the worker in the namespace what it has in the site's, and closes the namespace off. */
async function ensureRights(k: KubernetesClients, site: Site, namespace: string): Promise<void> {
  const authentication = k.config.makeApiClient(AuthenticationV1Api);
  const review = await calling('create', 'selfsubjectreviews', () =>
    authentication.createSelfSubjectReview({ body: {} }),
  );
  const username = review.status?.userInfo?.username ?? '';
  const rbac = k.config.makeApiClient(RbacAuthorizationV1Api);
  const body = workerBinding(site, namespace, username);
  await created('rolebindings', `${namespace}/${body.metadata?.name}`, () =>
    rbac.createNamespacedRoleBinding({ namespace, body }),
  );
  await waitUntil({
    what: `the worker's rights in ${namespace} hold`,
    timeoutMs: 30_000,
    intervalMs: 200,
    onTimeout: 'Forbidden',
    check: async () => {
      try {
        for (const policy of drillNetworkPolicies(site, namespace)) {
          await created('networkpolicies', `${namespace}/${policy.metadata?.name}`, () =>
            k.networking.createNamespacedNetworkPolicy({ namespace, body: policy }),
          );
        }
        return { done: true };
      } catch (error) {
        if (failureTypeOf(error) !== 'Forbidden') throw error;
        return { missing: (error as Error).message };
      }
    },
  });
}

/** The Secret that seals the copy off; its password is drawn once a drill. Returns the password. */
async function ensureSeal(k: KubernetesClients, site: Site, names: DrillNames): Promise<string> {
  const { namespace, database, host } = names;
  const ref = { apiVersion: 'v1', kind: 'Secret', namespace, name: sealSecret };
  if ((await read<V1Secret>(k, ref)) === null) {
    const body = sealObject(site, {
      namespace,
      database,
      host,
      // The first characters satisfy servers that ask for upper and lower case, digits and others.
      password: `aZ3.${randomBytes(24).toString('base64url')}`,
      seal: database,
      program: scripts.seal,
    });
    await created('secrets', `${namespace}/${sealSecret}`, () =>
      k.core.createNamespacedSecret({ namespace, body }),
    );
  }
  const kept = (await read<V1Secret>(k, ref))?.data?.['password'];
  if (kept === undefined) throw failure('Conflict', `Secret ${namespace}/${sealSecret} is gone`);
  return Buffer.from(kept, 'base64').toString('utf8');
}

/** Creates an object; one that is there already is the one of an earlier attempt. */
export async function created(
  resource: string,
  name: string,
  create: () => Promise<unknown>,
): Promise<void> {
  await calling('create', `${resource} ${name}`, async () => {
    try {
      await create();
    } catch (error) {
      if (statusCode(error) !== 409) throw error;
    }
  });
}
