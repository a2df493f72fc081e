import { digestOf } from '../digest.ts';
import type { Observation } from '../plan.ts';
import type {
  DatabaseFacts,
  HostnameFacts,
  ObjectStorageFacts,
  PrerequisiteFacts,
} from '../prerequisite-facts.ts';
import type { Site } from '../site/schema.ts';

/** Keys of phase 0's observations: a prefix that says who looks, and a name. */
export const observationKeys = {
  bucket: (site: Site) => `bucket:${site.storage.objects.bucket}`,
  bucketKeys: (site: Site) => `bucket-keys:${site.storage.objects.bucket}`,
  database: (site: Site) =>
    `database:${site.database.host}:${site.database.port}/${site.database.name}`,
  hostnames: (site: Site) => `hostnames:${site.name}`,
} as const;

/** Digest of a bucket's existence and settings; null when it does not exist. */
export function bucketDigest(facts: ObjectStorageFacts): string | null {
  if (facts.state.ok && facts.state.value === 'absent') return null;
  return digestOf({
    state: facts.state.ok ? facts.state.value : facts.state.type,
    configuration: facts.configuration?.ok ? facts.configuration.value : null,
  });
}

/** Digest of the bucket's keys by their public part; null when there are none. */
export function bucketKeysDigest(facts: ObjectStorageFacts): string | null {
  const issued = facts.keys.issued?.ok ? [...facts.keys.issued.value].sort() : [];
  if (!facts.keys.present && issued.length === 0) return null;
  return digestOf({ accessKeyId: facts.keys.accessKeyId, issued });
}

/** Digest of what the plan relies on in the database: nothing that changes with load. */
export function databaseDigest(facts: DatabaseFacts): string {
  if (!facts.connection.ok) return digestOf({ connected: false });
  const { server, privileges, exists } = facts.connection.value;
  return digestOf({
    connected: true,
    version: server.version,
    requireSecureTransport: server.requireSecureTransport,
    missing: privileges.missing,
    exists,
  });
}

/** Digest of routes, certificates' names and issuers; not of addresses or dates, which change by themselves. */
export function hostnamesDigest(facts: HostnameFacts): string {
  const byName = <T extends { name: string }>(items: T[]) =>
    [...items].sort((a, b) => (a.name < b.name ? -1 : 1));
  const certificates = facts.certificates.ok ? (facts.certificates.value ?? []) : [];
  return digestOf({
    hosts: facts.hosts,
    routes: byName(facts.routes.ok ? facts.routes.value : []),
    certificates: byName(certificates).map(({ name, dnsNames, issuer }) => ({
      name,
      dnsNames,
      issuer,
    })),
  });
}

/** Digest that an observation has while the observed thing does not exist. */
const ABSENT = digestOf(null);

/** Everything that phase 0's plan was made from. */
export function prerequisiteObservations(site: Site, facts: PrerequisiteFacts): Observation[] {
  const { bucket } = site.storage.objects;
  return [
    {
      key: observationKeys.database(site),
      title: `Database ${facts.database.database} at ${facts.database.address}`,
      digest: databaseDigest(facts.database),
    },
    {
      key: observationKeys.bucket(site),
      title: `Bucket ${bucket}`,
      digest: bucketDigest(facts.objectStorage) ?? ABSENT,
    },
    {
      key: observationKeys.bucketKeys(site),
      title: `Keys of bucket ${bucket}`,
      digest: bucketKeysDigest(facts.objectStorage) ?? ABSENT,
    },
    {
      key: observationKeys.hostnames(site),
      title: `Routes and certificates of ${facts.hostnames.hosts.join(', ')}`,
      digest: hostnamesDigest(facts.hostnames),
    },
  ];
}

/** As `prerequisiteObservations` digests what is absent. */
export function digestOrAbsent(digest: string | null): string {
  return digest ?? ABSENT;
}
