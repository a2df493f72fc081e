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

/** Kinds to delete, of the output of `kubectl api-resources --output name`. Those that make pods go first. */
export function kindsToDelete(apiResources: string): string[] {
  const first = ['deployments.apps', 'statefulsets.apps', 'cronjobs.batch', 'jobs.batch'];
  const kinds = apiResources.split('\n').filter((kind) => kind !== '' && !kept.has(kind));
  const rank = (kind: string): number => (first.includes(kind) ? 0 : 1);
  return kinds.sort((a, b) => rank(a) - rank(b));
}

/** Deletes every object of the site's namespace and waits until they are gone. */
export async function emptyNamespace({ kubectl }: SandboxKube): Promise<void> {
  const resources = await kubectl([
    ...['api-resources', '--namespaced', '--verbs=delete,list', '--output', 'name'],
  ]);
  const kinds = kindsToDelete(resources).join(',');
  // Pods get a second: what they hold is thrown away.
  const how = ['--all', '--ignore-not-found', '--grace-period=1', '--timeout=90s'];
  await kubectl(['delete', kinds, '--namespace', namespace, ...how]);
}
