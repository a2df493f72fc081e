import { createServer, type Server } from 'node:tls';
import type { AddressInfo } from 'node:net';
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../../../src/activities/database/x509.ts';
import { createDigitalOcean } from '../../../src/activities/digitalocean/client.ts';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import { openObjectStorage } from '../../../src/activities/object-storage/client.ts';
import {
  createPrerequisiteActivities,
  createPrerequisiteObservers,
  type PrerequisiteDeps,
} from '../../../src/activities/prerequisites/index.ts';
import { createSecretResolver, Secret } from '../../../src/activities/secrets/index.ts';
import type { ChangeInput } from '../../../src/activities/contracts.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import type { Plan } from '../../../src/domain/plan.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import { startMariaDb, type TestDatabase } from '../../support/database-servers.ts';
import {
  alignedObjects,
  MemoryCluster,
  startDigitalOcean,
  testSite,
  type TestDigitalOcean,
} from '../../support/phase0.ts';
import { startVersitygw, type TestObjectStorage } from '../../support/versitygw.ts';

/**
 * Phase 0 from plan to undo, against a real database and real object storage behind the stand-in for DigitalOcean's API;
 * only the cluster's objects are in memory. It proves that the changes are idempotent, that a second plan is empty, and
 * that no secret shows in anything that is returned.
 */

const operationId = 'acme/prerequisites';
const clusterId = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
const secrets = { database: 'site-pass-word', admin: 'admin-pass-word' };

let database: TestDatabase;
let storage: TestObjectStorage;
let api: TestDigitalOcean;
let web: Server;
let site: Site;
let deps: PrerequisiteDeps;
const cluster = new MemoryCluster();

beforeAll(async () => {
  [database, storage] = await Promise.all([startMariaDb(), startVersitygw()]);
  await database.admin(`
    CREATE DATABASE wordpress CHARACTER SET utf8mb4;
    CREATE USER wp IDENTIFIED BY '${secrets.database}';
    GRANT ALL PRIVILEGES ON wordpress.* TO wp;
    CREATE USER doadmin IDENTIFIED BY '${secrets.admin}';
    GRANT ALL PRIVILEGES ON *.* TO doadmin;
  `);
  api = await startDigitalOcean(
    database,
    storage,
    { name: 'doadmin', password: secrets.admin },
    clusterId,
  );

  const authority = createCertificate({ commonName: 'Presslift test CA' });
  const notAfter = new Date(Date.now() + 60 * 86_400_000);
  const leaf = createCertificate({
    commonName: 'localhost',
    issuer: authority,
    dnsNames: ['localhost'],
    notAfter,
  });
  web = createServer({ cert: leaf.certificate, key: leaf.privateKey }, (socket) => socket.end());
  web.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));

  site = testSite((file) => {
    file.hosts.names = ['localhost.test'];
    file.database.port = database.port;
    file.storage.objects.endpoint = storage.endpoint;
  });
  // A name that every machine resolves; the schema wants one with a dot.
  site.hosts.names = ['localhost'];
  cluster.put(...alignedObjects(['localhost'], notAfter.toISOString()));
  deps = {
    kubernetes: cluster,
    secrets: createSecretResolver({
      kubernetes: cluster,
      env: {
        DATABASE: JSON.stringify({ username: 'wp', password: secrets.database }),
        DIGITALOCEAN_TOKEN: api.token,
        STORAGE_ADMIN: JSON.stringify(storage.root),
      },
    }),
    digitaloceanEndpoint: api.endpoint,
    trust: {
      objectStorageCa: storage.ca,
      served: { port: (web.address() as AddressInfo).port, ca: authority.certificate },
    },
  };
});

afterAll(async () => {
  web?.close();
  await api?.stop();
  await storage?.stop();
  await database?.stop();
});

const activities = () => createPrerequisiteActivities(deps);
const plan = async () =>
  (await activities().planPrerequisites({ site, siteDigest: 'sha256:0', operationId })).plan;

function inputOf(from: Plan, id: string): ChangeInput {
  const change = from.changes.find((candidate) => candidate.id === id);
  if (!change) throw new Error(`The plan has no change ${id}`);
  return { site, operationId, change, recoveryPoint: null };
}

const typeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => failureTypeOf(error) ?? String(error),
  );

describe('the API of the managed database', () => {
  const client = (token = api.token) =>
    createDigitalOcean({ token: new Secret(token), endpoint: api.endpoint });

  it('finds the cluster, its CA and its users', async () => {
    expect(await client().databaseCluster(clusterId)).toMatchObject({
      name: 'tests',
      status: 'online',
      hosts: ['127.0.0.1', '127.0.0.1'],
    });
    expect(await client().databaseCa(clusterId)).toBe(database.ca);
    expect(await client().databaseUsers(clusterId)).toContainEqual({ name: 'wp', role: 'normal' });
  });

  it('gives clear failures', async () => {
    const other = '00000000-0000-4000-8000-000000000000';
    expect(await typeOf(client().databaseCluster(other))).toBe('NotFound');
    expect(await typeOf(client('dop_v1_wrong').databaseCluster(clusterId))).toBe('Unauthorized');
    const nobody = createDigitalOcean({
      token: new Secret('dop_v1_wrong'),
      endpoint: 'http://127.0.0.1:9',
    });
    expect(await typeOf(nobody.databaseCluster(clusterId))).toBe('Unavailable');
  });

  it('answers as its specification says', () => {
    expect(api.violations).toEqual([]);
  });
});

describe('a site without a bucket', () => {
  let first: Plan;

  it('gets a plan for bucket, settings and keys, and nothing forbids it', async () => {
    first = await plan();
    expect(first.findings.filter(({ level }) => level === 'error')).toEqual([]);
    expect(first.changes.map(({ id }) => id)).toEqual([
      'create-bucket',
      'configure-bucket',
      'create-bucket-keys',
    ]);
  });

  it('does not pass its criteria yet', async () => {
    const results = await activities().verifyObjectStorage({
      site,
      operationId,
      plan: first,
      visitors: null,
    });
    expect(results.every(({ pass }) => !pass)).toBe(true);
  });

  it('is planned alike while nothing changes, and its observations are found again', async () => {
    expect(digestOf(await plan())).toBe(digestOf(first));
    const observers = createPrerequisiteObservers(deps);
    for (const { key, digest } of first.observations) {
      const prefix = key.slice(0, key.indexOf(':'));
      expect([key, await observers[prefix]?.(site, key)]).toEqual([key, digest]);
    }
  });

  it('gets everything, once, also when every change is repeated', async () => {
    for (const [change, activity] of [
      ['create-bucket', 'createBucket'],
      ['configure-bucket', 'configureBucket'],
      ['create-bucket-keys', 'createBucketKeys'],
    ] as const) {
      await activities()[activity](inputOf(first, change));
      const again = await activities()[activity](inputOf(first, change));
      expect([change, again.created ?? again.written]).toEqual([
        change,
        change === 'configure-bucket' ? [] : false,
      ]);
    }
    const keys = cluster.secret('acme', 'object-storage');
    expect(Object.keys(keys ?? {}).sort()).toEqual(['accessKeyId', 'secretAccessKey']);
  });

  it('then plans nothing and passes all criteria', async () => {
    const second = await plan();
    expect(second.changes).toEqual([]);
    expect(second.findings.filter(({ level }) => level === 'error')).toEqual([]);
    const input = { site, operationId, plan: second, visitors: null };
    const results = [
      ...(await activities().verifyDatabase(input)),
      ...(await activities().verifyObjectStorage(input)),
      ...(await activities().verifyHostnames(input)),
    ];
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
    expect(results.length).toBe(14);
    const shown = JSON.stringify([second, results]);
    const planted = [
      ...Object.values(secrets),
      api.token,
      storage.root.secretAccessKey,
      cluster.secret('acme', 'object-storage')?.secretAccessKey ?? 'no key',
    ];
    expect(planted.filter((value) => shown.includes(value))).toEqual([]);
  });

  it('refuses a change whose subject moved since the approval', async () => {
    const moved = structuredClone(inputOf(first, 'configure-bucket'));
    moved.change.after = { cors: [] };
    moved.change.before = { cors: [{ id: 'somebody' }] };
    expect(await typeOf(activities().configureBucket(moved))).toBe('Drifted');
  });

  it('keeps a bucket that somebody has put something into', async () => {
    const admin = openObjectStorage({
      objects: site.storage.objects,
      keys: {
        accessKeyId: storage.root.accessKeyId,
        secretAccessKey: new Secret(storage.root.secretAccessKey),
      },
      ca: storage.ca,
    });
    await admin.client.send(
      new PutObjectCommand({ Bucket: 'acme-media', Key: 'photo.jpg', Body: 'x' }),
    );
    const refused = activities().deleteEmptyBucket(inputOf(first, 'create-bucket'));
    expect(await typeOf(refused)).toBe('PreconditionFailed');
    const { Versions = [] } = await admin.client.send(
      new ListObjectVersionsCommand({ Bucket: 'acme-media', Prefix: 'photo.jpg' }),
    );
    for (const { VersionId } of Versions) {
      await admin.client.send(
        new DeleteObjectCommand({ Bucket: 'acme-media', Key: 'photo.jpg', VersionId }),
      );
    }
    admin.close();
  });

  it('is as before after the undo, also when every undo is repeated', async () => {
    const undo = activities();
    for (let turn = 0; turn < 2; turn += 1) {
      await undo.deleteBucketKeys(inputOf(first, 'create-bucket-keys'));
      await undo.restoreBucketConfiguration(inputOf(first, 'configure-bucket'));
      await undo.deleteEmptyBucket(inputOf(first, 'create-bucket'));
    }
    expect(cluster.secret('acme', 'object-storage')).toBeNull();
    expect(digestOf(await plan())).toBe(digestOf(first));
  });

  it('never deletes keys that somebody else put into the Secret', async () => {
    cluster.put({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'acme', name: 'object-storage' },
      data: { accessKeyId: 'dGhlaXJz', secretAccessKey: 'dGhlaXJz' },
    } as never);
    const change = inputOf(first, 'create-bucket-keys');
    expect(await typeOf(activities().deleteBucketKeys(change))).toBe('PreconditionFailed');
    expect(await typeOf(activities().createBucketKeys(change))).toBe('PreconditionFailed');
    expect(cluster.secret('acme', 'object-storage')).toMatchObject({ accessKeyId: 'theirs' });
  });
});

describe('findings', () => {
  it('forbid going on when the database cannot be used', async () => {
    const broken = structuredClone(site);
    broken.database.credentials = 'env:NOT_SET';
    const { plan: found } = await activities().planPrerequisites({
      site: broken,
      siteDigest: 'sha256:0',
      operationId,
    });
    expect(found.findings).toContainEqual(
      expect.objectContaining({ id: 'database-unreachable', level: 'error' }),
    );
    const results = await activities().verifyDatabase({
      site: broken,
      operationId,
      plan: found,
      visitors: null,
    });
    expect(results.filter(({ pass }) => pass).map(({ id }) => id)).toEqual([]);
  });
});
