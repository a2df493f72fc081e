import { canonicalJson, type Json } from '../json.ts';
import type { Change, Plan } from '../plan.ts';
import type { ObjectStorageFacts, PrerequisiteFacts } from '../prerequisite-facts.ts';
import type { Site } from '../site/schema.ts';
import {
  bucketKeyName,
  desiredBucketConfiguration,
  freshBucketConfiguration,
  storageProviders,
  type BucketConfiguration,
} from '../storage-providers.ts';
import { canCreateKeys, prerequisiteFindings } from './prerequisites-findings.ts';
import { observationKeys, prerequisiteObservations } from './prerequisites-observations.ts';

export interface PrerequisitesPlanInput {
  site: Site;
  siteDigest: string;
  facts: PrerequisiteFacts;
}

/**
 * Phase 0: what is missing of the site's bucket and its keys. Database and host names are only looked at; what is wrong
 * with them is a finding. A site that has everything gives a plan without changes.
 */
export function planPrerequisites({ site, siteDigest, facts }: PrerequisitesPlanInput): Plan {
  return {
    schema: 1,
    site: site.name,
    operation: 'prerequisites',
    siteDigest,
    changes: [
      createBucket(site, facts.objectStorage),
      configureBucket(site, facts.objectStorage),
      createBucketKeys(site, facts.objectStorage),
    ].filter((change) => change !== null),
    observations: prerequisiteObservations(site, facts),
    findings: prerequisiteFindings(site, facts),
  };
}

function isAbsent(facts: ObjectStorageFacts): boolean {
  return facts.state.ok && facts.state.value === 'absent';
}

function createBucket(site: Site, facts: ObjectStorageFacts): Change | null {
  if (!isAbsent(facts)) return null;
  const { provider, bucket, region } = site.storage.objects;
  return {
    id: 'create-bucket',
    title: `Create the bucket ${bucket}`,
    target: `Bucket ${bucket} at ${storageProviders[provider].title}`,
    before: null,
    after: { bucket, provider, region, endpoint: facts.endpoint },
    risk: 'low',
    riskReason: 'Nothing uses the bucket before phase 2.',
    undo: { possible: true, how: 'The bucket is deleted while nobody has put anything into it.' },
    touches: [observationKeys.bucket(site)],
    params: {},
  };
}

function configureBucket(site: Site, facts: ObjectStorageFacts): Change | null {
  const { provider, bucket } = site.storage.objects;
  const current = currentConfiguration(site, facts);
  if (current === null) return null;
  const wanted = desiredBucketConfiguration(provider, site.hosts.names, current);
  const differing = (Object.keys(wanted) as (keyof BucketConfiguration)[]).filter(
    (setting) => canonicalJson(wanted[setting]) !== canonicalJson(current[setting]),
  );
  if (differing.length === 0) return null;
  return {
    id: 'configure-bucket',
    title: `Set ${differing.map((setting) => settingTitles[setting]).join(', ')} of the bucket ${bucket}`,
    target: `Bucket ${bucket} at ${storageProviders[provider].title}`,
    before: pick(current, differing),
    after: pick(wanted, differing),
    risk: differing.includes('policy') || differing.includes('publicAcl') ? 'medium' : 'low',
    riskReason:
      differing.includes('policy') || differing.includes('publicAcl')
        ? 'Whoever lists the bucket without keys today cannot any more.'
        : 'Objects that are there stay as they are.',
    undo: {
      possible: true,
      how: differing.includes('versioning')
        ? 'The settings are written back; versioning can only be suspended, versions stay.'
        : 'The settings are written back.',
    },
    touches: [observationKeys.bucket(site)],
    params: { settings: differing },
  };
}

const settingTitles: Record<keyof BucketConfiguration, string> = {
  versioning: 'versioning',
  publicAccessBlock: 'the block of public access',
  publicAcl: 'the access control list',
  policy: 'the policy against public listing',
  cors: 'CORS',
};

function currentConfiguration(site: Site, facts: ObjectStorageFacts): BucketConfiguration | null {
  if (isAbsent(facts)) return freshBucketConfiguration(site.storage.objects.provider);
  return facts.configuration?.ok ? facts.configuration.value : null;
}

function pick(from: BucketConfiguration, settings: (keyof BucketConfiguration)[]): Json {
  return Object.fromEntries(settings.map((setting) => [setting, from[setting] as unknown as Json]));
}

function createBucketKeys(site: Site, facts: ObjectStorageFacts): Change | null {
  const { provider, bucket, credentials } = site.storage.objects;
  if (facts.keys.present || !canCreateKeys(site)) return null;
  if (facts.keys.issued && !facts.keys.issued.ok) return null;
  const name = bucketKeyName(site.name, bucket);
  return {
    id: 'create-bucket-keys',
    title: `Create keys for the bucket ${bucket} alone and keep them in ${credentials}`,
    target: `${storageProviders[provider].title} key ${name}`,
    before: null,
    after: { name, grants: [{ bucket, permission: 'readwrite' }], storedIn: credentials },
    risk: 'low',
    riskReason: 'Nothing uses the keys before phase 2.',
    undo: {
      possible: true,
      how: 'The key is deleted at the provider, and the Secret that holds it.',
    },
    touches: [observationKeys.bucketKeys(site)],
    params: {},
  };
}
