import type { V1Deployment, V1DeploymentSpec } from '@kubernetes/client-node';
import { digestOf } from '../../domain/digest.ts';
import { layoutOf } from '../../domain/kubernetes/layout.ts';
import { heldDeployment } from '../../domain/kubernetes/rollout.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeInput, ChangeResult, HybridStorageActivities } from '../contracts.ts';
import { mergePatch, replace } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { pauseWithHeartbeat } from '../kubernetes/wait.ts';
import { requireRecovery } from '../recovery/objects.ts';
import {
  isUsable,
  listPods,
  requireDeployment,
  requireService,
  selectorOf,
} from '../kubernetes/site-objects.ts';
import { clusterOf, type HybridStorageDeps } from './deps.ts';
import { defaultDrainMs, deploymentRef, setSelector } from './rollout-changes.ts';
import { awaitEndpoints, awaitPodsGone, awaitReadyPods, awaitSettled } from './rollout-waits.ts';

type RolloutUndos = Pick<
  HybridStorageActivities,
  'removeNewPods' | 'returnTraffic' | 'reviveOldPods' | 'restoreScale'
>;

/**
 * The way back, each step to what the recovery point says. It is run in the opposite order of the changes: fewer pods,
 * old pods beside the new ones, traffic back, new pods away. None of them loses a request.
 */
export function createRolloutUndos(deps: HybridStorageDeps): RolloutUndos {
  return {
    async restoreScale(input) {
      const k = clusterOf(deps, input.site);
      const { replicas } = await originalSpec(k, input);
      await mergePatch<V1Deployment>(k, deploymentRef(input.site), {
        spec: { replicas: replicas ?? 1 },
      });
      await awaitSettled(k, input.site);
      return { replicas: replicas ?? 1 };
    },

    async reviveOldPods(input) {
      const { site } = input;
      const k = clusterOf(deps, site);
      const original = await originalSpec(k, input);
      const live = await requireDeployment(k, site);
      if (isHybrid(live, site)) {
        // The hold again: old pods come, and the new ones, which visitors are on, stay.
        const held = heldDeployment(live, original.template);
        if (held.spec) held.spec.replicas = original.replicas ?? 1;
        await replace(k, held);
      }
      const pods = await awaitReadyPods(k, site, { tracked: false, count: original.replicas ?? 1 });
      return { pods: pods.map(({ name }) => name) };
    },

    async returnTraffic(input): Promise<ChangeResult> {
      const { site } = input;
      const k = clusterOf(deps, site);
      const before = await requireRecovery(k, site, input.recoveryPoint);
      const selector = before.service?.spec?.selector;
      if (selector === undefined) {
        throw failure(
          'PreconditionFailed',
          "The recovery point holds no selector of the site's Service",
        );
      }
      const live = (await requireService(k, site)).spec?.selector ?? {};
      if (digestOf(live) === digestOf(selector)) return { selector };
      const old = (await listPods(k, site, selectorOf(await requireDeployment(k, site)))).filter(
        (pod) => !pod.tracked && isUsable(pod),
      );
      if (old.length === 0) {
        throw failure('PreconditionFailed', 'No old pod is ready to take visitors back');
      }
      await setSelector(k, site, selector);
      const endpoints = await awaitEndpoints(k, site, 'the Service names old pods again', (pods) =>
        old.some(({ name }) => pods.includes(name)),
      );
      await pauseWithHeartbeat(deps.drainMs ?? defaultDrainMs, 'proxies to learn of the old pods');
      return { selector, endpoints };
    },

    async removeNewPods(input) {
      const { site } = input;
      const k = clusterOf(deps, site);
      const original = await originalSpec(k, input);
      const live = await requireDeployment(k, site);
      if (digestOf(live.spec) !== digestOf(original)) {
        // First the template alone, rolled: with the strategy Recreate that many sites have, one step would end all pods.
        const rolling: V1DeploymentSpec = {
          ...original,
          progressDeadlineSeconds: original.progressDeadlineSeconds ?? 600,
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        };
        await replace(k, { ...live, status: undefined, spec: rolling });
        await awaitPodsGone(k, site, { tracked: true });
        await awaitReadyPods(k, site, { tracked: false, count: original.replicas ?? 1 });
        const rolled = await requireDeployment(k, site);
        await replace(k, { ...rolled, status: undefined, spec: original });
      }
      await awaitPodsGone(k, site, { tracked: true });
      const settled = await awaitSettled(k, site);
      return { pods: settled.status?.readyReplicas ?? 0 };
    },
  };
}

function isHybrid(deployment: V1Deployment, site: Site): boolean {
  const template = deployment.spec?.template ?? {};
  return layoutOf(template, site.wordpress.documentRoot).kind === 'hybrid';
}

async function originalSpec(k: KubernetesClients, input: ChangeInput): Promise<V1DeploymentSpec> {
  const before = await requireRecovery(k, input.site, input.recoveryPoint);
  const spec = before.deployment?.spec;
  if (spec === undefined) {
    throw failure('PreconditionFailed', 'The recovery point holds no Deployment');
  }
  return spec;
}
