import type { V1Pod } from '@kubernetes/client-node';
import { selectorText } from '../../domain/kubernetes/rollout.ts';
import { containersOf, digestIn } from '../../domain/planners/rollback-app.ts';
import type { Site } from '../../domain/site/schema.ts';
import { failure } from '../failure.ts';
import type { KubernetesClients } from './clients.ts';
import { calling } from './errors.ts';
import { requireDeployment, selectorOf } from './site-objects.ts';

/** A pod whose PHP container runs, whether visitors are sent to it or not. */
export interface PhpPod {
  name: string;
  ready: boolean;
  /** Image digests of its containers by name, as far as the node tells. */
  images: Record<string, string>;
  /** The same with the image as each container names it. */
  running: { container: string; image: string; digest: string }[];
}

/**
 * Pods in which the agent can run, ready ones first. A site that a plugin has broken may have none that is ready.
 */
export async function phpPods(k: KubernetesClients, site: Site): Promise<PhpPod[]> {
  const { namespace } = site.cluster;
  const selector = selectorOf(await requireDeployment(k, site));
  const list = await calling('list', `pods in ${namespace}`, () =>
    k.core.listNamespacedPod({ namespace, labelSelector: selectorText(selector) }),
  );
  return list.items
    .filter((pod) => pod.metadata?.deletionTimestamp === undefined && runsPhp(pod, site))
    .map((pod) => ({
      name: pod.metadata?.name ?? '',
      ready:
        pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ??
        false,
      images: imagesOf(pod),
      running: Object.entries(imagesOf(pod)).map(([container, digest]) => ({
        container,
        image: containersOf(pod).find(({ name }) => name === container)?.image ?? '',
        digest,
      })),
    }))
    .sort((a, b) => Number(b.ready) - Number(a.ready));
}

/** @throws Unavailable when PHP runs in no pod. */
export async function onePhpPod(k: KubernetesClients, site: Site): Promise<string> {
  const [pod] = await phpPods(k, site);
  if (pod !== undefined) return pod.name;
  const { namespace, deployment } = site.cluster;
  throw failure('Unavailable', `PHP runs in no pod of ${namespace}/${deployment}`);
}

function statuses(pod: V1Pod) {
  return [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
}

function runsPhp(pod: V1Pod, site: Site): boolean {
  return statuses(pod).some(
    ({ name, state }) => name === site.cluster.container && state?.running !== undefined,
  );
}

function imagesOf(pod: V1Pod): Record<string, string> {
  const found = statuses(pod).flatMap(({ name, imageID }) => {
    const digest = digestIn(imageID);
    return digest === null ? [] : [[name, digest] as const];
  });
  return Object.fromEntries(found);
}
