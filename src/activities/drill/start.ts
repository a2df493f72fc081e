import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { DrillPlace } from '../contracts.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling } from '../kubernetes/errors.ts';
import { readLog } from '../kubernetes/jobs.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { findCopyPod } from './agent.ts';

/** How the copy's pod came up. */
export interface CopyStart {
  /** It takes visitors. */
  ready: boolean;
  /** The container with PHP's command line runs, so the agent can be asked whatever the probes say. */
  running: boolean;
  /** Every image was there. */
  pulled: boolean;
  /** Why an image cannot be had, or null. */
  image: string | null;
  /** What keeps it from being ready, as a person says it. */
  state: string;
  /** The last lines of a container that ended; '' where none did. */
  log: string;
}

/** An image that is slow to come is not gone; one that is refused this long is. */
const imagePatienceMs = 25_000;
/** For images to be pulled and volumes to be attached. */
const placementPatienceMs = 900_000;
/** From when containers run: as long as WordPress may take to answer for the first time. */
const readyPatienceMs = 180_000;
/** A container that fails again and again, or cannot be made. */
const crashPatienceMs = 30_000;

const imageTroubles = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
]);
const crashes = new Set([
  'CrashLoopBackOff',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

/**
 * Waits until the copy's pod is ready, or until it is clear that it will not be. Damage is the outcome here, not an error.
 *
 * @throws Unavailable when the cluster finds no place for the pod
 */
export async function awaitCopy(
  k: KubernetesClients,
  place: DrillPlace,
  container: string,
): Promise<CopyStart> {
  const since = new Map<string, number>();
  const lasts = (what: string, now: boolean, patienceMs: number): boolean => {
    if (!now) since.delete(what);
    else if (!since.has(what)) since.set(what, Date.now());
    return now && Date.now() - (since.get(what) ?? Date.now()) >= patienceMs;
  };
  return waitUntil<CopyStart>({
    what: `the copy in ${place.namespace} is ready`,
    timeoutMs: placementPatienceMs + readyPatienceMs,
    intervalMs: 500,
    check: async () => {
      const pod = await findCopyPod(k, place);
      if (pod === null) return { missing: 'its pod is not created yet' };
      const seen = look(pod, container);
      if (seen.ready) return { done: seen };
      const { reason } = troubleOf(pod);
      const never = reason === 'InvalidImageName' || reason === 'ErrImageNeverPull';
      const gone = lasts('image', imageTroubles.has(reason), never ? 0 : imagePatienceMs);
      const crashed = lasts('crash', crashes.has(reason), crashPatienceMs);
      const slow = lasts('running', seen.running, readyPatienceMs);
      if (gone || crashed || slow) return { done: await withReason(k, pod, seen) };
      return { missing: seen.state };
    },
  });
}

const statusesOf = (pod: V1Pod): V1ContainerStatus[] => [
  ...(pod.status?.initContainerStatuses ?? []),
  ...(pod.status?.containerStatuses ?? []),
];

function look(pod: V1Pod, container: string): CopyStart {
  const statuses = statusesOf(pod);
  const ready =
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ??
    false;
  const { reason, sentence } = troubleOf(pod);
  return {
    ready,
    running: statuses.some(({ name, state }) => name === container && state?.running !== undefined),
    pulled: statuses.length > 0 && statuses.every(({ imageID }) => imageID !== ''),
    image: imageTroubles.has(reason) ? sentence : null,
    state: ready ? 'ready' : sentence,
    log: '',
  };
}

function troubleOf(pod: V1Pod): { reason: string; sentence: string } {
  const waiting = statusesOf(pod).find(({ state }) => {
    const reason = state?.waiting?.reason ?? '';
    return imageTroubles.has(reason) || crashes.has(reason);
  });
  if (waiting !== undefined) {
    const { reason = '', message = '' } = waiting.state?.waiting ?? {};
    return {
      reason,
      sentence: `container ${waiting.name}: ${reason} ${message}`.trim().slice(0, 400),
    };
  }
  const notReady = statusesOf(pod)
    .filter(({ ready }) => !ready)
    .map(({ name }) => name);
  return {
    reason: '',
    sentence: `not ready: ${notReady.join(', ') || (pod.status?.phase ?? 'no status')}`,
  };
}

/** Adds what the cluster or the container itself said. */
async function withReason(k: KubernetesClients, pod: V1Pod, seen: CopyStart): Promise<CopyStart> {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const events = await calling('list', `events in ${namespace}`, () =>
    k.core.listNamespacedEvent({
      namespace,
      fieldSelector: `type=Warning,involvedObject.name=${name}`,
    }),
  );
  const last = events.items.at(-1)?.message ?? '';
  const ended = statusesOf(pod).find(({ restartCount, ready }) => restartCount > 0 && !ready);
  const log = ended === undefined ? '' : await readLog(k, namespace, name, ended.name);
  return {
    ...seen,
    state: [seen.state, last.slice(0, 300)].filter(Boolean).join('; '),
    log: log.trim().split('\n').slice(-3).join(' / ').slice(-500),
  };
}
