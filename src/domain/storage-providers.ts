import type { JsonObject } from './json.ts';
import type { Site } from './site/schema.ts';

export type StorageProvider = Site['storage']['objects']['provider'];

/** How one provider's object storage differs from the others. */
export interface StorageTraits {
  title: string;
  /** `{region}` is filled in; null where the endpoint belongs to the account and the site file must name it. */
  endpoint: string | null;
  /** `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`. */
  pathStyle: boolean;
  /** Region that requests are signed for; null: the site's. */
  signingRegion: string | null;
  /** Whether the request that creates a bucket names its region. */
  locationConstraint: boolean;
  versioning: boolean;
  publicAccessBlock: boolean;
  /** Access control lists on buckets; without them a bucket is private unless a policy or setting opens it. */
  acl: boolean;
  bucketPolicy: boolean;
  cors: boolean;
  /** The API that makes keys for one bucket, or null where an operator has to. */
  keysApi: 'digitalocean' | null;
}

export const storageProviders: Record<StorageProvider, StorageTraits> = {
  spaces: {
    title: 'DigitalOcean Spaces',
    endpoint: 'https://{region}.digitaloceanspaces.com',
    pathStyle: true,
    signingRegion: null,
    // The endpoint decides the region; a location constraint is refused.
    locationConstraint: false,
    versioning: true,
    publicAccessBlock: false,
    acl: true,
    bucketPolicy: true,
    cors: true,
    keysApi: 'digitalocean',
  },
  r2: {
    title: 'Cloudflare R2',
    endpoint: null,
    pathStyle: true,
    signingRegion: 'auto',
    locationConstraint: false,
    versioning: false,
    publicAccessBlock: false,
    acl: false,
    bucketPolicy: false,
    cors: true,
    keysApi: null,
  },
  s3: {
    title: 'Amazon S3',
    endpoint: 'https://s3.{region}.amazonaws.com',
    // Names with dots do not match the wildcard certificate of virtual hosts.
    pathStyle: true,
    signingRegion: null,
    locationConstraint: true,
    versioning: true,
    publicAccessBlock: true,
    // Buckets made since April 2023 have their lists switched off.
    acl: false,
    bucketPolicy: true,
    cors: true,
    keysApi: null,
  },
};

/** Where and how to reach the site's bucket; null when the site file must name the endpoint and does not. */
export function storageAddress(
  objects: Site['storage']['objects'],
): { endpoint: string; region: string; pathStyle: boolean } | null {
  const traits = storageProviders[objects.provider];
  const endpoint = objects.endpoint ?? traits.endpoint?.replace('{region}', objects.region);
  if (endpoint === undefined) return null;
  return {
    endpoint: endpoint.replace(/\/$/, ''),
    region: traits.signingRegion ?? objects.region,
    pathStyle: traits.pathStyle,
  };
}

/** One rule of a bucket's CORS configuration, as S3 has it. */
export interface CorsRule {
  id: string | null;
  origins: string[];
  methods: string[];
  headers: string[];
  exposeHeaders: string[];
  maxAgeSeconds: number | null;
}

/** The settings of a bucket that phase 0 looks after. `null` where the provider has no such setting. */
export interface BucketConfiguration {
  versioning: 'Enabled' | 'Suspended' | 'Off' | null;
  /** All four settings on. */
  publicAccessBlock: boolean | null;
  /** Whether the access control list gives everybody something. */
  publicAcl: boolean | null;
  /** The bucket policy, or null when there is none. */
  policy: JsonObject | null;
  cors: CorsRule[] | null;
}

/** Id of the CORS rule that Presslift owns; other rules are left alone. */
export const CORS_RULE_ID = 'presslift-site';

/** Browsers of the site's visitors may read: fonts, scripts and images are loaded from the bucket's own host. */
export function siteCorsRule(hosts: string[]): CorsRule {
  return {
    id: CORS_RULE_ID,
    origins: hosts.map((host) => `https://${host}`).sort(),
    methods: ['GET', 'HEAD'],
    headers: ['*'],
    exposeHeaders: ['ETag'],
    maxAgeSeconds: 3600,
  };
}

/** Whether visitors of every host may read from the bucket, whichever rules say so. */
export function corsAllows(rules: CorsRule[], hosts: string[]): boolean {
  return hosts.every((host) =>
    rules.some(
      (rule) =>
        rule.methods.includes('GET') &&
        rule.origins.some((origin) => origin === '*' || origin === `https://${host}`),
    ),
  );
}

interface Statement extends JsonObject {
  Effect: string;
}

function isStatement(value: unknown): value is Statement {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asList(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
}

function listsForEverybody(statement: Statement): boolean {
  if (statement.Effect !== 'Allow') return false;
  const principal = statement.Principal;
  const everybody =
    principal === '*' ||
    (isStatement(principal) && asList(principal.AWS ?? principal.CanonicalUser).includes('*'));
  return (
    everybody && asList(statement.Action).some((action) => /^(\*|s3:\*|s3:List.*)$/i.test(action))
  );
}

/** Whether a bucket policy lets everybody list the bucket. */
export function policyAllowsListing(policy: JsonObject | null): boolean {
  return statementsOf(policy).some(listsForEverybody);
}

function statementsOf(policy: JsonObject | null): Statement[] {
  const statements = policy?.Statement;
  return (Array.isArray(statements) ? statements : [statements]).filter(isStatement);
}

/** The policy without what lets everybody list the bucket; null when nothing is left. */
export function withoutPublicListing(policy: JsonObject | null): JsonObject | null {
  if (policy === null || !policyAllowsListing(policy)) return policy;
  const kept = statementsOf(policy).filter((statement) => !listsForEverybody(statement));
  return kept.length === 0 ? null : { ...policy, Statement: kept };
}

/** The configuration that the site's bucket should have, given the one that it has: other people's parts are kept. */
export function desiredBucketConfiguration(
  provider: StorageProvider,
  hosts: string[],
  current: BucketConfiguration,
): BucketConfiguration {
  const traits = storageProviders[provider];
  const rules = current.cors ?? [];
  return {
    versioning: traits.versioning ? 'Enabled' : null,
    publicAccessBlock: traits.publicAccessBlock ? true : null,
    publicAcl: traits.acl ? false : null,
    policy: traits.bucketPolicy ? withoutPublicListing(current.policy) : null,
    cors: !traits.cors
      ? null
      : corsAllows(rules, hosts)
        ? rules
        : [...rules.filter(({ id }) => id !== CORS_RULE_ID), siteCorsRule(hosts)],
  };
}

/** The configuration of a bucket just made. */
export function freshBucketConfiguration(provider: StorageProvider): BucketConfiguration {
  const traits = storageProviders[provider];
  return {
    versioning: traits.versioning ? 'Off' : null,
    publicAccessBlock: traits.publicAccessBlock ? false : null,
    publicAcl: traits.acl ? false : null,
    policy: null,
    cors: traits.cors ? [] : null,
  };
}

/** Name of the provider's key for a site's bucket. */
export function bucketKeyName(site: string, bucket: string): string {
  return `presslift-${site}-${bucket}`;
}
