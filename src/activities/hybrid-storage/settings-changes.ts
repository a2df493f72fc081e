import type {
  V1ConfigMap,
  V1PodDisruptionBudget,
  V1PodDisruptionBudgetSpec,
  V1Secret,
} from '@kubernetes/client-node';
import { digestOf } from '../../domain/digest.ts';
import { hybridConfigExtra } from '../../domain/kubernetes/config-extra.ts';
import { disruptionBudget } from '../../domain/kubernetes/disruption-budget.ts';
import {
  hybridNames,
  managedLabels,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  TRACK_LABEL,
} from '../../domain/kubernetes/names.ts';
import { saltKeys } from '../../domain/planners/hybrid-storage-changes.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeInput, ChangeResult, HybridStorageActivities } from '../contracts.ts';
import { apply, mergePatch, read, remove } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { requireRecovery } from '../recovery/objects.ts';
import {
  listPods,
  readDeployment,
  requireDeployment,
  requireService,
  selectorOf,
  servingPod,
} from '../kubernetes/site-objects.ts';
import { readConfigExtra } from './config-source.ts';
import { clusterOf, type HybridStorageDeps } from './deps.ts';
import { keptSalts, saltsFingerprint } from './salts.ts';

type SettingsChanges = Pick<
  HybridStorageActivities,
  | 'keepSalts'
  | 'deleteSalts'
  | 'applyConfiguration'
  | 'deleteConfiguration'
  | 'applyDisruptionBudget'
  | 'restoreDisruptionBudget'
>;

/** Changes that prepare what the new pods read: salts, configuration, disruption budget. */
export function createSettingsChanges(deps: HybridStorageDeps): SettingsChanges {
  return {
    async keepSalts({ site }) {
      const k = clusterOf(deps, site);
      const deployment = await requireDeployment(k, site);
      const service = await requireService(k, site);
      const kept = await keptSalts(k, site);
      const served = service.spec?.selector?.[TRACK_LABEL] !== undefined;
      if (served && kept !== null) return { kept: true, changed: false };
      const pod = servingPod(await listPods(k, site, selectorOf(deployment)), served);
      if (pod === null) throw failure('Unavailable', 'No pod is ready to read the salts from');
      const values = (await deps.agent.run(site, pod.name, 'salts')) as Record<string, string>;
      if (!saltKeys.every((key) => typeof values[key] === 'string' && values[key] !== '')) {
        throw failure('AgentFailed', 'WordPress did not give all eight keys and salts');
      }
      if (kept?.fingerprint === saltsFingerprint(values)) return { kept: true, changed: false };
      const data = saltKeys.map((key) => [key, Buffer.from(values[key] ?? '').toString('base64')]);
      await apply<V1Secret>(k, {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: hybridNames(site).saltsSecret,
          namespace: site.cluster.namespace,
          labels: managedLabels(site, 'salts'),
        },
        type: 'Opaque',
        data: Object.fromEntries(data) as Record<string, string>,
      });
      return { kept: true, changed: true };
    },

    async deleteSalts(input): Promise<ChangeResult> {
      const { site } = input;
      const k = clusterOf(deps, site);
      const name = hybridNames(site).saltsSecret;
      const before = await requireRecovery(k, site, input.recoveryPoint);
      if (before.saltsSecret) return { deleted: false, why: 'it was there before this operation' };
      await refuseWhileUsed(k, site, name);
      const ref = { apiVersion: 'v1', kind: 'Secret', namespace: site.cluster.namespace, name };
      return { deleted: await removeOwn(k, ref) };
    },

    async applyConfiguration(input) {
      const { site, change } = input;
      const k = clusterOf(deps, site);
      const deployment = await requireDeployment(k, site);
      const template = deployment.spec?.template ?? {};
      const extra = await readConfigExtra(k, site, template);
      const text = hybridConfigExtra(extra.text, {
        fsMethodDirect: change.params['fsMethodDirect'] === true,
      });
      const { textDigest } = (change.after ?? {}) as { textDigest?: string };
      if (digestOf(text) !== textDigest) {
        throw failure(
          'PlanMismatch',
          'WORDPRESS_CONFIG_EXTRA is not what it was when this was approved',
        );
      }
      await apply(k, configMapOf(site, text), { force: true });
      return { configMap: hybridNames(site).configMap, textDigest };
    },

    async deleteConfiguration(input): Promise<ChangeResult> {
      const { site } = input;
      const k = clusterOf(deps, site);
      const name = hybridNames(site).configMap;
      const before = await requireRecovery(k, site, input.recoveryPoint);
      const text = before.configMap?.data?.['extra'];
      if (text !== undefined) {
        await apply(k, configMapOf(site, text), { force: true });
        return { deleted: false, restored: true };
      }
      await refuseWhileUsed(k, site, name);
      const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: site.cluster.namespace, name };
      return { deleted: await removeOwn(k, ref) };
    },

    async applyDisruptionBudget(input) {
      const { site } = input;
      const k = clusterOf(deps, site);
      const selector = selectorOf(await requireDeployment(k, site));
      const name = budgetName(input);
      const wanted = disruptionBudget(site, selector, name);
      const live = await readBudget(k, site, name);
      if (live === null) {
        await apply(k, wanted);
      } else if (digestOf(live.spec ?? null) !== digestOf(wanted.spec)) {
        await patchBudget(k, site, name, wanted.spec ?? {});
      }
      return { budget: name };
    },

    async restoreDisruptionBudget(input): Promise<ChangeResult> {
      const { site } = input;
      const k = clusterOf(deps, site);
      const name = budgetName(input);
      const before = await requireRecovery(k, site, input.recoveryPoint);
      const original = before.disruptionBudgets.find(({ metadata }) => metadata?.name === name);
      const live = await readBudget(k, site, name);
      if (original === undefined) {
        const { namespace } = site.cluster;
        return {
          deleted: await removeOwn(k, {
            apiVersion: 'policy/v1',
            kind: 'PodDisruptionBudget',
            namespace,
            name,
          }),
        };
      }
      if (live === null) {
        const metadata = { ...original.metadata };
        delete metadata.resourceVersion;
        delete metadata.uid;
        await apply(k, { ...original, metadata });
      } else if (digestOf(live.spec ?? null) !== digestOf(original.spec ?? null)) {
        await patchBudget(k, site, name, original.spec ?? {});
      }
      return { restored: name };
    },
  };
}

function configMapOf(site: Site, text: string): V1ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: hybridNames(site).configMap,
      namespace: site.cluster.namespace,
      labels: managedLabels(site, 'configuration'),
    },
    data: { extra: text },
  };
}

function budgetName({ change }: ChangeInput): string {
  const { name } = change.params;
  if (typeof name !== 'string')
    throw failure('InvalidInput', `The change ${change.id} has no name`);
  return name;
}

async function readBudget(k: KubernetesClients, site: Site, name: string) {
  const { namespace } = site.cluster;
  return read<V1PodDisruptionBudget>(k, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    namespace,
    name,
  });
}

/** minAvailable and maxUnavailable exclude each other, and applying one does not take the other away. */
async function patchBudget(
  k: KubernetesClients,
  site: Site,
  name: string,
  spec: V1PodDisruptionBudgetSpec,
): Promise<void> {
  const { namespace } = site.cluster;
  const ref = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', namespace, name };
  await mergePatch(k, ref, {
    spec: {
      ...spec,
      minAvailable: spec.minAvailable ?? null,
      maxUnavailable: spec.maxUnavailable ?? null,
    },
  });
}

/** Deletes an object only when Presslift made it; false when it is not there. */
async function removeOwn(
  k: KubernetesClients,
  ref: { apiVersion: string; kind: string; namespace: string; name: string },
): Promise<boolean> {
  const found = await read(k, ref);
  if (found === null) return false;
  if (found.metadata?.labels?.[MANAGED_BY_LABEL] !== MANAGED_BY) {
    throw failure('PreconditionFailed', `${ref.kind} ${ref.name} is not Presslift's; it is kept`);
  }
  return remove(k, ref);
}

/** New pods could not start without it. */
async function refuseWhileUsed(k: KubernetesClients, site: Site, name: string): Promise<void> {
  const deployment = await readDeployment(k, site);
  if (JSON.stringify(deployment?.spec?.template ?? null).includes(`"name":"${name}"`)) {
    throw failure(
      'PreconditionFailed',
      `The Deployment's template still reads ${name}; it is kept`,
    );
  }
}
