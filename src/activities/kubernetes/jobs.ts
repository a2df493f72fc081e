import type { V1Job } from '@kubernetes/client-node';
import { heartbeat } from '../activity-context.ts';
import { apply, read, remove } from './apply.ts';
import type { KubernetesClients } from './clients.ts';
import { calling, failure, isNotFound } from './errors.ts';
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
 * @throws JobFailed with the last lines of its log; Unavailable when it has no end within `timeoutMs`.
 */
export async function runJob(
  clients: KubernetesClients,
  job: V1Job,
  options: RunJobOptions,
): Promise<JobOutcome> {
  const { name, namespace } = nameOf(job);
  const earlier = await readJob(clients, namespace, name);
  if (earlier !== null && (condition(earlier, 'Failed') || earlier.metadata?.deletionTimestamp)) {
    await removeJob(clients, namespace, name);
  }
  if (earlier === null || condition(earlier, 'Failed')) await apply(clients, job);
  const ended = await waitUntil<V1Job>({
    what: `Job ${namespace}/${name} has ended`,
    timeoutMs: options.timeoutMs,
    check: async () => {
      const now = await readJob(clients, namespace, name);
      if (now === null)
        throw failure('JobFailed', `Job ${namespace}/${name} was deleted by somebody`);
      if (condition(now, 'Complete') || condition(now, 'Failed')) return { done: now };
      return { missing: await describePod(clients, namespace, name) };
    },
  });
  const outcome = await outcomeOf(clients, namespace, name);
  if (condition(ended, 'Failed')) {
    const tail = outcome.log.trim().split('\n').slice(-8).join('\n');
    if (!options.keepFailed) await removeJob(clients, namespace, name);
    throw failure('JobFailed', `Job ${namespace}/${name} failed: ${outcome.message || tail}`);
  }
  await removeJob(clients, namespace, name);
  return outcome;
}

/** Removes a Job and waits until it and its pods are gone; one that is not there is no error. */
export async function removeJob(
  clients: KubernetesClients,
  namespace: string,
  name: string,
): Promise<void> {
  await remove(clients, { apiVersion: 'batch/v1', kind: 'Job', namespace, name });
  await waitUntil({
    what: `Job ${namespace}/${name} is gone`,
    timeoutMs: 120_000,
    intervalMs: 500,
    check: async () => {
      if ((await readJob(clients, namespace, name)) !== null) return { missing: 'the Job' };
      const pods = await podsOf(clients, namespace, name);
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

function condition(job: V1Job, type: string): boolean {
  return job.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
}

async function podsOf(clients: KubernetesClients, namespace: string, name: string) {
  const list = await calling('list', `pods in ${namespace}`, () =>
    clients.core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` }),
  );
  return list.items;
}

async function describePod(clients: KubernetesClients, namespace: string, name: string) {
  const pods = await podsOf(clients, namespace, name);
  const pod = pods.at(-1);
  if (pod === undefined) return 'its pod is not created yet';
  const status = pod.status?.containerStatuses?.[0]?.state;
  const state = status?.waiting?.reason ?? (status?.running ? 'running' : pod.status?.phase);
  heartbeat({ job: name, pod: pod.metadata?.name, state });
  return `pod ${pod.metadata?.name} is ${state ?? 'pending'}`;
}

async function outcomeOf(
  clients: KubernetesClients,
  namespace: string,
  name: string,
): Promise<JobOutcome> {
  const pods = await podsOf(clients, namespace, name);
  const succeeded = pods.find((pod) => pod.status?.phase === 'Succeeded');
  const pod = succeeded ?? pods.at(-1);
  const podName = pod?.metadata?.name;
  if (podName === undefined) return { message: '', log: '', pod: '' };
  const message =
    pod?.status?.containerStatuses?.[0]?.state?.terminated?.message ??
    pod?.status?.containerStatuses?.[0]?.lastState?.terminated?.message ??
    '';
  // Whoever writes a message says all that matters in it.
  const log = message === '' ? await readLog(clients, namespace, podName) : '';
  return { message, log, pod: podName };
}

/** A container's log; empty when its pod is gone. At most the last 1 MiB. */
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
        limitBytes: 1024 * 1024,
      }),
    );
    return log;
  } catch (error) {
    if (isNotFound(error) || (error as { type?: string }).type === 'NotFound') return '';
    throw error;
  }
}
