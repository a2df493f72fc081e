/** What setting the site up needs of the cluster beyond deploy/sandbox/kube.ts. */
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { SandboxKube } from '../kube.ts';
import { paths } from '../settings.ts';
import { namespace } from './objects.ts';

interface PodList {
  items: {
    metadata: { name: string; deletionTimestamp?: string };
    status: { containerStatuses?: { name: string; ready: boolean; state: { running?: object } }[] };
  }[];
}

/** Waits until a container of a pod of the namespace runs and returns the pod's name. */
export async function runningPod(
  { get, waitFor }: SandboxKube,
  container: string,
  timeoutMs = 120_000,
): Promise<string> {
  let found: string | undefined;
  await waitFor(
    async () => {
      const { items } = await get<PodList>(`/api/v1/namespaces/${namespace}/pods`);
      found = items.find(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined &&
          status.containerStatuses?.some(({ name, state }) => name === container && state.running),
      )?.metadata.name;
      return found !== undefined;
    },
    `a pod with a running container ${container} in ${namespace}`,
    timeoutMs,
  );
  return found!;
}

/** Runs a command in a container with text as its standard input and returns its standard output. */
export async function execText(
  { kubectl }: SandboxKube,
  target: { pod: string; container: string },
  command: readonly string[],
  input?: string,
): Promise<string> {
  return kubectl([...execArgs(target), ...command], input);
}

/**
 * Runs a command in a container with a file as its standard input or output, so that no archive passes through this
 * process.
 */
export async function execFile(
  target: { pod: string; container: string },
  command: readonly string[],
  files: { input?: string; output?: string },
): Promise<void> {
  const input = files.input === undefined ? undefined : await open(files.input, 'r');
  const output = files.output === undefined ? undefined : await open(files.output, 'w', 0o600);
  try {
    const kubectl = join(paths.state, 'bin', 'kubectl');
    const args = ['--kubeconfig', paths.adminKubeconfig, ...execArgs(target), ...command];
    const child = spawn(kubectl, args, {
      stdio: [input?.fd ?? 'ignore', output?.fd ?? 'ignore', 'pipe'],
    });
    const [code, said] = await Promise.all([
      new Promise<number | null>((ended, failed) =>
        child.once('error', failed).once('close', ended),
      ),
      text(child.stderr!),
    ]);
    if (code !== 0) {
      throw new Error(
        `${command[0]} in pod ${target.pod} ended with status ${code}: ${said.trim()}`,
      );
    }
  } finally {
    await input?.close();
    await output?.close();
  }
}

function execArgs({ pod, container }: { pod: string; container: string }): string[] {
  return ['exec', '--stdin', '--namespace', namespace, pod, '--container', container, '--'];
}

/** Kinds that the cluster itself makes, or that belong to the worker's access. */
const kept = new Set([
  'bindings',
  'endpoints',
  'endpointslices.discovery.k8s.io',
  'events',
  'events.events.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'roles.rbac.authorization.k8s.io',
  'serviceaccounts',
]);

/** Kinds that make pods. */
const workloads = new Set([
  'cronjobs.batch',
  'daemonsets.apps',
  'deployments.apps',
  'jobs.batch',
  'replicasets.apps',
  'replicationcontrollers',
  'statefulsets.apps',
]);

/** What is to be deleted, of the output of `kubectl api-resources --output name`: what makes pods, and the rest. */
export function kindsToDelete(apiResources: string): { workloads: string[]; others: string[] } {
  const kinds = apiResources.split('\n').filter((kind) => kind !== '' && !kept.has(kind));
  return {
    workloads: kinds.filter((kind) => workloads.has(kind)),
    others: kinds.filter((kind) => !workloads.has(kind)),
  };
}

/** Deletes every object of the site's namespace and waits until they are gone. */
export async function emptyNamespace({ kubectl }: SandboxKube): Promise<void> {
  const kinds = kindsToDelete(
    await kubectl(['api-resources', '--namespaced', '--verbs=delete,list', '--output', 'name']),
  );
  const all = ['--namespace', namespace, '--all', '--ignore-not-found', '--timeout=90s'];
  // Their pods are left to the second command, which does not give them the time that they ask for to end.
  await kubectl(['delete', kinds.workloads.join(','), ...all, '--cascade=orphan']);
  await kubectl(['delete', kinds.others.join(','), ...all, '--grace-period=1']);
}
