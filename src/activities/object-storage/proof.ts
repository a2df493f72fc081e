import { createHash, randomUUID } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { errorCode, failureTypeOf } from '../failure.ts';
import { OWN_PREFIX } from './bucket.ts';
import { storageErrorCode, storageStatus, type ObjectStorage } from './client.ts';

/** One thing that was tried. `ok` is null when it could not be found out. */
export interface Attempt {
  action: string;
  ok: boolean | null;
  seen: string;
}

/** Puts, gets, compares and deletes an object of a name of its own, and its versions where the keys may. */
export async function proveUse(storage: ObjectStorage, bucket: string): Promise<Attempt[]> {
  const Key = `${OWN_PREFIX}probe-${randomUUID()}`;
  const content = randomUUID();
  const attempts: Attempt[] = [];
  const attempt = async (action: string, send: () => Promise<boolean>) => {
    const made = await send().then(
      (ok): Attempt => ({ action, ok, seen: ok ? 'as expected' : 'another content' }),
      (error: unknown): Attempt => ({ action, ok: false, seen: describe(error) }),
    );
    attempts.push(made);
    return made.ok === true;
  };
  const { client } = storage;
  const versions: (string | undefined)[] = [];
  const put = await attempt('put', async () => {
    const answer = await client.send(
      new PutObjectCommand({ Bucket: bucket, Key, Body: content, ContentType: 'text/plain' }),
    );
    versions.push(answer.VersionId);
    return true;
  });
  if (!put) return attempts;
  await attempt('get', async () => {
    const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    return (await answer.Body?.transformToString()) === content;
  });
  await attempt('delete', async () => {
    const answer = await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
    versions.push(answer.VersionId);
    return true;
  });
  await attempt('get after delete', async () => {
    try {
      await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      return false;
    } catch (error) {
      if (storageStatus(error) === 404) return true;
      throw error;
    }
  });
  // With versioning the content and a delete marker remain; keys that may not remove versions leave them there.
  for (const VersionId of versions.filter((id) => id !== undefined && id !== 'null')) {
    await client
      .send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }))
      .catch(() => undefined);
  }
  return attempts;
}

/**
 * Tries with the site's keys what they must not be able to do: list another bucket, write to it, create one.
 * `ok` means that it was refused. Anything that succeeded is taken back.
 *
 * @param admin keys that can name or make another bucket; without them there may be none to try, and `ok` is null.
 */
export async function proveIsolation(
  site: ObjectStorage,
  admin: ObjectStorage | null,
  bucket: string,
): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  const probe = `presslift-probe-${createHash('sha256').update(bucket).digest('hex').slice(0, 12)}`;
  attempts.push(
    await mustBeRefused(`create bucket ${probe}-new`, async () => {
      await site.client.send(new CreateBucketCommand({ Bucket: `${probe}-new` }));
      await site.client
        .send(new DeleteBucketCommand({ Bucket: `${probe}-new` }))
        .catch(() => undefined);
    }),
  );
  const known = await anotherBucket(admin ?? site, bucket);
  if (known !== null) {
    attempts.push(await mustBeRefused(`list bucket ${known}`, () => list(site, known)));
    return attempts;
  }
  if (admin === null) {
    attempts.push({
      action: 'list another bucket',
      ok: null,
      seen: 'no other bucket is known; storage.objects.adminCredentials would let one be made',
    });
    return attempts;
  }
  await admin.call(`bucket ${probe}`, (client) =>
    client.send(new CreateBucketCommand({ Bucket: probe })).catch((error: unknown) => {
      if (!/^BucketAlready/.test(storageErrorCode(error) ?? '')) throw error;
    }),
  );
  try {
    attempts.push(await mustBeRefused(`list bucket ${probe}`, () => list(site, probe)));
    attempts.push(
      await mustBeRefused(`put into bucket ${probe}`, async () => {
        await site.client.send(new PutObjectCommand({ Bucket: probe, Key: 'probe', Body: 'x' }));
        await admin.client.send(new DeleteObjectCommand({ Bucket: probe, Key: 'probe' }));
      }),
    );
  } finally {
    await admin.call(`bucket ${probe}`, (client) =>
      client.send(new DeleteBucketCommand({ Bucket: probe })),
    );
  }
  return attempts;
}

/** Tries to list the bucket without any signature; `ok` means that it was refused. */
export async function proveNoPublicListing(
  storage: ObjectStorage,
  bucket: string,
): Promise<Attempt> {
  const action = 'list without a signature';
  try {
    const status = await storage.anonymous(`/${bucket}?list-type=2`);
    const refused = status === 401 || status === 403;
    // Anything but a clear answer proves nothing.
    const ok = refused ? true : status >= 200 && status < 300 ? false : null;
    return { action, ok, seen: `status ${status}` };
  } catch (error) {
    return { action, ok: null, seen: describe(error) };
  }
}

async function list(storage: ObjectStorage, bucket: string): Promise<void> {
  await storage.client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }));
}

async function anotherBucket(storage: ObjectStorage, bucket: string): Promise<string | null> {
  const answer = await storage.client.send(new ListBucketsCommand({})).catch(() => null);
  const names = (answer?.Buckets ?? []).map(({ Name }) => Name ?? '');
  return names.filter((name) => name !== '' && name !== bucket).sort()[0] ?? null;
}

async function mustBeRefused(action: string, send: () => Promise<void>): Promise<Attempt> {
  try {
    await send();
    return { action, ok: false, seen: 'it was allowed' };
  } catch (error) {
    const status = storageStatus(error);
    return { action, ok: status === 401 || status === 403 ? true : null, seen: describe(error) };
  }
}

function describe(error: unknown): string {
  const code = storageErrorCode(error) ?? errorCode(error) ?? failureTypeOf(error) ?? 'no answer';
  const status = storageStatus(error);
  return status === null ? code : `${code} (${status})`;
}
