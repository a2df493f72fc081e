import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { failure } from '../failure.ts';
import { storageErrorCode, storageStatus, type ObjectStorage } from '../object-storage/client.ts';

/** An object as read, with the tag that names this version of it. */
export interface StoredObject {
  text: string;
  etag: string | null;
}

export interface PutOptions {
  contentType: string;
  /** Nobody can delete this version before (object lock), where the bucket has that. */
  lockedUntil?: Date;
  /** Only over this version; null: only where nothing is. Left out where the provider does not know conditional writes. */
  over?: string | null;
}

/** Small objects below one prefix of a bucket. Errors are failures of the table. */
export interface CatalogueStore {
  get(key: string): Promise<StoredObject | null>;
  /** @throws Conflict when `over` names another version than the one that is there. */
  put(key: string, text: string, options: PutOptions): Promise<void>;
  /** Keys below a prefix, and when each was written, in the order of keys. */
  list(prefix: string): Promise<{ key: string; at: Date }[]>;
  /** Deletes an object and its older versions; versions under object lock stay, hidden. */
  remove(key: string): Promise<void>;
}

const unsupported = new Set(['NotImplemented', 'MethodNotAllowed', 'InvalidRequest']);

/** @param canLock whether the bucket can lock objects; null when nobody may ask, and then nothing is locked. */
export function createCatalogueStore(
  storage: ObjectStorage,
  bucket: string,
  canLock: () => Promise<boolean | null>,
): CatalogueStore {
  let locking: Promise<boolean | null> | null = null;

  async function list(prefix: string) {
    const objects: { key: string; at: Date }[] = [];
    let token: string | undefined;
    do {
      const page = await storage.call(`list of ${bucket}/${prefix}`, (client) =>
        client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix,
            ContinuationToken: token,
          }),
        ),
      );
      for (const { Key, LastModified } of page.Contents ?? []) {
        if (Key !== undefined) objects.push({ key: Key, at: LastModified ?? new Date(0) });
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return objects;
  }

  async function putOnce(key: string, text: string, options: PutOptions, locked: boolean) {
    const { over } = options;
    await storage.call(`object ${key}`, async (client) => {
      const put = (conditional: boolean) =>
        client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: text,
            ContentType: options.contentType,
            ...(conditional && over === null && { IfNoneMatch: '*' }),
            ...(conditional && typeof over === 'string' && { IfMatch: over }),
            ...(locked && {
              ObjectLockMode: 'GOVERNANCE' as const,
              ObjectLockRetainUntilDate: options.lockedUntil,
            }),
          }),
        );
      try {
        await put(over !== undefined);
      } catch (error) {
        if (storageStatus(error) === 412) {
          throw failure('Conflict', `Object ${key} was changed by somebody else meanwhile`);
        }
        if (over === undefined || !unsupported.has(storageErrorCode(error) ?? '')) throw error;
        await put(false);
      }
    });
  }

  return {
    get: (key) =>
      storage.call(`object ${key}`, async (client) => {
        try {
          const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
          const text = (await answer.Body?.transformToString()) ?? '';
          return { text, etag: answer.ETag ?? null };
        } catch (error) {
          // A bucket that is gone is another thing than an object that is not there.
          if (storageErrorCode(error) === 'NoSuchBucket') throw error;
          if (storageStatus(error) === 404) return null;
          throw error;
        }
      }),

    async put(key, text, options) {
      const wanted = options.lockedUntil !== undefined;
      const locked = wanted && (await (locking ??= canLock())) === true;
      await putOnce(key, text, options, locked);
    },

    list,

    async remove(key) {
      // The delete marker first: from here on nobody reads the object, whatever becomes of its versions.
      await storage.call(`object ${key}`, (client) =>
        client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })),
      );
      await storage.call(`versions of ${key}`, async (client) => {
        let versions: { id: string | undefined }[];
        try {
          const list = await client.send(
            new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key }),
          );
          versions = (list.Versions ?? [])
            .filter((version) => version.Key === key)
            .map(({ VersionId }) => ({ id: VersionId }));
        } catch (error) {
          if ([403, 404, 405, 501].includes(storageStatus(error) ?? 0)) return;
          throw error;
        }
        for (const { id } of versions) {
          try {
            await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: id }));
          } catch (error) {
            // Under object lock.
            if (storageStatus(error) !== 403) throw error;
          }
        }
      });
    },
  };
}
