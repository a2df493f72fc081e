import { GetBucketVersioningCommand, HeadBucketCommand } from '@aws-sdk/client-s3';
import type { ObjectStoragePart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { readDeployment } from '../kubernetes/site-objects.ts';
import { withStorage } from '../object-storage/client.ts';
import { siteObjectLock, withSiteStorage } from '../object-storage/lock.ts';
import { databaseInUse } from '../recovery/database-in-use.ts';
import { siteCluster } from '../recovery/deps.ts';
import { ownBucketOf, repositoryPassword } from '../recovery/repository.ts';
import type { BackupDeps } from './deps.ts';

/** `backupReadiness` and `describeObjectStorage`: what a backup needs of the bucket, and where it stood. */
export function createObjectStorageActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'backupReadiness' | 'describeObjectStorage'> {
  return {
    async backupReadiness({ site }) {
      const missing: string[] = [];
      const deployment = await readDeployment(siteCluster(deps, site), site);
      if (deployment === null) {
        const { namespace, deployment: name } = site.cluster;
        missing.push(
          `there is no Deployment ${namespace}/${name}, which says what the volumes of the site are`,
        );
      }
      if (site.backup.password === undefined) {
        missing.push('the site file names no backup.password, and nothing is copied unencrypted');
      } else {
        const why = await reasonOf(() => repositoryPassword(deps, site));
        if (why !== null) missing.push(`the repository's password cannot be read: ${why}`);
      }
      const { bucket } = site.storage.objects;
      const why = await reasonOf(() =>
        withSiteStorage(deps.secrets, site, site.storage.objects.credentials, (storage) =>
          storage.call(`bucket ${bucket}`, (client) =>
            client.send(new HeadBucketCommand({ Bucket: bucket })),
          ),
        ),
      );
      if (why !== null) {
        missing.push(`the bucket ${bucket} cannot be used yet (phase 0 sets it up): ${why}`);
      }
      const own = ownBucketOf(site);
      if (own !== null) {
        const { bucket: other } = own.objects;
        const problem = await reasonOf(() =>
          withStorage(deps.secrets, own, (storage) =>
            storage.call(`bucket ${other}`, (client) =>
              client.send(new HeadBucketCommand({ Bucket: other })),
            ),
          ),
        );
        if (problem !== null) {
          missing.push(`the bucket of backup.repository, ${other}, cannot be used: ${problem}`);
        }
      }
      const inUse = await databaseInUse(deps, site, deployment?.spec?.template);
      if (inUse.same === false) {
        const { host, port } = site.database;
        missing.push(
          `the site's pods use the database ${inUse.hosts.join(', ')}, and the site file names ${host}:${port}: a copy would be of another database (change the lines database.* of the site file)`,
        );
      }
      return { ready: missing.length === 0, missing };
    },

    async describeObjectStorage({ site }): Promise<ObjectStoragePart> {
      const { provider, bucket } = site.storage.objects;
      // Before the answer: what is written meanwhile is not promised.
      const asOf = deps.now().toISOString();
      const { credentials, adminCredentials } = site.storage.objects;
      // Keys for the bucket's objects alone may not ask how the bucket is set up.
      const versioning =
        (await versioningOf(deps, site, credentials)) ??
        (adminCredentials === undefined ? null : await versioningOf(deps, site, adminCredentials));
      const objectLock = await withSiteStorage(deps.secrets, site, credentials, (storage) =>
        siteObjectLock(deps.secrets, site, storage),
      );
      return { provider, bucket, versioning: versioning ?? false, objectLock, asOf };
    },
  };
}

/** Null when these keys may not know. */
async function versioningOf(deps: BackupDeps, site: Site, keys: string): Promise<boolean | null> {
  const { bucket } = site.storage.objects;
  try {
    const answer = await withSiteStorage(deps.secrets, site, keys, (storage) =>
      storage.call(`versioning of bucket ${bucket}`, (client) =>
        client.send(new GetBucketVersioningCommand({ Bucket: bucket })),
      ),
    );
    return answer.Status === 'Enabled';
  } catch (error) {
    if (failureTypeOf(error) === 'Forbidden') return null;
    throw error;
  }
}

/** Failures that a person has to mend; what an answer later can mend is thrown. */
async function reasonOf(attempt: () => Promise<unknown>): Promise<string | null> {
  try {
    await attempt();
    return null;
  } catch (error) {
    const type = failureTypeOf(error);
    if (type === null || type === 'Unavailable' || type === 'RateLimited') throw error;
    return (error as Error).message;
  }
}
