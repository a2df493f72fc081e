import { PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSpacesAccounts } from '../../../deploy/sandbox/stand-ins/digitalocean/spaces-accounts.ts';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import {
  bucketState,
  createMarkedBucket,
  deleteMarkedBucket,
} from '../../../src/activities/object-storage/bucket.ts';
import {
  openObjectStorage,
  type ObjectStorage,
} from '../../../src/activities/object-storage/client.ts';
import {
  readConfiguration,
  writeConfiguration,
} from '../../../src/activities/object-storage/configuration.ts';
import {
  proveIsolation,
  proveNoPublicListing,
  proveUse,
} from '../../../src/activities/object-storage/proof.ts';
import { Secret } from '../../../src/activities/secrets/secret.ts';
import {
  desiredBucketConfiguration,
  freshBucketConfiguration,
  siteCorsRule,
} from '../../../src/domain/storage-providers.ts';
import { startVersitygw, type TestObjectStorage } from '../../support/versitygw.ts';

/**
 * Buckets, their settings and the proofs against a real S3 server with TLS. It proves that each proof can fail; it does
 * not cover settings that this server lacks (public access block).
 */

let server: TestObjectStorage;
let admin: ObjectStorage;

const marker = { site: 'acme', operationId: 'acme/prerequisites' };

function open(accessKeyId: string, secretAccessKey: string): ObjectStorage {
  return openObjectStorage({
    objects: {
      provider: 'spaces',
      bucket: 'acme-media',
      region: server.region,
      endpoint: server.endpoint,
      credentials: 'env:UNUSED',
    },
    keys: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
    ca: server.ca,
  });
}

const typeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => failureTypeOf(error) ?? String(error),
  );

beforeAll(async () => {
  server = await startVersitygw();
  admin = open(server.root.accessKeyId, server.root.secretAccessKey);
});

afterAll(async () => {
  admin?.close();
  await server?.stop();
});

describe('the bucket', () => {
  it('is absent, then made once, then ours', async () => {
    expect(await bucketState(admin, 'acme-media')).toBe('absent');
    expect(await createMarkedBucket(admin, 'acme-media', marker)).toEqual({ created: true });
    expect(await createMarkedBucket(admin, 'acme-media', marker)).toEqual({ created: false });
    expect(await bucketState(admin, 'acme-media')).toBe('ours');
  });

  it('starts as the planner expects a fresh bucket to be', async () => {
    expect(await readConfiguration(admin, 'spaces', 'acme-media')).toEqual(
      freshBucketConfiguration('spaces'),
    );
  });

  it('gets versioning and CORS, once, and can be put back', async () => {
    const before = await readConfiguration(admin, 'spaces', 'acme-media');
    const wanted = desiredBucketConfiguration('spaces', ['acme.test'], before);
    expect(await writeConfiguration(admin, 'acme-media', before, wanted)).toEqual([
      'versioning',
      'cors',
    ]);
    const after = await readConfiguration(admin, 'spaces', 'acme-media');
    expect(after).toEqual(wanted);
    expect(after.cors).toEqual([siteCorsRule(['acme.test'])]);
    expect(desiredBucketConfiguration('spaces', ['acme.test'], after)).toEqual(after);
    await writeConfiguration(admin, 'acme-media', after, before);
    expect(await readConfiguration(admin, 'spaces', 'acme-media')).toEqual({
      ...before,
      versioning: 'Suspended',
    });
    await writeConfiguration(admin, 'acme-media', before, wanted);
  });

  it('lets nobody list it, and is found out when it does', async () => {
    expect(await proveNoPublicListing(admin, 'acme-media')).toMatchObject({ ok: true });
    await admin.client.send(
      new PutBucketPolicyCommand({
        Bucket: 'acme-media',
        Policy: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: '*',
              Action: 's3:ListBucket',
              Resource: 'arn:aws:s3:::acme-media',
            },
          ],
        }),
      }),
    );
    expect(await proveNoPublicListing(admin, 'acme-media')).toMatchObject({ ok: false });
    const opened = await readConfiguration(admin, 'spaces', 'acme-media');
    const wanted = desiredBucketConfiguration('spaces', ['acme.test'], opened);
    expect(await writeConfiguration(admin, 'acme-media', opened, wanted)).toEqual(['policy']);
    expect(await proveNoPublicListing(admin, 'acme-media')).toMatchObject({ ok: true });
  });
});

describe('keys', () => {
  it('for one bucket alone work there and nowhere else', async () => {
    const accounts = createSpacesAccounts({
      endpoint: server.iamEndpoint,
      root: { accessKey: server.root.accessKeyId, secretKey: server.root.secretAccessKey },
    });
    const key = await accounts.create([{ bucket: 'acme-media', permission: 'readwrite' }]);
    const site = open(key.accessKey, key.secretKey);
    expect((await proveUse(site, 'acme-media')).map(({ action, ok }) => [action, ok])).toEqual([
      ['put', true],
      ['get', true],
      ['delete', true],
      ['get after delete', true],
    ]);
    const isolation = await proveIsolation(site, admin, 'acme-media');
    expect(isolation.length).toBe(3);
    expect(isolation.every(({ ok }) => ok === true)).toBe(true);
    expect(await bucketState(admin, isolation[1]?.action.split(' ').at(-1) ?? '')).toBe('absent');
    site.close();
  });

  it('of the owner are found out to reach other buckets', async () => {
    const isolation = await proveIsolation(admin, admin, 'acme-media');
    expect(isolation.map(({ ok }) => ok)).toEqual([false, false, false]);
  });

  it('that are wrong are Unauthorized, and prove nothing', async () => {
    const stranger = open('nobody', 'nothing-nothing');
    expect((await proveUse(stranger, 'acme-media'))[0]).toMatchObject({ action: 'put', ok: false });
    expect(await typeOf(createMarkedBucket(stranger, 'other-bucket', marker))).toBe('Unauthorized');
    stranger.close();
  });
});

describe('taking the bucket back', () => {
  it('refuses while it holds anything, older versions included', async () => {
    await admin.client.send(
      new PutObjectCommand({ Bucket: 'acme-media', Key: 'photo.jpg', Body: 'x' }),
    );
    const removal = deleteMarkedBucket(admin, 'acme-media', marker, { isRetry: false });
    expect(await typeOf(removal)).toBe('PreconditionFailed');
  });

  it('refuses a bucket of another operation, and one without a mark', async () => {
    await createMarkedBucket(admin, 'theirs', {
      site: 'other',
      operationId: 'other/prerequisites',
    });
    expect(await typeOf(deleteMarkedBucket(admin, 'theirs', marker, { isRetry: true }))).toBe(
      'PreconditionFailed',
    );
    expect(await typeOf(createMarkedBucket(admin, 'theirs', marker))).toBe('PreconditionFailed');
  });

  it('removes a bucket that it made, and is content when it is gone', async () => {
    await createMarkedBucket(admin, 'empty-one', marker);
    expect(await deleteMarkedBucket(admin, 'empty-one', marker, { isRetry: false })).toEqual({
      deleted: true,
    });
    expect(await deleteMarkedBucket(admin, 'empty-one', marker, { isRetry: true })).toEqual({
      deleted: false,
    });
  });
});
