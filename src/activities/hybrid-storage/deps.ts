import { readFileSync } from 'node:fs';
import type { Site } from '../../domain/site/schema.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import type { WordPressAgent } from '../wordpress/agent.ts';

export interface HybridStorageDeps {
  kubernetes: KubernetesClients;
  agent: WordPressAgent;
  /** How long old pods stay without traffic before anything ends them; default 12,000. Tests shorten it. */
  drainMs?: number;
}

/** The clients for the cluster that the site is in. */
export function clusterOf({ kubernetes }: HybridStorageDeps, site: Site): KubernetesClients {
  return kubernetes.forContext(site.cluster.context);
}

const readScript = (name: string) =>
  readFileSync(new URL(`./scripts/${name}.sh`, import.meta.url), 'utf8');

/** Fixed scripts that Jobs and probe pods run; values reach them by environment alone. */
export const scripts = {
  copyExtensions: readScript('copy-extensions'),
  readShared: readScript('read-shared'),
  sharedProbe: readScript('shared-probe'),
} as const;
