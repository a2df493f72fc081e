import type { CORSRule, S3Client } from '@aws-sdk/client-s3';
import {
  DeleteBucketCorsCommand,
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  GetBucketAclCommand,
  GetBucketCorsCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  PutBucketAclCommand,
  PutBucketCorsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import { canonicalJson, type JsonObject } from '../../domain/json.ts';
import type {
  BucketConfiguration,
  CorsRule,
  StorageProvider,
} from '../../domain/storage-providers.ts';
import { storageProviders } from '../../domain/storage-providers.ts';
import { storageErrorCode, type ObjectStorage } from './client.ts';

/** Reads the settings that the provider has; see `BucketConfiguration`. */
export async function readConfiguration(
  storage: ObjectStorage,
  provider: StorageProvider,
  bucket: string,
): Promise<BucketConfiguration> {
  const traits = storageProviders[provider];
  const Bucket = bucket;
  /** Asks; an answer of `absent` (the provider's way to say "not set") becomes null. */
  const ask = <T>(what: string, absent: string[], send: (client: S3Client) => Promise<T>) =>
    storage.call(`${what} of bucket ${bucket}`, (client) =>
      send(client).catch((error: unknown) => {
        if (absent.includes(storageErrorCode(error) ?? '')) return null;
        throw error;
      }),
    );

  const versioning = traits.versioning
    ? await ask('versioning', [], (client) =>
        client.send(new GetBucketVersioningCommand({ Bucket })),
      )
    : null;
  const block = traits.publicAccessBlock
    ? await ask('public access block', ['NoSuchPublicAccessBlockConfiguration'], (client) =>
        client.send(new GetPublicAccessBlockCommand({ Bucket })),
      )
    : null;
  const acl = traits.acl
    ? await ask('access control list', [], (client) =>
        client.send(new GetBucketAclCommand({ Bucket })),
      )
    : null;
  const policy = traits.bucketPolicy
    ? await ask('policy', ['NoSuchBucketPolicy'], (client) =>
        client.send(new GetBucketPolicyCommand({ Bucket })),
      )
    : null;
  const cors = traits.cors
    ? await ask('CORS', ['NoSuchCORSConfiguration'], (client) =>
        client.send(new GetBucketCorsCommand({ Bucket })),
      )
    : null;
  const blocked = block?.PublicAccessBlockConfiguration;
  return {
    versioning: traits.versioning ? (versioning?.Status ?? 'Off') : null,
    publicAccessBlock: traits.publicAccessBlock
      ? Boolean(
          blocked?.BlockPublicAcls &&
          blocked.BlockPublicPolicy &&
          blocked.IgnorePublicAcls &&
          blocked.RestrictPublicBuckets,
        )
      : null,
    publicAcl: traits.acl
      ? (acl?.Grants ?? []).some(({ Grantee }) =>
          /(AllUsers|AuthenticatedUsers)$/.test(Grantee?.URI ?? ''),
        )
      : null,
    policy: policy?.Policy ? (JSON.parse(policy.Policy) as JsonObject) : null,
    cors: traits.cors ? (cors?.CORSRules ?? []).map(fromS3) : null,
  };
}

/** Writes the settings in which `wanted` differs from `current`; returns their names. */
export async function writeConfiguration(
  storage: ObjectStorage,
  bucket: string,
  current: BucketConfiguration,
  wanted: BucketConfiguration,
): Promise<string[]> {
  const Bucket = bucket;
  const put = (what: string, send: (client: S3Client) => Promise<unknown>) =>
    storage.call(`${what} of bucket ${bucket}`, send);
  const changed: string[] = [];
  const differs = (setting: keyof BucketConfiguration) => {
    const different = canonicalJson(current[setting]) !== canonicalJson(wanted[setting]);
    if (different) changed.push(setting);
    return different;
  };

  if (differs('versioning')) {
    // A bucket that ever had versions can only be suspended, never switched off.
    const Status = wanted.versioning === 'Enabled' ? 'Enabled' : 'Suspended';
    await put('versioning', (client) =>
      client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } })),
    );
  }
  if (differs('publicAccessBlock')) {
    await put('public access block', (client) =>
      wanted.publicAccessBlock
        ? client.send(
            new PutPublicAccessBlockCommand({
              Bucket,
              PublicAccessBlockConfiguration: {
                BlockPublicAcls: true,
                IgnorePublicAcls: true,
                BlockPublicPolicy: true,
                RestrictPublicBuckets: true,
              },
            }),
          )
        : client.send(new DeletePublicAccessBlockCommand({ Bucket })),
    );
  }
  if (differs('publicAcl')) {
    await put('access control list', (client) =>
      client.send(
        new PutBucketAclCommand({ Bucket, ACL: wanted.publicAcl ? 'public-read' : 'private' }),
      ),
    );
  }
  if (differs('policy')) {
    const { policy } = wanted;
    await put('policy', (client) =>
      policy === null
        ? client.send(new DeleteBucketPolicyCommand({ Bucket }))
        : client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) })),
    );
  }
  if (differs('cors')) {
    const rules = wanted.cors ?? [];
    await put('CORS', (client) =>
      rules.length === 0
        ? client.send(new DeleteBucketCorsCommand({ Bucket }))
        : client.send(
            new PutBucketCorsCommand({
              Bucket,
              CORSConfiguration: { CORSRules: rules.map(toS3) },
            }),
          ),
    );
  }
  return changed;
}

function fromS3(rule: CORSRule): CorsRule {
  return {
    id: rule.ID ?? null,
    origins: rule.AllowedOrigins ?? [],
    methods: rule.AllowedMethods ?? [],
    headers: rule.AllowedHeaders ?? [],
    exposeHeaders: rule.ExposeHeaders ?? [],
    maxAgeSeconds: rule.MaxAgeSeconds ?? null,
  };
}

function toS3(rule: CorsRule): CORSRule {
  return {
    ...(rule.id === null ? {} : { ID: rule.id }),
    AllowedOrigins: rule.origins,
    AllowedMethods: rule.methods,
    ...(rule.headers.length > 0 ? { AllowedHeaders: rule.headers } : {}),
    ...(rule.exposeHeaders.length > 0 ? { ExposeHeaders: rule.exposeHeaders } : {}),
    ...(rule.maxAgeSeconds === null ? {} : { MaxAgeSeconds: rule.maxAgeSeconds }),
  };
}
