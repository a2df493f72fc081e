import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { cancellationRequested, withoutCancellation } from '../activity-context.ts';
import { apply, read, remove } from './apply.ts';
import type { KubernetesClients } from './clients.ts';
import { failure } from '../failure.ts';
import { calling, isNotFound } from './errors.ts';
import { waitUntil } from './wait.ts';

export interface JobOutcome {
  /** What the container wrote to its termination message, at most 4 KiB. */
  message: string;
  /** The container's standard output; read only when it wrote no message. */
  log: string;
  pod: string;
}

export interface RunJobOptions {
  timeoutMs: number;
  /** Keep a Job that failed, so that a person can look at it. Default false: its last lines go into the error. */
  keepFailed?: boolean;
}

/**
 * Runs a Job to its end and removes it.
 *
 * The Job's name must follow from what it does, so that a retry after a crash adopts the Job that runs already instead of
 * starting a second one. A Job of that name that failed in an earlier attempt is removed and started anew.
 *
 * A cancelled activity leaves no Job.
 *
 * @throws JobFailed with the last lines of its log; Unavailable when it has no end within `timeoutMs`.
 */
export async function runJob(
  clients: KubernetesClients,
  job: V1Job,
  options: RunJobOptions,
): Promise<JobOutcome> {
  const { name, namespace } = nameOf(job);
  const earlier = await readJob(clients, namespace, name);
  const ending = earlier !== null && (hasFailed(earlier) || isBeingDeleted(earlier));
  if (ending) await removeJob(clients, namespace, name);
  if (earlier === null || ending) await apply(clients, job);
  const { failed, outcome } = await awaitJob(clients, namespace, name, options).catch(
    async (error: unknown) => {
      // A worker that stops leaves the Job to the next attempt; who cancels wants none.
      if (cancellationRequested()) {
        await withoutCancellation(() => removeJob(clients, namespace, name));
      }
      throw error;
    },
  );
  if (failed !== null) {
    const tail = outcome.log.trim().split('\n').slice(-8).join('\n');
    if (!options.keepFailed) await removeJob(clients, namespace, name);
    throw failure('JobFailed', `Job ${namespace}/${name} failed: ${outcome.message || tail}`);
  }
  await deleteJob(clients, namespace, name);
  return outcome;
}

export interface AwaitJobOptions {
  timeoutMs: number;
  /** Called about every second while the Job's pod runs; what it throws ends the wait. */
  onPoll?: (pod: string) => Promise<void>;
}

/**
 * Waits until a Job has ended. `failed` is the reason that its condition gives, null when it has succeeded. The Job stays. That its
 * container ended with 0 is all that success hangs on, and is known a second or two before the Job itself says so.
 *
 * @throws Unavailable when it has no end within `timeoutMs`, or somebody deleted it.
 */
export async function awaitJob(
  clients: KubernetesClients,
  namespace: string,
  name: string,
  options: AwaitJobOptions,
): Promise<{ failed: string | null; outcome: JobOutcome }> {
  let polledAt = Date.now();
  const ended = await waitUntil<{ failed: string | null; outcome: JobOutcome } | null>({
    what: `Job ${namespace}/${name} has ended`,
    timeoutMs: options.timeoutMs,
    intervalMs: 300,
    check: async () => {
      const job = await readJob(clients, namespace, name);
      if (job === null) return { done: null };
      const pods = await podsOf(clients, job);
      const succeeded = pods.find(hasSucceeded);
      if (succeeded !== undefined || condition(job, 'Complete') || hasFailed(job)) {
        const outcome = await outcomeOf(clients, namespace, succeeded ?? pods.at(-1));
        const failed = succeeded === undefined && hasFailed(job);
        return { done: { failed: failed ? (failedReason(job) ?? 'Failed') : null, outcome } };
      }
      const { pod, state } = describePod(pods);
      if (pod !== null && state === 'running' && Date.now() - polledAt >= 1_000) {
        polledAt = Date.now();
        await options.onPoll?.(pod);
      }
      return { missing: pod === null ? state : `pod ${pod} is ${state}` };
    },
  });
  if (ended === null) {
    throw failure('Unavailable', `Job ${namespace}/${name} was deleted by somebody`);
  }
  return ended;
}

/** Deletes a Job; its pods follow. One that is not there is no error. */
export async function deleteJob(
  clients: KubernetesClients,
  namespace: string,
  name: string,
): Promise<void> {
  await remove(clients, { apiVersion: 'batch/v1', kind: 'Job', namespace, name });
}

/** Removes a Job and waits until it and its pods are gone; one that is not there is no error. */
export async function removeJob(
  clients: KubernetesClients,
  namespace: string,
  name: string,
): Promise<void> {
  const job = await readJob(clients, namespace, name);
  if (job === null) return;
  await deleteJob(clients, namespace, name);
  await waitUntil({
    what: `Job ${namespace}/${name} is gone`,
    timeoutMs: 120_000,
    intervalMs: 500,
    check: async () => {
      const now = await readJob(clients, namespace, name);
      if (now?.metadata?.uid === job.metadata?.uid) return { missing: 'the Job' };
      const pods = await podsOf(clients, job);
      return pods.length === 0 ? { done: true } : { missing: `${pods.length} pods` };
    },
  });
}

function nameOf(job: V1Job): { name: string; namespace: string } {
  const { name, namespace } = job.metadata ?? {};
  if (name === undefined || namespace === undefined) {
    throw new TypeError('A Job needs a name and a namespace');
  }
  return { name, namespace };
}

async function readJob(clients: KubernetesClients, namespace: string, name: string) {
  return read<V1Job>(clients, { apiVersion: 'batch/v1', kind: 'Job', namespace, name });
}

/** Whether a Job has ended without success. */
export function hasFailed(job: V1Job): boolean {
  return condition(job, 'Failed');
}

function failedReason(job: V1Job): string | undefined {
  return job.status?.conditions?.find(({ type }) => type === 'Failed')?.reason;
}

export function isBeingDeleted(job: V1Job): boolean {
  return job.metadata?.deletionTimestamp !== undefined;
}

function condition(job: V1Job, type: string): boolean {
  return job.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
}

/** Pods of this very Job, oldest first, and not of an earlier one of the same name. */
async function podsOf(clients: KubernetesClients, job: V1Job): Promise<V1Pod[]> {
  const { name = '', namespace = '', uid } = job.metadata ?? {};
  const list = await calling('list', `pods in ${namespace}`, () =>
    clients.core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` }),
  );
  return list.items
    .filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid))
    .sort((a, b) => Number(a.metadata?.creationTimestamp) - Number(b.metadata?.creationTimestamp));
}

/** Whether the pod's work is done: containers of a Job's pod are not started again after they ended with 0. */
function hasSucceeded({ spec, status }: V1Pod): boolean {
  if (status?.phase === 'Succeeded') return true;
  const ended = (status?.containerStatuses ?? []).filter(
    ({ state }) => state?.terminated?.exitCode === 0,
  );
  return ended.length > 0 && ended.length === spec?.containers.length;
}

function describePod(pods: V1Pod[]): { pod: string | null; state: string } {
  const pod = pods.at(-1);
  if (pod?.metadata?.name === undefined) {
    return { pod: null, state: 'its pod is not created yet' };
  }
  const status = pod.status?.containerStatuses?.[0]?.state;
  const state =
    status?.waiting?.reason ?? (status?.running ? 'running' : (pod.status?.phase ?? 'pending'));
  return { pod: pod.metadata.name, state };
}

async function outcomeOf(
  clients: KubernetesClients,
  namespace: string,
  pod: V1Pod | undefined,
): Promise<JobOutcome> {
  const podName = pod?.metadata?.name;
  if (podName === undefined) return { message: '', log: '', pod: '' };
  const [status] = pod?.status?.containerStatuses ?? [];
  const message =
    status?.state?.terminated?.message ?? status?.lastState?.terminated?.message ?? '';
  // Whoever writes a message says all that matters in it.
  const log = message === '' ? await readLog(clients, namespace, podName) : '';
  return { message, log, pod: podName };
}

/** Lines of a log that are read: of a dump's result, which is the longest, for as many tables. */
const logLines = 20_000;

/** The end of a container's log, at most 20,000 lines; empty when its pod is gone. */
export async function readLog(
  clients: KubernetesClients,
  namespace: string,
  pod: string,
  container?: string,
): Promise<string> {
  try {
    const log = await calling('get', `pods/log ${namespace}/${pod}`, () =>
      clients.core.readNamespacedPodLog({
        namespace,
        name: pod,
        container,
        // Not `limitBytes`: it keeps the beginning of what is asked for, and what counts is the end.
        tailLines: logLines,
      }),
    );
    return log;
  } catch (error) {
    if (isNotFound(error) || (error as { type?: string }).type === 'NotFound') return '';
    throw error;
  }
}

/** The newest lines of a running pod's log; empty when it cannot be read now. */
export async function lastLogLines(
  clients: KubernetesClients,
  namespace: string,
  pod: string,
  lines: number,
): Promise<string> {
  try {
    return await clients.core.readNamespacedPodLog({ namespace, name: pod, tailLines: lines });
  } catch {
    // Progress is for people: its absence must not end what it tells about.
    return '';
  }
}
