/** DNS of the pods, on the bridge's address: Services, the sandbox's host names, and what the machine can resolve. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { kube } from '../kube.ts';
import { healthPorts } from '../listeners.ts';
import { podHosts, podHostsFile } from '../names.ts';
import { network, paths } from '../settings.ts';
import {
  answersPlain,
  clusterDomain,
  ensureKubeconfig,
  writeWhenChanged,
} from './kubernetes-parts.ts';

const corefile = join(paths.kubernetes, 'Corefile');

export const coredns: Component = {
  name: 'coredns',
  title: 'CoreDNS',
  needs: ['kube-apiserver', 'node-network'],
  programs: ['coredns'],
  async start(context) {
    const { apply } = await kube();
    await apply(rights);
    const kubeconfig = await ensureKubeconfig('coredns');
    await writeWhenChanged(podHostsFile, await podHosts());
    await writeWhenChanged(corefile, settings(kubeconfig, await machineHasNameserver()));
    const program = join(context.programDir('coredns'), 'coredns');
    await context.daemon('coredns', program, ['-conf', corefile]);
  },
  async ready(context) {
    if (!(await context.isRunning('coredns'))) return false;
    return answersPlain(`http://${network.loopback}:${healthPorts.coredns}/ready`);
  },
  stop: (context) => context.stopDaemon('coredns', { timeoutMs: 2_000 }),
};

// Without a file of its own the plugin `hosts` would read the machine's /etc/hosts.
function settings(kubeconfig: string, forwards: boolean): string {
  return `.:53 {
  bind ${network.nodeAddress}
  errors
  ready ${network.loopback}:${healthPorts.coredns}
  hosts ${podHostsFile} {
    reload 1s
    fallthrough
  }
  kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
    kubeconfig ${kubeconfig}
    fallthrough in-addr.arpa ip6.arpa
  }
  cache 5
${forwards ? '  forward . /etc/resolv.conf\n' : ''}}
`;
}

/** Without one, CoreDNS would not start with `forward`. */
async function machineHasNameserver(): Promise<boolean> {
  const text = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
  return /^nameserver\s+\S/m.test(text);
}

const rights = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'system:coredns' },
    rules: [
      { apiGroups: [''], resources: ['services', 'namespaces'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'system:coredns' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'system:coredns' }],
  },
];
