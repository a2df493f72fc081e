import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { failure } from '../failure.ts';
import { storageErrorCode, storageStatus, type ObjectStorage } from './client.ts';

/** Everything that Presslift itself keeps in a bucket. */
export const OWN_PREFIX = '.presslift/';

/** An object that says who made the bucket: the only thing that every provider can keep about a bucket. */
export const MARKER_KEY = `${OWN_PREFIX}created-by.json`;

/** Who made a bucket. */
export interface BucketMarker {
  site: string;
  operationId: string;
}

export type BucketState = 'ours' | 'forbidden' | 'absent';

/** Whether the keys reach the bucket: `forbidden` means that it is there and belongs to somebody else. */
export async function bucketState(storage: ObjectStorage, bucket: string): Promise<BucketState> {
  return storage.call(`bucket ${bucket}`, async (client) => {
    try {
      await client.send(new HeadBucketCommand({ Bucket: bucket }));
      return 'ours';
    } catch (error) {
      if (storageStatus(error) === 404) return 'absent';
      if (storageStatus(error) === 403) return 'forbidden';
      throw error;
    }
  });
}

/**
 * Creates the bucket and puts the marker into it. Called again after an interruption it completes what is missing.
 *
 * @throws Conflict when the name is taken by somebody else, PreconditionFailed when the bucket holds objects of others.
 */
export async function createMarkedBucket(
  storage: ObjectStorage,
  bucket: string,
  marker: BucketMarker,
): Promise<{ created: boolean }> {
  const created = await storage.call(`bucket ${bucket}`, async (client) => {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      return true;
    } catch (error) {
      // BucketAlreadyExists is also what some servers say to the owner; who owns it is looked at below.
      const code = storageErrorCode(error) ?? '';
      if (code === 'BucketAlreadyOwnedByYou' || code === 'BucketAlreadyExists') return false;
      throw error;
    }
  });
  if (!created && (await bucketState(storage, bucket)) !== 'ours') {
    throw failure('PreconditionFailed', `The bucket name ${bucket} is taken by somebody else`);
  }
  const found = await readMarker(storage, bucket);
  if (found) {
    if (found.site === marker.site && found.operationId === marker.operationId) return { created };
    throw failure(
      'PreconditionFailed',
      `Bucket ${bucket} was made by ${found.operationId} of site ${found.site}`,
    );
  }
  if (!created && !(await isEmpty(storage, bucket))) {
    throw failure('PreconditionFailed', `Bucket ${bucket} is there already and holds objects`);
  }
  await storage.call(`marker of bucket ${bucket}`, (client) =>
    client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: MARKER_KEY,
        Body: JSON.stringify(marker),
        ContentType: 'application/json',
      }),
    ),
  );
  return { created };
}

async function readMarker(storage: ObjectStorage, bucket: string): Promise<BucketMarker | null> {
  return storage.call(`marker of bucket ${bucket}`, async (client) => {
    try {
      const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: MARKER_KEY }));
      return JSON.parse((await answer.Body?.transformToString()) ?? 'null') as BucketMarker;
    } catch (error) {
      if (storageStatus(error) === 404) return null;
      throw error;
    }
  });
}

async function isEmpty(storage: ObjectStorage, bucket: string): Promise<boolean> {
  const list = await storage.call(`bucket ${bucket}`, (client) =>
    client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 })),
  );
  return (list.Contents ?? []).length === 0;
}

/**
 * Deletes a bucket that this operation made and that nobody has put anything into.
 *
 * @param options.isRetry whether an earlier attempt may have removed the marker already.
 * @throws PreconditionFailed when it is another's or holds anything but Presslift's own marks (older versions count).
 */
export async function deleteMarkedBucket(
  storage: ObjectStorage,
  bucket: string,
  marker: BucketMarker,
  options: { isRetry: boolean },
): Promise<{ deleted: boolean }> {
  if ((await bucketState(storage, bucket)) === 'absent') return { deleted: false };
  const found = await readMarker(storage, bucket);
  const versions = await listVersions(storage, bucket);
  const others = versions.filter(({ key }) => !key.startsWith(OWN_PREFIX));
  if (others.length > 0) {
    throw failure('PreconditionFailed', `Bucket ${bucket} is not empty: ${others[0]?.key}`);
  }
  // Empty and without a marker: an earlier attempt of this very deletion removed it, or nobody knows who made it.
  const half = versions.length === 0 && options.isRetry;
  if (found === null && !half) {
    throw failure('PreconditionFailed', `Bucket ${bucket} has no mark of this operation`);
  }
  if (found && (found.site !== marker.site || found.operationId !== marker.operationId)) {
    throw failure('PreconditionFailed', `Bucket ${bucket} was made by ${found.operationId}`);
  }
  for (const { key, versionId } of versions) {
    await storage.call(`marker of bucket ${bucket}`, (client) =>
      client.send(
        new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId ?? undefined }),
      ),
    );
  }
  await storage.call(`bucket ${bucket}`, (client) =>
    client.send(new DeleteBucketCommand({ Bucket: bucket })),
  );
  return { deleted: true };
}

/** The first hundred versions and delete markers; without versioning, the objects. */
async function listVersions(
  storage: ObjectStorage,
  bucket: string,
): Promise<{ key: string; versionId: string | null }[]> {
  return storage.call(`bucket ${bucket}`, async (client) => {
    try {
      const list = await client.send(
        new ListObjectVersionsCommand({ Bucket: bucket, MaxKeys: 100 }),
      );
      return [...(list.Versions ?? []), ...(list.DeleteMarkers ?? [])].map((entry) => ({
        key: entry.Key ?? '',
        versionId: entry.VersionId ?? null,
      }));
    } catch (error) {
      if (!['NotImplemented', 'MethodNotAllowed'].includes(storageErrorCode(error) ?? '')) {
        throw error;
      }
      const list = await client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 100 }));
      return (list.Contents ?? []).map((entry) => ({ key: entry.Key ?? '', versionId: null }));
    }
  });
}
