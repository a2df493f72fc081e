/**
 * Trusted sources as packet filter rules of the machine: one chain, ahead of everything else that comes in. A cluster
 * without trusted sources is open. Whoever is not trusted gets no answer at all, as with the provider.
 */
import { runCommand } from '../../command.ts';
import { digitaloceanResources, network } from '../../settings.ts';
import type { FirewallRule } from './clusters.ts';

export const firewallChain = 'PRESSLIFT-DATABASES';

export interface GuardedCluster {
  port: number;
  rules: readonly Pick<FirewallRule, 'type' | 'value'>[];
}

/** Where a trusted source's connections come from; empty for a resource that does not exist here. */
export function sourceNetworks({ type, value }: Pick<FirewallRule, 'type' | 'value'>): string[] {
  const { kubernetesClusterId, dropletId, dropletTag } = digitaloceanResources;
  // By name the machine meets a database on loopback, by the bridge's address with that.
  const machine = ['127.0.0.0/8', `${network.nodeAddress}/32`];
  if (type === 'ip_addr') return [value.includes('/') ? value : `${value}/32`];
  if (type === 'k8s') return value === kubernetesClusterId ? [network.podCidr] : [];
  if (type === 'droplet') return value === dropletId ? machine : [];
  if (type === 'tag' && value === dropletTag) return machine;
  return type === 'tag' && value === `k8s:${kubernetesClusterId}` ? [network.podCidr] : [];
}

/** Input of `iptables-restore --noflush`: makes the chain, or empties it, and fills it in one transaction. */
export function firewallTransaction(clusters: readonly GuardedCluster[]): string {
  const rules = clusters
    .filter((cluster) => cluster.rules.length > 0)
    .flatMap((cluster) => {
      const toPort = `-A ${firewallChain} -p tcp -m tcp --dport ${cluster.port}`;
      const networks = [...new Set(cluster.rules.flatMap(sourceNetworks))];
      return [...networks.map((source) => `${toPort} -s ${source} -j RETURN`), `${toPort} -j DROP`];
    });
  return [
    '*filter',
    `:${firewallChain} - [0:0]`,
    ...(rules.length > 0 ? [`-A ${firewallChain} -s ${network.provider}/32 -j RETURN`] : []),
    ...rules,
    'COMMIT',
    '',
  ].join('\n');
}

export type RunCommand = (
  command: string,
  args: string[],
  options?: { input?: string },
) => Promise<{ stdout: string }>;

/** Puts the trusted sources of all clusters into force, also for connections that are open already. */
export async function applyFirewall(
  clusters: readonly GuardedCluster[],
  run: RunCommand = runCommand,
): Promise<void> {
  await run('iptables-restore', ['-w', '--noflush'], { input: firewallTransaction(clusters) });
  const jump = ['-p', 'tcp', '-j', firewallChain];
  const iptables = (...args: string[]) => run('iptables', ['-w', ...args]);
  // Ahead of the rules that let pods in.
  const { stdout } = await iptables('-S', 'INPUT', '1').catch(() => ({ stdout: '' }));
  if (stdout.trim() === ['-A', 'INPUT', ...jump].join(' ')) return;
  await iptables('-D', 'INPUT', ...jump).catch(() => undefined);
  await iptables('-I', 'INPUT', '1', ...jump);
}

/** Takes the chain away; nothing happens when there is none. */
export async function removeFirewall(run: RunCommand = runCommand): Promise<void> {
  const iptables = (...args: string[]) => run('iptables', ['-w', ...args]);
  const isThere = await iptables('-n', '-L', firewallChain).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  await iptables('-D', 'INPUT', '-p', 'tcp', '-j', firewallChain).catch(() => undefined);
  await iptables('-F', firewallChain);
  await iptables('-X', firewallChain);
}
