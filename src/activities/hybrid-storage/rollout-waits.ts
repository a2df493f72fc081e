import type { V1Deployment } from '@kubernetes/client-node';
import type { Site } from '../../domain/site/schema.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { calling } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import {
  isUsable,
  listPods,
  requireDeployment,
  selectorOf,
  type SitePod,
} from '../kubernetes/site-objects.ts';

const rolloutTimeoutMs = 900_000;
/** An image pull or a crash that goes on for this long is not a passing one. */
const troubleMs = 120_000;

/**
 * Waits until `count` pods of one kind are ready, and gives them.
 * @throws RolloutStuck with the pods' own reason when they do not get there.
 */
export async function awaitReadyPods(
  k: KubernetesClients,
  site: Site,
  kind: { tracked: boolean; count: number; timeoutMs?: number },
): Promise<SitePod[]> {
  const selector = selectorOf(await requireDeployment(k, site));
  const name = kind.tracked ? 'new' : 'old';
  let inTroubleSince: number | null = null;
  return waitUntil<SitePod[]>({
    what: `${kind.count} ${name} pods are ready`,
    timeoutMs: kind.timeoutMs ?? rolloutTimeoutMs,
    onTimeout: 'RolloutStuck',
    check: async () => {
      const pods = (await listPods(k, site, selector)).filter(
        ({ tracked }) => tracked === kind.tracked,
      );
      const ready = pods.filter(isUsable);
      if (ready.length >= kind.count) return { done: ready };
      const trouble = pods.find((pod) => pod.trouble !== null && !pod.terminating);
      if (trouble === undefined) {
        inTroubleSince = null;
      } else {
        inTroubleSince ??= Date.now();
        if (Date.now() - inTroubleSince > troubleMs) {
          throw failure('RolloutStuck', `Pod ${trouble.name}: ${trouble.trouble ?? ''}`);
        }
      }
      const seen = pods.map(
        (pod) => `${pod.name} ${pod.trouble ?? (pod.ready ? 'ready' : 'starting')}`,
      );
      return { missing: seen.join(', ') || `no ${name} pod` };
    },
  });
}

/** Waits until no pod of one kind is left, terminating ones included. */
export async function awaitPodsGone(
  k: KubernetesClients,
  site: Site,
  kind: { tracked: boolean },
): Promise<void> {
  const selector = selectorOf(await requireDeployment(k, site));
  await waitUntil({
    what: `all ${kind.tracked ? 'new' : 'old'} pods are gone`,
    timeoutMs: rolloutTimeoutMs,
    onTimeout: 'RolloutStuck',
    check: async () => {
      const left = (await listPods(k, site, selector)).filter(
        ({ tracked }) => tracked === kind.tracked,
      );
      return left.length === 0
        ? { done: true }
        : { missing: left.map(({ name }) => name).join(', ') };
    },
  });
}

/** Waits until the Deployment has as many available, up-to-date pods as it wants, and no others. */
export async function awaitSettled(k: KubernetesClients, site: Site): Promise<V1Deployment> {
  return waitUntil<V1Deployment>({
    what: `Deployment ${site.cluster.namespace}/${site.cluster.deployment} has settled`,
    timeoutMs: rolloutTimeoutMs,
    onTimeout: 'RolloutStuck',
    check: async () => {
      const deployment = await requireDeployment(k, site);
      const { status } = deployment;
      const wanted = deployment.spec?.replicas ?? 1;
      const observed = (status?.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0);
      const counts = [status?.replicas, status?.updatedReplicas, status?.availableReplicas];
      if (observed && counts.every((count) => (count ?? 0) === wanted)) return { done: deployment };
      return {
        missing: `${counts[1] ?? 0} updated and ${counts[2] ?? 0} available of ${counts[0] ?? 0} pods, ${wanted} wanted`,
      };
    },
  });
}

/** Waits until the Service has ready endpoints, and `accepts` every pod behind one. Gives the pods' names. */
export async function awaitEndpoints(
  k: KubernetesClients,
  site: Site,
  what: string,
  accepts: (pods: string[]) => boolean,
): Promise<string[]> {
  const { namespace, service } = site.cluster;
  return waitUntil<string[]>({
    what,
    timeoutMs: 120_000,
    intervalMs: 500,
    check: async () => {
      const list = await calling('list', `endpointslices in ${namespace}`, () =>
        k.discovery.listNamespacedEndpointSlice({
          namespace,
          labelSelector: `kubernetes.io/service-name=${service}`,
        }),
      );
      const pods = list.items
        .flatMap(({ endpoints }) => endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready !== false)
        .map(({ targetRef }) => targetRef?.name ?? '');
      const unique = [...new Set(pods)];
      return unique.length > 0 && accepts(unique)
        ? { done: unique }
        : { missing: `endpoints are ${unique.join(', ') || 'none'}` };
    },
  });
}
