import type { ChangeInput } from '../contracts.ts';
import type { Site } from '../../domain/site/schema.ts';
import { createDigitalOcean, type DigitalOcean } from '../digitalocean/client.ts';
import { failure } from '../failure.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import type { SecretResolver } from '../secrets/resolver.ts';

/** What the activities of a managed database are made with. */
export interface ManagedDatabaseDeps {
  kubernetes: KubernetesClients;
  secrets: SecretResolver;
  /** DigitalOcean's API for sites that name none; the official one when absent. */
  digitaloceanEndpoint?: string;
  /** How often a cluster that is being made is looked at; default 5,000. Tests shorten it. */
  pollMs?: number;
}

export function clusterOf({ kubernetes }: ManagedDatabaseDeps, site: Site): KubernetesClients {
  return kubernetes.forContext(site.cluster.context);
}

/** The API of the site's managed database. @throws InvalidSite, SecretMissing */
export async function digitalOceanOf(deps: ManagedDatabaseDeps, site: Site): Promise<DigitalOcean> {
  const { managed } = site.database;
  if (!managed) {
    throw failure('InvalidSite', 'database.managed names no provider: no database can be forked');
  }
  return createDigitalOcean({
    token: await deps.secrets.secret(managed.token),
    endpoint: managed.apiEndpoint ?? deps.digitaloceanEndpoint,
  });
}

/** What the changes of a fork say: the second that is wanted, and the cluster to go back in. @throws InvalidInput */
export function wantedFork({ site, change }: ChangeInput): { time: string; clusterId: string } {
  const { time, clusterId } = change.params;
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time))) {
    throw failure('InvalidInput', `The change ${change.id} names no time to go back to`);
  }
  const id = typeof clusterId === 'string' ? clusterId : site.database.managed?.clusterId;
  if (id === undefined || id === '') {
    throw failure('InvalidInput', `The change ${change.id} names no database cluster`);
  }
  return { time, clusterId: id };
}
