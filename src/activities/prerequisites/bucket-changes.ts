import { canonicalJson } from '../../domain/json.ts';
import {
  desiredBucketConfiguration,
  type BucketConfiguration,
} from '../../domain/storage-providers.ts';
import type { ChangeInput, ChangeResult, PrerequisiteActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { bucketState, createMarkedBucket, deleteMarkedBucket } from '../object-storage/bucket.ts';
import type { ObjectStorage } from '../object-storage/client.ts';
import { readConfiguration, writeConfiguration } from '../object-storage/configuration.ts';
import { openAdminStorage, type PrerequisiteDeps } from './deps.ts';
import { attemptNumber } from './measured.ts';

type BucketChanges = Pick<
  PrerequisiteActivities,
  'createBucket' | 'deleteEmptyBucket' | 'configureBucket' | 'restoreBucketConfiguration'
>;

/** The changes to the bucket itself. */
export function createBucketChanges(deps: PrerequisiteDeps): BucketChanges {
  async function withStorage<T>(
    { site }: ChangeInput,
    use: (storage: ObjectStorage, bucket: string) => Promise<T>,
  ): Promise<T> {
    const storage = await openAdminStorage(deps, site);
    try {
      return await use(storage, site.storage.objects.bucket);
    } finally {
      storage.close();
    }
  }

  return {
    createBucket: (input) =>
      withStorage(input, async (storage, bucket) => {
        const { bucket: approved } = (input.change.after ?? {}) as { bucket?: string };
        if (approved !== bucket) {
          throw failure('PlanMismatch', `Bucket ${approved} was approved, not ${bucket}`);
        }
        const { created } = await createMarkedBucket(storage, bucket, markerOf(input));
        return { bucket, created };
      }),

    deleteEmptyBucket: (input) =>
      withStorage(input, async (storage, bucket) => {
        const { deleted } = await deleteMarkedBucket(storage, bucket, markerOf(input), {
          isRetry: attemptNumber() > 1,
        });
        return { bucket, deleted };
      }),

    configureBucket: (input) =>
      withStorage(input, async (storage, bucket) => {
        const { provider } = input.site.storage.objects;
        const { before, after, settings } = approvedSettings(input);
        const current = await readConfiguration(storage, provider, bucket);
        const different = settings.filter((name) => !same(current[name], after[name]));
        const moved = different.filter((name) => !same(current[name], before[name]));
        if (moved.length > 0) {
          throw failure(
            'Drifted',
            `Bucket ${bucket}: ${moved.join(', ')} changed since the approval`,
          );
        }
        const desired = desiredBucketConfiguration(provider, input.site.hosts.names, current);
        const other = different.filter((name) => !same(desired[name], after[name]));
        if (other.length > 0) {
          throw failure(
            'PlanMismatch',
            `Bucket ${bucket}: ${other.join(', ')} would now be set otherwise`,
          );
        }
        const wanted = { ...current, ...pick(after, settings) };
        const written = await writeConfiguration(storage, bucket, current, wanted);
        const seen = await readConfiguration(storage, provider, bucket);
        const lacking = settings.filter((name) => !same(seen[name], after[name]));
        if (lacking.length > 0) {
          throw failure('Conflict', `Bucket ${bucket}: ${lacking.join(', ')} did not take effect`);
        }
        return { bucket, written };
      }),

    restoreBucketConfiguration: (input) =>
      withStorage(input, async (storage, bucket): Promise<ChangeResult> => {
        if ((await bucketState(storage, bucket)) === 'absent') return { bucket, restored: [] };
        const { provider } = input.site.storage.objects;
        const { before, after, settings } = approvedSettings(input);
        const current = await readConfiguration(storage, provider, bucket);
        // What somebody has changed since is theirs, and stays.
        const ours = settings.filter((name) => same(current[name], after[name]));
        const wanted = { ...current, ...pick(before, ours) };
        const restored = await writeConfiguration(storage, bucket, current, wanted);
        return { bucket, restored, left: settings.filter((name) => !ours.includes(name)) };
      }),
  };
}

function markerOf({ site, operationId }: ChangeInput) {
  return { site: site.name, operationId };
}

type Setting = keyof BucketConfiguration;

function approvedSettings({ change }: ChangeInput) {
  const after = change.after as unknown as BucketConfiguration;
  const before = change.before as unknown as BucketConfiguration;
  return { before, after, settings: Object.keys(after) as Setting[] };
}

function pick(from: BucketConfiguration, settings: Setting[]): Partial<BucketConfiguration> {
  return Object.fromEntries(settings.map((name) => [name, from[name]]));
}

function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
