import type { Site } from '../../domain/site/schema.ts';
import { createDigitalOcean, type DigitalOcean } from '../digitalocean/client.ts';
import { failure } from '../failure.ts';
import type { ServedOptions } from '../hostnames/served.ts';
import {
  openObjectStorage,
  storageKeys,
  type ObjectStorage,
  type StorageKeys,
} from '../object-storage/client.ts';
import type { KubernetesAccess, KubernetesObjects } from '../secrets/kubernetes-objects.ts';
import type { SecretResolver } from '../secrets/resolver.ts';

/** What the activities of phase 0 are made with. */
export interface PrerequisiteDeps {
  kubernetes: KubernetesAccess;
  secrets: SecretResolver;
  /** DigitalOcean's API for sites that name none; the official one when absent. */
  digitaloceanEndpoint?: string;
  /** Default: the system's clock. */
  now?: () => Date;
  /** For tests: authorities, port and address of object storage and of the served certificate. */
  trust?: { objectStorageCa?: string; served?: ServedOptions };
}

/** The objects of the site's cluster. */
export function objectsOf(deps: PrerequisiteDeps, site: Site): KubernetesObjects {
  return deps.kubernetes.forContext(site.cluster.context).objects;
}

/** ISO date of now, in UTC. */
export function today(deps: PrerequisiteDeps): string {
  return (deps.now?.() ?? new Date()).toISOString().slice(0, 10);
}

/** The API of the site's managed database, with the token behind its reference. @throws SecretMissing, InvalidSite */
export async function digitalOceanOf(deps: PrerequisiteDeps, site: Site): Promise<DigitalOcean> {
  const { managed } = site.database;
  if (!managed) {
    throw failure('InvalidSite', 'database.managed names no API token for DigitalOcean');
  }
  return createDigitalOcean({
    token: await deps.secrets.secret(managed.token),
    endpoint: managed.apiEndpoint ?? deps.digitaloceanEndpoint,
  });
}

/** Object storage with the given keys; the caller closes it. */
export function openStorage(deps: PrerequisiteDeps, site: Site, keys: StorageKeys): ObjectStorage {
  return openObjectStorage({
    objects: site.storage.objects,
    keys,
    ca: deps.trust?.objectStorageCa,
  });
}

/** Object storage with the keys that may create and configure buckets. @throws SecretMissing, InvalidSite */
export async function openAdminStorage(deps: PrerequisiteDeps, site: Site): Promise<ObjectStorage> {
  const { adminCredentials } = site.storage.objects;
  if (!adminCredentials) {
    throw failure('InvalidSite', 'storage.objects.adminCredentials is needed to change the bucket');
  }
  return openStorage(deps, site, await storageKeys(deps.secrets, adminCredentials));
}
