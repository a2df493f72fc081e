import {
  AppsV1Api,
  AutoscalingV2Api,
  BatchV1Api,
  CoreV1Api,
  CustomObjectsApi,
  DiscoveryV1Api,
  KubeConfig,
  KubernetesObjectApi,
  NetworkingV1Api,
  PolicyV1Api,
  StorageV1Api,
  VersionApi,
} from '@kubernetes/client-node';
import { createExec, type ExecInPod } from './exec.ts';
import { failure } from '../failure.ts';

/** Everything that activities use to talk to one cluster. */
export interface KubernetesClients {
  config: KubeConfig;
  core: CoreV1Api;
  apps: AppsV1Api;
  batch: BatchV1Api;
  policy: PolicyV1Api;
  storage: StorageV1Api;
  discovery: DiscoveryV1Api;
  networking: NetworkingV1Api;
  autoscaling: AutoscalingV2Api;
  custom: CustomObjectsApi;
  version: VersionApi;
  /** Any object by apiVersion and kind. */
  objects: KubernetesObjectApi;
  /** Runs a command in a container; see exec.ts. */
  execInPod: ExecInPod;
  /**
   * Clients for another context of the same kubeconfig; the same clients when none is named.
   * @throws NotFound when the kubeconfig has no such context.
   */
  forContext(context: string | undefined): KubernetesClients;
}

/**
 * Clients for a cluster.
 *
 * @param kubeconfig path of a kubeconfig file. Without one: `KUBECONFIG`, then ~/.kube/config, then the service account
 *   of the pod that the worker runs in.
 * @param context a context of that kubeconfig; its current one when absent.
 */
export function createKubernetesClients(kubeconfig?: string, context?: string): KubernetesClients {
  const config = new KubeConfig();
  if (kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(kubeconfig);
  if (context !== undefined) config.setCurrentContext(context);
  return clientsOf(config);
}

/** Clients for a cluster that a loaded kubeconfig names. */
export function clientsOf(config: KubeConfig): KubernetesClients {
  const byContext = new Map<string, KubernetesClients>();
  const clients: KubernetesClients = {
    config,
    core: config.makeApiClient(CoreV1Api),
    apps: config.makeApiClient(AppsV1Api),
    batch: config.makeApiClient(BatchV1Api),
    policy: config.makeApiClient(PolicyV1Api),
    storage: config.makeApiClient(StorageV1Api),
    discovery: config.makeApiClient(DiscoveryV1Api),
    networking: config.makeApiClient(NetworkingV1Api),
    autoscaling: config.makeApiClient(AutoscalingV2Api),
    custom: config.makeApiClient(CustomObjectsApi),
    version: config.makeApiClient(VersionApi),
    objects: KubernetesObjectApi.makeApiClient(config),
    execInPod: createExec(config),
    forContext(context) {
      if (context === undefined || context === config.getCurrentContext()) return clients;
      if (config.getContextObject(context) === null) {
        const known = config.getContexts().map(({ name }) => name);
        throw failure(
          'NotFound',
          `The kubeconfig has no context ${context}; it has ${known.join(', ') || 'none'}`,
        );
      }
      let found = byContext.get(context);
      if (found === undefined) {
        const other = new KubeConfig();
        other.loadFromString(config.exportConfig());
        other.setCurrentContext(context);
        found = clientsOf(other);
        byContext.set(context, found);
      }
      return found;
    },
  };
  return clients;
}
