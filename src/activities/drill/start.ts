import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { CriterionResult } from '../../domain/criterion.ts';
import { drillCriterion, noneMeasured, notMeasured } from '../../domain/recovery/drill-criteria.ts';
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
  /** Why an image cannot be had, or null. `gone`: the registry says that there is none; else it may only be out of reach. */
  image: { gone: boolean; why: string } | null;
  /** What keeps it from being ready, as a person says it. */
  state: string;
  /** The last lines of a container that ended; '' where none did. */
  log: string;
}

/** A registry that says this long that there is no such image means it. */
const gonePatienceMs = 25_000;
/** One that does not answer, or refuses, may be about to come back. */
const registryPatienceMs = 300_000;
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
/** What registries say of an image that they do not have, as containerd and CRI-O pass it on. */
const notThere = /not found|manifest unknown|name unknown|code = NotFound|does not exist/i;
/** Some say the same to those who may not see it. */
const mayNotSee = /denied|authoriz|authenticat|forbidden/i;
const isGone = (sentence: string) => notThere.test(sentence) && !mayNotSee.test(sentence);
const crashes = new Set([
  'CrashLoopBackOff',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

/**
 * Waits until the copy's pod is ready, or until it is clear that it will not be. Damage is the outcome here, not an error, and so
 * is a registry that gives no image.
 *
 * @throws Unavailable when the cluster finds no place for the pod
 */
export async function awaitCopy(
  k: KubernetesClients,
  place: DrillPlace,
  container: string,
): Promise<CopyStart> {
  const watch = watchCopy(container);
  return waitUntil<CopyStart>({
    what: `the copy in ${place.namespace} is ready`,
    timeoutMs: placementPatienceMs + readyPatienceMs,
    intervalMs: 500,
    check: async () => {
      const pod = await findCopyPod(k, place);
      if (pod === null) return { missing: 'its pod is not created yet' };
      const { seen, over } = watch(pod, Date.now());
      if (seen.ready) return { done: seen };
      return over ? { done: await withReason(k, pod, seen) } : { missing: seen.state };
    },
  });
}

/**
 * Judges looks at one pod after another: how it came up so far, and whether that is the end of it.
 *
 * @param container the one with PHP's command line
 * @returns a function of the pod as it is at a time in milliseconds; to be called in order
 */
export function watchCopy(
  container: string,
): (pod: V1Pod, at: number) => { seen: CopyStart; over: boolean } {
  const since = new Map<string, number>();
  // Between two attempts to pull the cluster says only that it waits, and not for what.
  let refusal = '';
  return (pod, at) => {
    const lasts = (what: string, is: boolean, patienceMs: number): boolean => {
      if (!is) since.delete(what);
      else if (!since.has(what)) since.set(what, at);
      return is && at - (since.get(what) ?? at) >= patienceMs;
    };
    const { reason, sentence } = troubleOf(pod);
    if (reason === 'ErrImagePull') refusal = sentence;
    const seen = look(pod, container);
    if (seen.image?.gone === false && isGone(refusal)) seen.image = { gone: true, why: refusal };
    const never = reason === 'InvalidImageName';
    const ends = [
      lasts('gone', seen.image?.gone === true, never ? 0 : gonePatienceMs),
      lasts('image', seen.image !== null, registryPatienceMs),
      lasts('crash', crashes.has(reason), crashPatienceMs),
      lasts('running', seen.running, readyPatienceMs),
    ];
    return { seen, over: seen.ready || ends.some(Boolean) };
  };
}

/** Criteria of the start: whether every image came from its registry, and whether the copy takes visitors. */
export function startCriteria(
  { image, pulled, ready, state, log }: CopyStart,
  { images, emptied }: { images: string[]; emptied: string[] },
): CriterionResult[] {
  // A registry that is out of reach, or refuses the cluster, may well have the image, and with it WordPress would start.
  if (image?.gone === false) return noneMeasured(['image', 'boot'], `${image.why}; ${state}`);
  return [
    // A pod that was stopped earlier, by a Secret that is gone, does not tell.
    image === null && !pulled
      ? notMeasured('image', state)
      : drillCriterion('image', {
          pass: image === null,
          measured: image?.why ?? 'runs',
          target: 'runs',
          evidence: { images: [...new Set(images)] },
        }),
    drillCriterion('boot', {
      pass: ready,
      measured: ready ? 'ready' : state,
      target: 'ready',
      evidence: { emptied, ...(log !== '' && { log }) },
    }),
  ];
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
    image: imageTroubles.has(reason)
      ? { gone: reason === 'InvalidImageName' || isGone(sentence), why: sentence }
      : null,
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
