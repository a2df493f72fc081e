/** kube-proxy: Services as iptables rules of the machine. The node's network removes them at its stop. */
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { healthPorts } from '../listeners.ts';
import { network, paths } from '../settings.ts';
import { answersPlain, ensureKubeconfig, nodeName, writeWhenChanged } from './kubernetes-parts.ts';

const settingsFile = join(paths.kubernetes, 'kube-proxy.yaml');

export const kubeProxy: Component = {
  name: 'kube-proxy',
  title: 'Kubernetes service proxy',
  needs: ['node'],
  programs: ['kubernetes'],
  packages: ['iptables', 'conntrack'],
  async start(context) {
    const settings = {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      clientConnection: { kubeconfig: await ensureKubeconfig('kube-proxy') },
      hostnameOverride: nodeName,
      mode: 'iptables',
      clusterCIDR: network.podCidr,
      // Node ports on the loopback interface would need a kernel setting that opens 127/8 to the bridge.
      iptables: { localhostNodePorts: false, minSyncPeriod: '100ms' },
      // The machine's connection tracking stays as it is.
      conntrack: {
        maxPerCore: 0,
        min: 0,
        tcpEstablishedTimeout: '0s',
        tcpCloseWaitTimeout: '0s',
      },
      healthzBindAddress: `${network.loopback}:${healthPorts.kubeProxy}`,
      metricsBindAddress: `${network.loopback}:${healthPorts.kubeProxyMetrics}`,
    };
    await writeWhenChanged(settingsFile, JSON.stringify(settings, null, 2));
    const program = join(context.programDir('kubernetes'), 'kube-proxy');
    await context.daemon('kube-proxy', program, [`--config=${settingsFile}`]);
  },
  async ready(context) {
    if (!(await context.isRunning('kube-proxy'))) return false;
    return answersPlain(`http://${network.loopback}:${healthPorts.kubeProxy}/healthz`);
  },
  async stop(context) {
    await context.stopDaemon('kube-proxy', { timeoutMs: 3_000 });
  },
};
