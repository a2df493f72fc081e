/**
 * The node's network: a bridge for pods with the node's address on it, the kernel settings that Kubernetes asks for,
 * and a few rules around it, all in chains of our own.
 */
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component, ComponentContext } from '../component.ts';
import { rulesToRemove } from '../iptables-rules.ts';
import { rulesMarkFile } from '../preflight.ts';
import { network, paths, ports } from '../settings.ts';

const { bridge, nodeAddress, podCidr } = network;

/** Of those that are given locally. */
const bridgeAddress = '02:85:00:00:00:01';

/**
 * Kernel settings: what this component needs and, with null, what kubelet and kube-proxy change. `down` puts the values
 * back that were there before.
 */
const kernelSettings: Readonly<Record<string, string | null>> = {
  'net.ipv4.ip_forward': '1',
  'net.bridge.bridge-nf-call-iptables': '1',
  'net.ipv4.conf.all.route_localnet': null,
  'net.netfilter.nf_conntrack_max': null,
  'vm.overcommit_memory': null,
  'vm.panic_on_oom': null,
  'kernel.panic': null,
  'kernel.panic_on_oops': null,
  'kernel.keys.root_maxkeys': null,
  'kernel.keys.root_maxbytes': null,
};

const savedSettingsFile = join(paths.kubernetes, 'kernel-settings.json');

/** Chain of ours → the chain of the kernel that jumps to it, its table and its rules. */
const chains = [
  {
    name: 'PRESSLIFT-INPUT',
    table: 'filter',
    from: 'INPUT',
    rules: [
      // Pods reach the machine's programs whatever its firewall says of other interfaces.
      ['-i', bridge, '-j', 'ACCEPT'],
      ['-i', 'lo', '-j', 'RETURN'],
      // The API server listens on every address, because it must be reached by two; nobody comes in from outside.
      ['-p', 'tcp', '--dport', String(ports.kubernetesApi), '-j', 'DROP'],
      ['-d', nodeAddress, '-j', 'DROP'],
    ],
  },
  {
    name: 'PRESSLIFT-FORWARD',
    table: 'filter',
    from: 'FORWARD',
    rules: [
      ['-i', bridge, '-j', 'ACCEPT'],
      ['-o', bridge, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT'],
      ['-o', bridge, '-i', bridge, '-j', 'ACCEPT'],
    ],
  },
  {
    name: 'PRESSLIFT-POSTROUTING',
    table: 'nat',
    from: 'POSTROUTING',
    // Pods leave the machine with its address; among each other and to the machine they keep their own.
    rules: [['-s', podCidr, '!', '-d', podCidr, '-j', 'MASQUERADE']],
  },
] as const;

export const nodeNetwork: Component = {
  name: 'node-network',
  title: "Node's network",
  needs: [],
  packages: ['iproute2', 'iptables'],
  async start(context) {
    if (!(await bridgeExists())) {
      // Without an address of its own a bridge takes the lowest of its ports', which changes as pods come and go: until the
      // others have asked for the new one, what they send gets lost, and a name is asked for again after five seconds.
      await context.run('ip', ['link', 'add', bridge, 'address', bridgeAddress, 'type', 'bridge']);
    }
    const { stdout } = await context.run('ip', ['-j', 'address', 'show', 'dev', bridge]);
    if (!stdout.includes(`"${nodeAddress}"`)) {
      await context.run('ip', ['address', 'add', `${nodeAddress}/16`, 'dev', bridge]);
    }
    await context.run('ip', ['link', 'set', bridge, 'up']);
    if (!(await exists(settingFile('net.bridge.bridge-nf-call-iptables')))) {
      await context.run('modprobe', ['br_netfilter']);
    }
    await mkdir(paths.kubernetes, { recursive: true });
    await writeFile(rulesMarkFile, '');
    await saveSettings();
    for (const [name, value] of Object.entries(kernelSettings)) {
      if (value !== null) await writeFile(settingFile(name), value);
    }
    await addChains(context);
  },
  async ready(context) {
    if (!(await bridgeExists())) return false;
    for (const { table, from, name } of chains) {
      await context.run('iptables', ['-w', '-t', table, '-C', from, '-j', name]);
    }
    const { stdout } = await context.run('ip', ['-j', 'address', 'show', 'dev', bridge]);
    return stdout.includes(`"${nodeAddress}"`);
  },
  async stop(context) {
    // Whoever made them, kube-proxy and the kubelet, has ended by now.
    if (await exists(rulesMarkFile)) await removeKubernetesRules(context);
    await removeChains(context);
    if (await bridgeExists()) await context.run('ip', ['link', 'delete', bridge]);
    await restoreSettings();
  },
};

async function addChains(context: ComponentContext): Promise<void> {
  for (const { name, table, from, rules } of chains) {
    // One transaction makes the chain or empties it, and fills it.
    const lines = [
      `*${table}`,
      `:${name} - [0:0]`,
      ...rules.map((rule) => `-A ${name} ${rule.join(' ')}`),
      'COMMIT',
      '',
    ];
    await context.run('iptables-restore', ['-w', '--noflush'], { input: lines.join('\n') });
    const jump = ['-j', name];
    const isThere = await context.run('iptables', ['-w', '-t', table, '-C', from, ...jump]).then(
      () => true,
      () => false,
    );
    // First, before rules that would drop.
    if (!isThere) await context.run('iptables', ['-w', '-t', table, '-I', from, '1', ...jump]);
  }
}

async function removeChains(context: ComponentContext): Promise<void> {
  for (const { name, table, from } of chains) {
    const iptables = (...args: string[]) => context.run('iptables', ['-w', '-t', table, ...args]);
    const isThere = await iptables('-n', '-L', name).then(
      () => true,
      () => false,
    );
    if (!isThere) continue;
    await iptables('-D', from, '-j', name).catch(() => undefined);
    await iptables('-F', name);
    await iptables('-X', name);
  }
}

/** Removes the chains of kube-proxy and the kubelet from every table. */
async function removeKubernetesRules(context: ComponentContext): Promise<void> {
  for (const family of ['iptables', 'ip6tables']) {
    const saved = await context.run(`${family}-save`, []).catch(() => undefined);
    const input = saved && rulesToRemove(saved.stdout, /^KUBE-/);
    if (input) await context.run(`${family}-restore`, ['-w', '--noflush'], { input });
  }
  await rm(rulesMarkFile);
}

/** Keeps the machine's own values, once: a second `up` must not take ours for them. */
async function saveSettings(): Promise<void> {
  if (await exists(savedSettingsFile)) return;
  const saved: Record<string, string> = {};
  for (const name of Object.keys(kernelSettings)) {
    const value = await readFile(settingFile(name), 'utf8').catch(() => undefined);
    if (value !== undefined) saved[name] = value.trim();
  }
  await writeFile(`${savedSettingsFile}.new`, JSON.stringify(saved, null, 2));
  await rename(`${savedSettingsFile}.new`, savedSettingsFile);
}

async function restoreSettings(): Promise<void> {
  const text = await readFile(savedSettingsFile, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  for (const [name, value] of Object.entries(JSON.parse(text) as Record<string, string>)) {
    const file = settingFile(name);
    const now = await readFile(file, 'utf8').catch(() => undefined);
    if (now !== undefined && now.trim() !== value) await writeFile(file, value);
  }
  await rm(savedSettingsFile);
}

function settingFile(name: string): string {
  return join('/proc/sys', ...name.split('.'));
}

function bridgeExists(): Promise<boolean> {
  return exists(`/sys/class/net/${bridge}`);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
