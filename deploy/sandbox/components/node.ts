/**
 * The node: containerd and the kubelet in mount and pid namespaces of their own. The namespaces are held by the daemon
 * `node`; when that is killed, pods, mounts and everything else of the node are gone at once.
 */
import { access, mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component, ComponentContext } from '../component.ts';
import { nodeDaemon } from '../daemons.ts';
import type { ConditionedObject } from '../kube.ts';
import { kube, waitFor } from '../kube.ts';
import { healthPorts } from '../listeners.ts';
import { ensureCertificateAuthority, issueCertificate } from '../pki.ts';
import { network, paths } from '../settings.ts';
import { answersPlain, ensureKubeconfig, nodeName, writeWhenChanged } from './kubernetes-parts.ts';
import {
  cgroupRoot,
  containerdSettings,
  kubeletSettings,
  networkSettings,
  nodePaths,
  privateFolders,
  registryHostsFile,
  registryHostsSettings,
} from './node-files.ts';

const initScript = join(import.meta.dirname, 'node-init.sh');
const cgroups = '/sys/fs/cgroup';

export const node: Component = {
  name: 'node',
  title: 'Node (containerd and kubelet)',
  needs: ['kube-apiserver', 'node-network'],
  programs: ['kubernetes'],
  packages: [
    ...['containerd', 'runc', 'containernetworking-plugins', 'iptables', 'conntrack', 'ethtool'],
    ...['util-linux', 'mount', 'openssl'],
  ],
  async start(context) {
    await writeSettings();
    await makeCgroup();
    const unshare = ['-m', '-p', '-f', '--mount-proc', '--kill-child', '--propagation', 'private'];
    const init = ['/bin/bash', initScript, ...privateFolders];
    await context.daemon(nodeDaemon, 'unshare', [...unshare, '--', ...init]);
    await waitFor(() => isPrepared(context), 'the namespaces of the node', 10_000);
    const containerd = ['--config', nodePaths.containerdConfig];
    await context.daemon('containerd', 'containerd', containerd, { inNode: true });
    await waitFor(() => exists(nodePaths.containerdSocket), "containerd's socket", 20_000);
    await context.daemon(
      'kubelet',
      join(context.programDir('kubernetes'), 'kubelet'),
      [
        `--config=${nodePaths.kubeletConfig}`,
        `--kubeconfig=${await ensureKubeconfig('kubelet')}`,
        `--root-dir=${nodePaths.kubeletRoot}`,
        `--hostname-override=${nodeName}`,
        `--node-ip=${network.nodeAddress}`,
      ],
      { inNode: true },
    );
  },
  async ready(context) {
    for (const name of [nodeDaemon, 'containerd', 'kubelet']) {
      if (!(await context.isRunning(name))) return false;
    }
    if (!(await answersPlain(`http://${network.loopback}:${healthPorts.kubelet}/healthz`))) {
      return false;
    }
    return isNodeReady();
  },
  async stop(context) {
    // Nothing in it is asked to end: data is in etcd and on volumes, and what writes there survives a power cut, too.
    await context.stopDaemon(nodeDaemon, { signal: 'SIGKILL' });
    for (const name of ['kubelet', 'containerd']) await context.stopDaemon(name);
    await rm(nodePaths.containerdSocket, { force: true });
    await removeCgroup();
  },
  async reset() {
    for (const folder of [nodePaths.containerdRoot, nodePaths.kubeletRoot, nodePaths.podLogs]) {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function writeSettings(): Promise<void> {
  const runc = await findProgram('runc');
  const cniPrograms = await findFolder(['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni']);
  const { certFile: authority } = await ensureCertificateAuthority('kubernetes-ca');
  const server = await issueCertificate({
    ca: 'kubernetes-ca',
    name: 'kubelet-server',
    organization: 'system:nodes',
    commonName: `system:node:${nodeName}`,
    dnsNames: [nodeName],
    ipAddresses: [network.nodeAddress],
    usages: ['server'],
  });
  const settings: Record<string, string> = {
    [nodePaths.containerdConfig]: containerdSettings(runc, cniPrograms),
    [registryHostsFile]: registryHostsSettings,
    [join(nodePaths.networkConfig, '10-presslift.conflist')]: networkSettings,
    // JSON is YAML.
    [nodePaths.kubeletConfig]: JSON.stringify(kubeletSettings(authority, server), null, 2),
    [nodePaths.resolvConf]: `nameserver ${network.nodeAddress}\n`,
  };
  for (const [file, text] of Object.entries(settings)) await writeWhenChanged(file, text);
  for (const folder of [nodePaths.kubeletRoot, nodePaths.podLogs]) {
    await mkdir(folder, { recursive: true });
  }
}

/** Whether the node's first process has made its mounts; containerd would else write to the machine's folders. */
async function isPrepared(context: ComponentContext): Promise<boolean> {
  if (!(await context.isRunning(nodeDaemon))) {
    throw new Error(`the node's first process has ended; see ${join(paths.logs, 'node.log')}`);
  }
  return (await readFile(join(paths.logs, 'node.log'), 'utf8')).includes('the node is there');
}

/** Ready, as said after this kubelet has started: the API server still has what the last one said. */
async function isNodeReady(): Promise<boolean> {
  const record = join(paths.pids, 'kubelet.json');
  const { since } = JSON.parse(await readFile(record, 'utf8')) as { since: string };
  const { get } = await kube();
  const found = await get<ConditionedObject>(`/api/v1/nodes/${nodeName}`);
  const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') return false;
  // Kubernetes' times have no fractions of a second.
  return Date.parse(ready.lastHeartbeatTime ?? '') >= Math.floor(Date.parse(since) / 1000) * 1000;
}

/** The kubelet wants its root cgroup to be there. */
async function makeCgroup(): Promise<void> {
  for (const parent of await cgroupHierarchies()) {
    const folder = join(parent, cgroupRoot);
    await mkdir(folder, { recursive: true });
    // Without processors and memory nodes of its own, a v1 cpuset takes no process.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (!(await exists(join(folder, file))) || parent === cgroups) continue;
      await writeFile(join(folder, file), await readFile(join(parent, file), 'utf8'));
    }
    const offered = join(parent, 'cgroup.controllers');
    if (parent === cgroups && (await exists(offered))) {
      const controllers = (await readFile(offered, 'utf8')).trim().split(' ');
      const enable = controllers.map((name) => `+${name}`).join(' ');
      for (const each of [parent, folder])
        await writeFile(join(each, 'cgroup.subtree_control'), enable);
    }
  }
}

/** Removes our cgroups. What was killed in them may need a moment to be gone. */
async function removeCgroup(): Promise<void> {
  for (const parent of await cgroupHierarchies()) {
    const folder = join(parent, cgroupRoot);
    if (!(await exists(folder))) continue;
    await waitFor(() => removeTree(folder), `the end of what runs in ${folder}`, 5_000);
  }
}

/** Only empty cgroups can be removed, and only one by one; their files go with them. */
async function removeTree(folder: string): Promise<boolean> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  await rmdir(folder);
  return true;
}

/** The one hierarchy of cgroup v2, or every mounted one of v1. */
async function cgroupHierarchies(): Promise<string[]> {
  if (await exists(join(cgroups, 'cgroup.controllers'))) return [cgroups];
  const entries = await readdir(cgroups, { withFileTypes: true });
  // Links are other names of the same (cpu → cpu,cpuacct).
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(cgroups, entry.name));
}

async function findProgram(name: string): Promise<string> {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/bin'];
  for (const folder of folders) {
    if (folder && (await exists(join(folder, name)))) return join(folder, name);
  }
  throw new Error(`${name} is not on the PATH`);
}

async function findFolder(candidates: readonly string[]): Promise<string> {
  for (const folder of candidates) if (await exists(join(folder, 'bridge'))) return folder;
  throw new Error(`The network plugins are in none of ${candidates.join(', ')}`);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
