import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import { runCommand } from './command.ts';
import { network, ports } from './settings.ts';

/** An address that a component listens on. */
export interface Listener {
  component: string;
  address: string;
  port: number;
}

/** Ports of Kubernetes' own that its programs listen on for their health checks. */
export const healthPorts = {
  kubelet: 10248,
  kubeProxy: 10256,
  kubeProxyMetrics: 10249,
  controllerManager: 10257,
  scheduler: 10259,
  coredns: 10253,
} as const;

/** Everything the sandbox listens on, so that a port that somebody else has is told before anything is built. */
export const listeners: readonly Listener[] = [
  ...loopback('etcd', ports.etcdClient, ports.etcdPeer),
  ...onBoth('kube-apiserver', ports.kubernetesApi),
  ...loopback('kube-controller-manager', healthPorts.controllerManager),
  ...loopback('kube-scheduler', healthPorts.scheduler),
  ...loopback('node', healthPorts.kubelet),
  { component: 'node', address: network.nodeAddress, port: 10250 },
  ...loopback('kube-proxy', healthPorts.kubeProxy, healthPorts.kubeProxyMetrics),
  ...loopback('coredns', healthPorts.coredns),
  { component: 'coredns', address: network.nodeAddress, port: 53 },
  ...loopback('registry', ports.registry),
  ...onBoth('mysql', ports.database),
  ...onBoth('object-storage', ports.objectStorage),
  ...loopback('object-storage', ports.objectStorageAdmin),
  ...loopback('temporal', ports.temporal, ports.temporalUi),
  ...loopback('digitalocean', ports.digitalocean),
  ...loopback('vault', ports.vault),
  ...loopback('cert-manager', ports.certManagerWebhook),
  { component: 'traefik', address: network.ingressAddress, port: 8082 },
  ...[network.ingressAddress, network.nodeAddress].flatMap((address) =>
    [80, 443].map((port) => ({ component: 'traefik', address, port })),
  ),
];

/** Whether nobody listens there. An address that the machine does not have yet is free. */
export async function isFree({ address, port }: Listener): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else if (error.code === 'EADDRNOTAVAIL') resolve(true);
      else reject(error);
    });
    server.listen({ host: address, port, exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

/** Who listens on a port: `nginx (process 12)`, or undefined when that cannot be told. */
export async function whoListens(port: number): Promise<string | undefined> {
  try {
    const { stdout } = await runCommand('ss', ['-Hltnp', `sport = :${port}`]);
    const [, name, pid] = /users:\(\("([^"]+)",pid=(\d+)/.exec(stdout) ?? [];
    if (!name) return undefined;
    // The kernel's name of a process can be that of a thread; its command line says more.
    const [program = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    return `${basename(program) || name} (process ${pid})`;
  } catch {
    return undefined;
  }
}

function loopback(component: string, ...wanted: number[]): Listener[] {
  return wanted.map((port) => ({ component, address: network.loopback, port }));
}

function onBoth(component: string, port: number): Listener[] {
  return [network.loopback, network.nodeAddress].map((address) => ({ component, address, port }));
}
