import { createHash } from 'node:crypto';
import { Agent, request } from 'node:https';
import { request as plainRequest } from 'node:http';
import { S3Client } from '@aws-sdk/client-s3';
import { storageAddress, storageProviders } from '../../domain/storage-providers.ts';
import type { Site } from '../../domain/site/schema.ts';
import { connectionFailure, failure, failureTypeOf } from '../failure.ts';
import type { SecretResolver } from '../secrets/resolver.ts';
import type { Secret } from '../secrets/secret.ts';

export interface StorageKeys {
  accessKeyId: string;
  secretAccessKey: Secret;
}

export interface ObjectStorageOptions {
  objects: Site['storage']['objects'];
  keys: StorageKeys;
  /** PEM of authorities to trust instead of the process's own. */
  ca?: string;
  timeoutMs?: number;
}

/** One set of keys at the site's object storage. */
export interface ObjectStorage {
  client: S3Client;
  endpoint: string;
  /** One attempt; errors come as failures of the table. `what` names the thing: `bucket acme-media`. */
  call<T>(what: string, send: (client: S3Client) => Promise<T>): Promise<T>;
  /** Status of an unsigned GET. */
  anonymous(path: string): Promise<number>;
  close(): void;
}

/**
 * A client with the SDK's retries off, so that Temporal owns them, and certificates verified.
 *
 * @throws InvalidSite when the provider has no endpoint of its own and the site names none.
 */
export function openObjectStorage(options: ObjectStorageOptions): ObjectStorage {
  const address = storageAddress(options.objects);
  if (!address) {
    throw failure(
      'InvalidSite',
      `storage.objects.endpoint is needed for provider ${options.objects.provider}`,
    );
  }
  const timeoutMs = options.timeoutMs ?? 15_000;
  const agent = new Agent({ keepAlive: true, maxSockets: 10, ca: options.ca });
  const client = new S3Client({
    endpoint: address.endpoint,
    region: address.region,
    forcePathStyle: address.pathStyle,
    credentials: {
      accessKeyId: options.keys.accessKeyId,
      secretAccessKey: options.keys.secretAccessKey.reveal(),
    },
    maxAttempts: 1,
    // Not every provider knows the newer default checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { httpsAgent: agent, connectionTimeout: timeoutMs, requestTimeout: timeoutMs },
  });
  addContentMd5(client);
  if (!storageProviders[options.objects.provider].locationConstraint) {
    client.middlewareStack.remove('locationConstraintMiddleware');
  }
  const host = new URL(address.endpoint).host;
  return {
    client,
    endpoint: address.endpoint,
    async call(what, send) {
      try {
        return await send(client);
      } catch (error) {
        throw storageFailure(error, `Object storage ${host}, ${what}`);
      }
    },
    anonymous: (path) => anonymousStatus(`${address.endpoint}${path}`, agent, timeoutMs),
    close() {
      client.destroy();
      agent.destroy();
    },
  };
}

/** Where an object storage is and what opens it; `keys` and `ca` are references to secrets. */
export interface StoragePlace {
  objects: Site['storage']['objects'];
  keys: string;
  ca: string | undefined;
}

/** An object storage with the secrets that its place refers to; the caller closes it. @throws SecretMissing, InvalidSite */
export async function connectObjectStorage(
  secrets: SecretResolver,
  { objects, keys, ca }: StoragePlace,
): Promise<ObjectStorage> {
  return openObjectStorage({
    objects,
    keys: await storageKeys(secrets, keys),
    ca: ca === undefined ? undefined : await secrets.resolve(ca),
  });
}

/** An object storage for as long as `use` takes. @throws SecretMissing, InvalidSite */
export async function withStorage<T>(
  secrets: SecretResolver,
  place: StoragePlace,
  use: (storage: ObjectStorage) => Promise<T>,
): Promise<T> {
  const storage = await connectObjectStorage(secrets, place);
  try {
    return await use(storage);
  } finally {
    storage.close();
  }
}

/**
 * Amazon takes nothing under object lock, a bucket's default retention too, without a checksum
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html). This one every provider knows.
 */
function addContentMd5({ middlewareStack }: S3Client): void {
  middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const { Body: body } = args.input as { Body?: unknown };
        if (commandName !== 'PutObjectCommand' || typeof body !== 'string') return next(args);
        const ContentMD5 = createHash('md5').update(body).digest('base64');
        return next({ ...args, input: { ...args.input, ContentMD5 } });
      },
    { step: 'initialize', name: 'contentMd5' },
  );
}

/** Keys behind a reference: a secret with `accessKeyId` and `secretAccessKey`. @throws SecretMissing */
export async function storageKeys(
  secrets: SecretResolver,
  reference: string,
): Promise<StorageKeys> {
  const accessKeyId = await secrets.resolve(reference, 'accessKeyId');
  return { accessKeyId, secretAccessKey: await secrets.secret(reference, 'secretAccessKey') };
}

/** The error code of an S3 answer: `NoSuchBucket`, `AccessDenied`, …; null for any other error. */
export function storageErrorCode(error: unknown): string | null {
  const { name, $metadata } = (error ?? {}) as { name?: string; $metadata?: object };
  return $metadata && name ? name : null;
}

/** The HTTP status of an S3 answer, or null. */
export function storageStatus(error: unknown): number | null {
  const { $metadata } = (error ?? {}) as { $metadata?: { httpStatusCode?: number } };
  return $metadata?.httpStatusCode ?? null;
}

function storageFailure(error: unknown, what: string) {
  if (failureTypeOf(error)) return error;
  const code = storageErrorCode(error);
  const status = storageStatus(error);
  const text = `${what}: ${code ?? 'no answer'}${status ? ` (${status})` : ''}`;
  if (code === 'InvalidAccessKeyId' || code === 'SignatureDoesNotMatch' || status === 401) {
    return failure('Unauthorized', text);
  }
  if (status === 403) return failure('Forbidden', text);
  if (status === 404) return failure('NotFound', text);
  if (status === 409) return failure('Conflict', text);
  if (status === 429 || code === 'SlowDown') return failure('RateLimited', text);
  if (status !== null && status >= 400 && status < 500) return failure('InvalidInput', text);
  if (status !== null) return failure('Unavailable', text);
  const mapped = connectionFailure(error, what);
  return mapped === error ? failure('Unavailable', `${what}: the request failed`) : mapped;
}

function anonymousStatus(url: string, agent: Agent, timeoutMs: number): Promise<number> {
  const secure = url.startsWith('https:');
  return new Promise((resolve, reject) => {
    const asked = (secure ? request : plainRequest)(
      url,
      { method: 'GET', timeout: timeoutMs, ...(secure ? { agent } : {}) },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    asked.once('timeout', () => {
      asked.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }));
    });
    asked.once('error', (error) => {
      const mapped = connectionFailure(error, `Object storage ${new URL(url).host}`);
      reject(mapped instanceof Error ? mapped : error);
    });
    asked.end();
  });
}
