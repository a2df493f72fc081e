import { resolve } from 'node:path';
import type { Dependent } from './dependencies.ts';
import { withDependents } from './dependencies.ts';
import { endpoints, paths } from './settings.ts';

/** Endpoints that the user gave, in place of parts of the sandbox. */
export interface GivenEndpoints {
  temporalAddress?: string;
  kubeconfig?: string;
}

/**
 * What the environment gives. The sandbox's own values count as not given: a shell that has read `sandbox.env` must be
 * able to bring the sandbox up again.
 */
export function givenEndpoints(environment: NodeJS.ProcessEnv = process.env): GivenEndpoints {
  const { TEMPORAL_ADDRESS: temporal, KUBECONFIG: kubeconfig } = environment;
  const own = [paths.workerKubeconfig, paths.adminKubeconfig];
  return {
    temporalAddress: temporal && temporal !== endpoints.temporal ? temporal : undefined,
    kubeconfig: kubeconfig && !own.includes(resolve(kubeconfig)) ? kubeconfig : undefined,
  };
}

/**
 * Parts that are there for the sandbox's own cluster alone. (The node's network is not: programs outside the cluster
 * listen on it, and it changes nothing in a cluster.)
 */
const clusterParts = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'node',
  'kube-proxy',
  'coredns',
  'csi',
  'worker-access',
  'registry',
  'images',
];

/**
 * Components that are left out, with the reason. A given Temporal replaces the sandbox's. A given cluster replaces the
 * sandbox's and leaves out what would be installed into it: the sandbox writes nothing to a cluster that is not its own.
 */
export function replacedComponents(
  components: readonly Dependent[],
  { temporalAddress, kubeconfig }: GivenEndpoints,
): Map<string, string> {
  const replaced = new Map<string, string>();
  if (temporalAddress) replaced.set('temporal', `TEMPORAL_ADDRESS is ${temporalAddress}`);
  if (kubeconfig) {
    const present = clusterParts.filter((name) => components.some((each) => each.name === name));
    for (const { name } of withDependents(components, present)) {
      replaced.set(name, `KUBECONFIG is ${kubeconfig}`);
    }
  }
  return replaced;
}

/** The components that remain, without needs of what was left out. */
export function remaining<T extends Dependent>(
  components: readonly T[],
  replaced: ReadonlyMap<string, string>,
): T[] {
  return components
    .filter(({ name }) => !replaced.has(name))
    .map((each) => ({ ...each, needs: each.needs.filter((need) => !replaced.has(need)) }));
}
