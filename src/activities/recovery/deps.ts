import type { Site } from '../../domain/site/schema.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import type { SecretResolver } from '../secrets/resolver.ts';
import type { WordPressAgent } from '../wordpress/agent.ts';

/** What everything about recovery points is made with. */
export interface RecoveryCoreDeps {
  kubernetes: KubernetesClients;
  secrets: SecretResolver;
  agent: WordPressAgent;
  now(): Date;
}

/** The clients for the cluster that the site is in. */
export function siteCluster({ kubernetes }: RecoveryCoreDeps, site: Site): KubernetesClients {
  return kubernetes.forContext(site.cluster.context);
}
