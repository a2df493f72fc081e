import type {
  V1Deployment,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
  V1Service,
} from '@kubernetes/client-node';
import { selects } from '../../domain/kubernetes/disruption-budget.ts';
import { TRACK_LABEL } from '../../domain/kubernetes/names.ts';
import { plain } from '../../domain/kubernetes/plain.ts';
import { selectorText } from '../../domain/kubernetes/rollout.ts';
import type { Site } from '../../domain/site/schema.ts';
import { read } from './apply.ts';
import type { KubernetesClients } from './clients.ts';
import { failure } from '../failure.ts';
import { calling } from './errors.ts';

/** One pod of the site's Deployment as the activities look at it. */
export interface SitePod {
  name: string;
  /** It was made from the template of phase 1. */
  tracked: boolean;
  ready: boolean;
  terminating: boolean;
  /** Why a container does not run: `ImagePullBackOff` and the like; null while nothing is wrong. */
  trouble: string | null;
}

export async function readDeployment(
  k: KubernetesClients,
  site: Site,
): Promise<V1Deployment | null> {
  const { namespace, deployment } = site.cluster;
  return read(k, { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: deployment });
}

/** @throws NotFound */
export async function requireDeployment(k: KubernetesClients, site: Site): Promise<V1Deployment> {
  const found = await readDeployment(k, site);
  if (found?.spec === undefined) {
    const { namespace, deployment } = site.cluster;
    throw failure('NotFound', `There is no Deployment ${namespace}/${deployment}`);
  }
  return found;
}

export async function readService(k: KubernetesClients, site: Site): Promise<V1Service | null> {
  const { namespace, service } = site.cluster;
  return read(k, { apiVersion: 'v1', kind: 'Service', namespace, name: service });
}

/** @throws NotFound */
export async function requireService(k: KubernetesClients, site: Site): Promise<V1Service> {
  const found = await readService(k, site);
  if (found?.spec === undefined) {
    const { namespace, service } = site.cluster;
    throw failure('NotFound', `There is no Service ${namespace}/${service}`);
  }
  return found;
}

export async function readClaim(
  k: KubernetesClients,
  site: Site,
  name: string,
): Promise<V1PersistentVolumeClaim | null> {
  const { namespace } = site.cluster;
  return read(k, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name });
}

/** Budgets that select pods with these labels. */
export async function readDisruptionBudgets(
  k: KubernetesClients,
  site: Site,
  labels: Record<string, string>,
): Promise<V1PodDisruptionBudget[]> {
  const { namespace } = site.cluster;
  const list = await calling('list', `poddisruptionbudgets in ${namespace}`, () =>
    k.policy.listNamespacedPodDisruptionBudget({ namespace }),
  );
  return plain(list.items).filter(({ spec }) => selects(spec, labels));
}

/** Labels that select the Deployment's pods. */
export function selectorOf(deployment: V1Deployment): Record<string, string> {
  return deployment.spec?.selector.matchLabels ?? {};
}

/** All pods of the Deployment, old and new, terminating ones too, oldest first. */
export async function listPods(
  k: KubernetesClients,
  site: Site,
  selector: Record<string, string>,
): Promise<SitePod[]> {
  const { namespace } = site.cluster;
  const list = await calling('list', `pods in ${namespace}`, () =>
    k.core.listNamespacedPod({ namespace, labelSelector: selectorText(selector) }),
  );
  return list.items
    .filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
    .sort((a, b) => Number(a.metadata?.creationTimestamp) - Number(b.metadata?.creationTimestamp))
    .map(podOf);
}

function podOf(pod: V1Pod): SitePod {
  const conditions = pod.status?.conditions ?? [];
  const statuses = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ];
  const waiting = statuses.find(({ state }) => troubles.has(state?.waiting?.reason ?? ''));
  return {
    name: pod.metadata?.name ?? '',
    tracked: pod.metadata?.labels?.[TRACK_LABEL] !== undefined,
    ready: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
    terminating: pod.metadata?.deletionTimestamp !== undefined,
    trouble:
      waiting === undefined
        ? null
        : `container ${waiting.name}: ${waiting.state?.waiting?.reason ?? ''} ${waiting.state?.waiting?.message ?? ''}`.trim(),
  };
}

/** Reasons for which a container waits without hope of more than a few retries. */
const troubles = new Set([
  'CrashLoopBackOff',
  'ImagePullBackOff',
  'ErrImagePull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

export const isUsable = (pod: SitePod) => pod.ready && !pod.terminating;

/** The pod that shows the site as visitors meet it: a new one once the Service selects those, else an old one. */
export function servingPod(pods: SitePod[], served: boolean): SitePod | null {
  return pods.find((pod) => isUsable(pod) && pod.tracked === served) ?? pods.find(isUsable) ?? null;
}
