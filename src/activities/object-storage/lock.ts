import { GetObjectLockConfigurationCommand } from '@aws-sdk/client-s3';
import type { Site } from '../../domain/site/schema.ts';
import { failureTypeOf } from '../failure.ts';
import type { SecretResolver } from '../secrets/resolver.ts';
import { storageErrorCode, storageStatus, withStorage, type ObjectStorage } from './client.ts';

/** How servers say that a bucket has no object lock, or that they know none. */
const without = new Set([400, 404, 405, 501]);

/** Whether a bucket can lock objects; null when these keys may not ask. */
export async function objectLockOf(
  storage: ObjectStorage,
  bucket: string,
): Promise<boolean | null> {
  return storage.call(`object lock of bucket ${bucket}`, async (client) => {
    try {
      const answer = await client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }));
      return answer.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled';
    } catch (error) {
      const status = storageStatus(error);
      if (status === 403) return null;
      // A bucket that is gone is another thing than one without lock.
      if (storageErrorCode(error) === 'NoSuchBucket' || !without.has(status ?? 0)) throw error;
      return false;
    }
  });
}

/**
 * Whether the site's bucket can lock objects, asked with the administrator's keys where those for the bucket's objects may not
 * ask and the site names some; null when nobody may.
 *
 * @param storage with the keys for the bucket's objects.
 */
export async function siteObjectLock(
  secrets: SecretResolver,
  site: Site,
  storage: ObjectStorage,
): Promise<boolean | null> {
  const { bucket, adminCredentials } = site.storage.objects;
  const answer = await objectLockOf(storage, bucket);
  if (answer !== null || adminCredentials === undefined) return answer;
  try {
    return await withSiteStorage(secrets, site, adminCredentials, (admin) =>
      objectLockOf(admin, bucket),
    );
  } catch (error) {
    // An administrator's keys may be taken away once the bucket is set up.
    const type = failureTypeOf(error);
    if (type === 'Unauthorized' || type === 'SecretMissing') return null;
    throw error;
  }
}

/** The site's object storage with the keys behind a reference, for as long as `use` takes. @throws SecretMissing, InvalidSite */
export async function withSiteStorage<T>(
  secrets: SecretResolver,
  site: Site,
  reference: string,
  use: (storage: ObjectStorage) => Promise<T>,
): Promise<T> {
  const { objects } = site.storage;
  return withStorage(secrets, { objects, keys: reference, ca: objects.ca }, use);
}
