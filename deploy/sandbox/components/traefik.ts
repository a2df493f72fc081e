/**
 * Traefik as the cluster's ingress controller, outside of it as a program of the machine. Visitors reach it on the
 * ingress address, pods on the node's.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Component } from '../component.ts';
import { kube } from '../kube.ts';
import { network, paths } from '../settings.ts';
import { clusterRights, serviceKubeconfig } from './service-kubeconfig.ts';

const user = 'presslift:traefik';
const settingsFile = join(paths.state, 'traefik', 'traefik.yaml');
const accessLogFile = join(paths.logs, 'traefik-access.log');

/** Health check and metrics. */
const internal = { address: network.ingressAddress, port: 8082 } as const;

const read = ['get', 'list', 'watch'];

/** What Traefik's documentation asks for its Ingress provider. */
const rights = clusterRights(user, [
  { apiGroups: [''], resources: ['services', 'secrets', 'nodes'], verbs: read },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
  {
    apiGroups: ['networking.k8s.io'],
    resources: ['ingresses', 'ingressclasses'],
    verbs: read,
  },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['update'] },
]);

const ingressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'traefik' },
  spec: { controller: 'traefik.io/ingress-controller' },
};

/** An entry point has one address, so there is a pair for each. */
function entryPointPair(suffix: string, address: string) {
  return {
    [`web${suffix}`]: {
      address: `${address}:80`,
      asDefault: true,
      http: { redirections: { entryPoint: { to: ':443', scheme: 'https' } } },
    },
    [`websecure${suffix}`]: { address: `${address}:443`, asDefault: true, http: { tls: {} } },
  };
}

/** Static settings. What is not here is Traefik's default, as on a cluster of one's own. */
function settings(): string {
  return stringify({
    global: { checkNewVersion: false, sendAnonymousUsage: false },
    log: { level: 'INFO', format: 'json' },
    accessLog: {
      filePath: accessLogFile,
      format: 'json',
      fields: { headers: { names: { 'User-Agent': 'keep' } } },
    },
    entryPoints: {
      ...entryPointPair('', network.ingressAddress),
      ...entryPointPair('-pods', network.nodeAddress),
      internal: { address: `${internal.address}:${internal.port}` },
    },
    ping: { entryPoint: 'internal' },
    metrics: { prometheus: { entryPoint: 'internal' } },
    providers: {
      kubernetesIngress: {
        ingressClass: 'traefik',
        // A Service without ready pods is answered with 503, not 404: the Helm chart's default too.
        allowEmptyServices: true,
        ingressEndpoint: { ip: network.ingressAddress },
      },
    },
  });
}

export const traefik: Component = {
  name: 'traefik',
  title: 'Traefik (ingress)',
  needs: ['kube-apiserver', 'node-network'],
  programs: ['traefik'],
  async start(context) {
    const { apply } = await kube();
    await apply([...rights, ingressClass]);
    const kubeconfig = await serviceKubeconfig('traefik', user);
    await mkdir(join(settingsFile, '..'), { recursive: true });
    await writeFile(settingsFile, settings());
    const program = join(context.programDir('traefik'), 'traefik');
    const args = [`--configFile=${settingsFile}`];
    // Outside a cluster it finds the API server by this variable.
    await context.daemon('traefik', program, args, { env: { KUBECONFIG: kubeconfig } });
  },
  async ready() {
    const { address, port } = internal;
    const signal = AbortSignal.timeout(2_000);
    if (!(await fetch(`http://${address}:${port}/ping`, { signal })).ok) return false;
    for (const entry of [network.ingressAddress, network.nodeAddress]) {
      const answer = await fetch(`http://${entry}/`, { redirect: 'manual', signal });
      if (!answer.headers.get('location')?.startsWith('https://')) return false;
    }
    return true;
  },
  async stop(context) {
    await context.stopDaemon('traefik', { timeoutMs: 15_000 });
  },
};
