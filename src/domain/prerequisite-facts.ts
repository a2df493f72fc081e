/**
 * What phase 0 observes, as plain data. Every group is either measured or says why it could not be: a planner and a
 * criterion treat what could not be measured as not there.
 */
import type { DatabaseServer } from './database-hazards.ts';
import type { PrivilegeReport } from './database-privileges.ts';
import type { BucketConfiguration } from './storage-providers.ts';

/** A measurement, or the failure (type of src/domain/failures.ts and message) that prevented it. */
export type Measured<T> = { ok: true; value: T } | { ok: false; type: string; message: string };

/** Something that was tried to see whether it works or is refused; null when that could not be found out. */
export interface Trial {
  action: string;
  ok: boolean | null;
  seen: string;
}

export interface Refusal {
  refused: boolean | null;
  seen: string;
}

export interface DatabaseFacts {
  address: string;
  database: string;
  /** Null when the site's database is not managed by a provider with an API. */
  managed: Measured<{
    id: string;
    name: string;
    engine: string;
    version: string;
    status: string;
    region: string;
    hosts: string[];
    /** Whether the site's account is among the cluster's users. */
    accountKnown: boolean;
  }> | null;
  connection: Measured<{
    tls: {
      protocol: string;
      cipher: string;
      certificate: { subject: string; issuer: string; names: string; validTo: string };
    };
    server: DatabaseServer;
    privileges: PrivilegeReport;
    exists: boolean;
  }>;
  wrongCa: Refusal;
  plain: Refusal;
}

export interface KeysFacts {
  /** Whether the reference resolves to an access key and its secret. */
  present: boolean;
  /** Public part of the key; null when absent. */
  accessKeyId: string | null;
  /** Why it is absent. */
  why: string | null;
  /** Put, get and delete of a probe object; empty when there are no keys or no bucket. */
  use: Trial[];
  /** What the keys must not be able to do; `ok` means refused. */
  isolation: Trial[];
  /** Keys of our name at the provider's API; null where the provider has none. */
  issued: Measured<string[]> | null;
}

export interface ObjectStorageFacts {
  endpoint: string;
  bucket: string;
  /** `unknown`: there were no keys to ask with. */
  state: Measured<'ours' | 'forbidden' | 'absent' | 'unknown'>;
  /** Null when the bucket is absent or may not be configured with the keys at hand. */
  configuration: Measured<BucketConfiguration> | null;
  publicListing: Trial | null;
  keys: KeysFacts;
}

export interface RouteFact {
  kind: 'Ingress' | 'HTTPRoute';
  name: string;
  hosts: string[];
  /** IngressClass, or the Gateway of an HTTPRoute. */
  via: string | null;
  /** Hosts for which it ends TLS, with the Secret's name. */
  tls: { hosts: string[]; secretName: string | null }[];
}

export interface CertificateFact {
  name: string;
  dnsNames: string[];
  secretName: string;
  ready: boolean;
  /** ISO 8601; null before it was first issued. */
  notAfter: string | null;
  issuer: { kind: string; name: string };
}

export interface IssuerFact {
  kind: string;
  name: string;
  ready: boolean;
}

/** What a visitor's browser would meet on port 443. */
export interface ServedFact {
  host: string;
  verified: boolean;
  /** Error code or the certificate's subject. */
  seen: string;
  validTo: string | null;
  /** Whole days from the observation to `validTo`. */
  daysLeft: number | null;
}

export interface HostnameFacts {
  hosts: string[];
  addresses: { host: string; addresses: string[]; error: string | null }[];
  routes: Measured<RouteFact[]>;
  /** Null when the cluster has no cert-manager. */
  certificates: Measured<CertificateFact[] | null>;
  /** The issuers that the certificates name and the ClusterIssuer of the site file. */
  issuers: Measured<IssuerFact[]>;
  /** Classes in use with their controllers. */
  ingressClasses: Measured<{ name: string; controller: string }[]>;
  served: ServedFact[];
}

export interface PrerequisiteFacts {
  /** ISO date of the observation. */
  today: string;
  database: DatabaseFacts;
  objectStorage: ObjectStorageFacts;
  hostnames: HostnameFacts;
}
