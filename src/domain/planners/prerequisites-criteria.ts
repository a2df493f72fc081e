import type { CriterionResult } from '../criterion.ts';
import type { Json } from '../json.ts';
import type {
  DatabaseFacts,
  HostnameFacts,
  Measured,
  ObjectStorageFacts,
  Refusal,
  Trial,
} from '../prerequisite-facts.ts';
import type { Site } from '../site/schema.ts';
import { corsAllows, policyAllowsListing, storageProviders } from '../storage-providers.ts';
import { alignHostnames, MINIMUM_DAYS_VALID } from './prerequisites-hostnames.ts';

/** Success of phase 0 for the database: reachable with TLS, and not otherwise. */
export function databaseCriteria(facts: DatabaseFacts): CriterionResult[] {
  const { connection, managed } = facts;
  const value = connection.ok ? connection.value : null;
  return [
    {
      id: 'database-reachable-with-tls',
      title: 'The database is reachable over TLS, verified against its CA',
      measured: value ? { protocol: value.tls.protocol, cipher: value.tls.cipher } : null,
      target: 'TLSv1.2 or newer, certificate and name verified',
      pass: value !== null,
      evidence: value
        ? { address: facts.address, certificate: value.tls.certificate }
        : reason(connection),
    },
    refusal('database-wrong-ca-refused', 'A wrong CA is refused', facts.wrongCa),
    refusal('database-plain-refused', 'A plain connection is refused', facts.plain),
    {
      id: 'database-usable',
      title: 'The database exists and the account may do what WordPress does',
      measured: value ? { exists: value.exists, missing: value.privileges.missing } : null,
      target: { exists: true, missing: [] },
      pass: value !== null && value.exists && value.privileges.sufficient,
      evidence: value
        ? {
            database: facts.database,
            version: value.server.version,
            maxConnections: value.server.maxConnections,
            missingUseful: value.privileges.missingUseful,
          }
        : reason(connection),
    },
    ...(managed
      ? [
          {
            id: 'database-managed-online',
            title: 'The managed database cluster is online',
            measured: managed.ok ? managed.value.status : null,
            target: 'online',
            pass: managed.ok && managed.value.status === 'online',
            evidence: managed.ok
              ? {
                  id: managed.value.id,
                  name: managed.value.name,
                  engine: managed.value.engine,
                  version: managed.value.version,
                  region: managed.value.region,
                }
              : reason(managed),
          },
        ]
      : []),
  ];
}

/** Success of phase 0 for object storage: bucket and keys ready. */
export function objectStorageCriteria(site: Site, facts: ObjectStorageFacts): CriterionResult[] {
  const { provider } = site.storage.objects;
  const traits = storageProviders[provider];
  const configuration = facts.configuration?.ok ? facts.configuration.value : null;
  const why = facts.configuration ? reason(facts.configuration) : reason(facts.state);
  const { keys } = facts;
  return [
    {
      id: 'bucket-exists',
      title: traits.versioning ? 'The bucket exists with versioning' : 'The bucket exists',
      measured: facts.state.ok
        ? { state: facts.state.value, versioning: configuration?.versioning ?? null }
        : null,
      target: { state: 'ours', versioning: traits.versioning ? 'Enabled' : null },
      pass:
        facts.state.ok &&
        facts.state.value === 'ours' &&
        configuration !== null &&
        (!traits.versioning || configuration.versioning === 'Enabled'),
      evidence: configuration ? { endpoint: facts.endpoint, bucket: facts.bucket } : why,
    },
    {
      id: 'bucket-listing-blocked',
      title: 'Nobody lists the bucket without keys',
      measured: facts.publicListing?.seen ?? null,
      target: 'refused',
      pass:
        facts.publicListing?.ok === true &&
        configuration !== null &&
        configuration.publicAcl !== true &&
        configuration.publicAccessBlock !== false &&
        !policyAllowsListing(configuration.policy),
      evidence: configuration
        ? {
            publicAccessBlock: configuration.publicAccessBlock,
            publicAcl: configuration.publicAcl,
            policyAllowsListing: policyAllowsListing(configuration.policy),
          }
        : why,
    },
    {
      id: 'bucket-cors',
      title: "The site's hosts may read from the bucket (CORS)",
      measured: configuration ? corsAllows(configuration.cors ?? [], site.hosts.names) : null,
      target: site.hosts.names,
      pass: configuration !== null && corsAllows(configuration.cors ?? [], site.hosts.names),
      evidence: configuration ? (configuration.cors as unknown as Json) : why,
    },
    trials(
      'bucket-keys-work',
      'The keys put, get and delete an object',
      keys.present ? keys.use : [],
      keys.why ?? keys.accessKeyId,
    ),
    trials(
      'bucket-keys-isolated',
      'The keys reach no other bucket',
      keys.present ? keys.isolation : [],
      keys.why ?? keys.accessKeyId,
    ),
  ];
}

/** Success of phase 0 for host names: set, and everything that serves them aligned. */
export function hostnameCriteria(
  site: Site,
  facts: HostnameFacts,
  today: string,
): CriterionResult[] {
  const aligned = alignHostnames(site, facts, today);
  const certificates = facts.certificates.ok ? facts.certificates.value : null;
  const managedByCertManager = site.hosts.issuer !== undefined || certificates !== null;
  return [
    {
      id: 'hostnames-set',
      title: 'Host names are set and have addresses',
      measured: facts.addresses.map(({ host, addresses }) => ({ host, addresses })),
      target: site.hosts.names,
      pass: facts.addresses.length > 0 && aligned.unresolved.length === 0,
      evidence: facts.addresses.map(({ host, error }) => ({ host, error })),
    },
    {
      id: 'hostnames-routed',
      title: 'Ingress or HTTPRoute has every host, with TLS',
      measured: facts.routes.ok
        ? { unrouted: aligned.unrouted, withoutTls: aligned.withoutTls }
        : null,
      target: { unrouted: [], withoutTls: [] },
      pass: facts.routes.ok && aligned.unrouted.length === 0 && aligned.withoutTls.length === 0,
      evidence: facts.routes.ok ? (facts.routes.value as unknown as Json) : reason(facts.routes),
    },
    ...(managedByCertManager
      ? [
          {
            id: 'certificate-covers-hosts',
            title: 'Certificates name every host, are ready, and their issuer is',
            measured:
              facts.certificates.ok && facts.issuers.ok
                ? {
                    uncertified: aligned.uncertified,
                    weak: aligned.weakCertificates,
                    issuersNotReady: aligned.issuersNotReady,
                  }
                : null,
            target: { uncertified: [], weak: [], issuersNotReady: [] },
            pass:
              facts.certificates.ok &&
              facts.issuers.ok &&
              aligned.uncertified?.length === 0 &&
              aligned.weakCertificates.length === 0 &&
              aligned.issuersNotReady.length === 0,
            evidence: {
              certificates: facts.certificates.ok
                ? (facts.certificates.value as unknown as Json)
                : reason(facts.certificates),
              issuers: facts.issuers.ok
                ? (facts.issuers.value as unknown as Json)
                : reason(facts.issuers),
            },
          },
        ]
      : []),
    {
      id: 'certificate-served',
      title: `The served certificate verifies and is valid for more than ${MINIMUM_DAYS_VALID} days`,
      measured: facts.served.map(({ host, verified, daysLeft }) => ({ host, verified, daysLeft })),
      target: { verified: true, daysLeftMoreThan: MINIMUM_DAYS_VALID },
      pass: facts.served.length > 0 && aligned.badlyServed.length === 0,
      evidence: facts.served as unknown as Json,
    },
  ];
}

function refusal(id: string, title: string, facts: Refusal): CriterionResult {
  return {
    id,
    title,
    measured: facts.refused === null ? null : facts.refused ? 'refused' : 'accepted',
    target: 'refused',
    pass: facts.refused === true,
    evidence: { seen: facts.seen },
  };
}

/** Passes only when something was tried and everything tried went as it must. */
function trials(id: string, title: string, made: Trial[], note: string | null): CriterionResult {
  return {
    id,
    title,
    measured:
      made.length === 0
        ? null
        : Object.fromEntries(made.map(({ action, ok }) => [action, ok ?? 'not found out'])),
    target: 'all as they must be',
    pass: made.length > 0 && made.every(({ ok }) => ok === true),
    evidence: { note, tried: made.map(({ action, seen }) => ({ action, seen })) },
  };
}

function reason(facts: Measured<unknown>): Json {
  return facts.ok ? null : { failure: facts.type, message: facts.message };
}
