import type { V1Deployment, V1DeploymentSpec } from '@kubernetes/client-node';
import { digestOf } from '../../domain/digest.ts';
import { layoutOf } from '../../domain/kubernetes/layout.ts';
import { TRACK_LABEL } from '../../domain/kubernetes/names.ts';
import {
  hybridPodTemplate,
  type HybridTemplateOptions,
} from '../../domain/kubernetes/pod-template.ts';
import {
  heldDeployment,
  servingSettings,
  trackedSelector,
  untrackedSelector,
} from '../../domain/kubernetes/rollout.ts';
import { deploymentShown } from '../../domain/planners/hybrid-storage-changes.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeInput, ChangeResult, HybridStorageActivities } from '../contracts.ts';
import { apply, mergePatch, replace } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { pauseWithHeartbeat } from '../kubernetes/wait.ts';
import {
  isUsable,
  listPods,
  requireDeployment,
  requireService,
  selectorOf,
} from '../kubernetes/site-objects.ts';
import { sameExtensions, sameSite } from './compare.ts';
import { clusterOf, type HybridStorageDeps } from './deps.ts';
import { awaitEndpoints, awaitPodsGone, awaitReadyPods, awaitSettled } from './rollout-waits.ts';

type RolloutChanges = Pick<
  HybridStorageActivities,
  'startNewPods' | 'moveTraffic' | 'retireOldPods' | 'scaleOut'
>;

/**
 * How long old pods stay after the Service stopped naming them: proxies learn of it within a second, and requests that
 * are under way need to end. Old pods have no preStop pause, and giving them one would end them.
 */
export const defaultDrainMs = 12_000;

/** Changes that move visitors from old pods to new ones without losing a request. */
export function createRolloutChanges(deps: HybridStorageDeps): RolloutChanges {
  return {
    async startNewPods(input) {
      const { site, operationId } = input;
      const k = clusterOf(deps, site);
      const options = templateOptions(input);
      const deployment = await requireDeployment(k, site);
      const spec = deployment.spec as V1DeploymentSpec;
      if (layoutOf(spec.template, site.wordpress.documentRoot).kind !== 'hybrid') {
        const template = hybridPodTemplate(spec.template, site, options);
        const held = heldDeployment(deployment, template);
        // The real object holds what the plan must not show; their redacted forms have to be the same.
        const shown = deploymentShown(held.spec as V1DeploymentSpec);
        if (digestOf(shown) !== digestOf(input.change.after)) {
          throw failure('PlanMismatch', 'The Deployment is not what it was when this was approved');
        }
        await replace(k, held);
      }
      const fresh = await awaitReadyPods(k, site, { tracked: true, count: spec.replicas ?? 1 });
      const [old] = await awaitReadyPods(k, site, { tracked: false, count: 1, timeoutMs: 120_000 });
      const pods = { old: old?.name ?? '', new: fresh[0]?.name ?? '' };
      const files = await sameExtensions(deps, k, site, pods, operationId, options);
      await sameSite(deps, site, pods);
      return { pods: fresh.map(({ name }) => name), ...files };
    },

    async moveTraffic(input) {
      const { site } = input;
      const k = clusterOf(deps, site);
      const service = await requireService(k, site);
      const selector = service.spec?.selector ?? {};
      const wanted = trackedSelector(untrackedSelector(selector));
      const { selector: approved } = (input.change.after ?? {}) as { selector?: object };
      if (digestOf(wanted) !== digestOf(approved ?? null)) {
        throw failure('PlanMismatch', 'The Service is not what it was when this was approved');
      }
      const replicas = (await requireDeployment(k, site)).spec?.replicas ?? 1;
      const fresh = await awaitReadyPods(k, site, { tracked: true, count: replicas });
      await setSelector(k, site, wanted);
      const names = new Set(fresh.map(({ name }) => name));
      const endpoints = await awaitEndpoints(k, site, 'the Service names new pods alone', (pods) =>
        pods.every((name) => names.has(name)),
      );
      const drainMs = deps.drainMs ?? defaultDrainMs;
      await pauseWithHeartbeat(drainMs, 'requests at the old pods to end');
      return { endpoints, drainedMs: drainMs };
    },

    async retireOldPods({ site }) {
      const k = clusterOf(deps, site);
      await requireTracked(k, site, 'the old pods end');
      await mergePatch<V1Deployment>(k, deploymentRef(site), { spec: servingSettings() });
      await awaitPodsGone(k, site, { tracked: false });
      const settled = await awaitSettled(k, site);
      return { pods: settled.status?.readyReplicas ?? 0 };
    },

    async scaleOut(input): Promise<ChangeResult> {
      const { site } = input;
      const k = clusterOf(deps, site);
      await requireTracked(k, site, 'the Deployment is scaled');
      const { replicas } = (input.change.after ?? {}) as { replicas?: number };
      if (typeof replicas !== 'number') {
        throw failure('InvalidInput', 'The change scale-out names no number of pods');
      }
      await mergePatch<V1Deployment>(k, deploymentRef(site), {
        spec: { replicas, ...servingSettings() },
      });
      await awaitSettled(k, site);
      const pods = await awaitReadyPods(k, site, { tracked: true, count: replicas });
      return { pods: pods.map(({ name }) => name) };
    },
  };
}

export function deploymentRef(site: Site) {
  const { namespace, deployment } = site.cluster;
  return { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: deployment };
}

/** The Service's selector, taken over from whoever set it: a person approved exactly this change. */
export async function setSelector(
  k: KubernetesClients,
  site: Site,
  selector: Record<string, string>,
): Promise<void> {
  const { namespace, service } = site.cluster;
  await apply(
    k,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service, namespace },
      spec: { selector },
    } as never,
    { force: true },
  );
}

/** @throws PreconditionFailed while visitors may still be on old pods. */
async function requireTracked(k: KubernetesClients, site: Site, what: string): Promise<void> {
  const service = await requireService(k, site);
  if (service.spec?.selector?.[TRACK_LABEL] === undefined) {
    throw failure('PreconditionFailed', `Visitors must be on the new pods alone before ${what}`);
  }
  const pods = await listPods(k, site, selectorOf(await requireDeployment(k, site)));
  if (!pods.some((pod) => pod.tracked && isUsable(pod))) {
    throw failure(
      'PreconditionFailed',
      `No new pod is ready, so nothing may change before ${what}`,
    );
  }
}

function templateOptions({ change }: ChangeInput): HybridTemplateOptions {
  const { template } = change.params;
  if (typeof template !== 'object' || template === null || Array.isArray(template)) {
    throw failure('InvalidInput', `The change ${change.id} has no settings for the template`);
  }
  return template as unknown as HybridTemplateOptions;
}
