import { setTimeout as delay } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import {
  openObjectStorage,
  type ObjectStorage,
} from '../../src/activities/object-storage/client.ts';
import { Secret } from '../../src/activities/secrets/index.ts';
import type { DatabasePart, FilesPart, RecoveryPoint } from '../../src/domain/recovery/point.ts';
import { labNamespace, type LabJob, type RecoveryLab } from './recovery-lab.ts';

/** `20261123T030000Z-acme-backup` */
export const idAt = (iso: string) => `${iso.replaceAll(/[-:]/g, '')}-acme-backup`;

const repository = 'presslift/acme/restic/';

/** What tests of a backup's beginning and end do to a lab. */
export function backupLab(lab: RecoveryLab) {
  async function withStorage<T>(use: (storage: ObjectStorage) => Promise<T>) {
    const keys = {
      accessKeyId: lab.storage.root.accessKeyId,
      secretAccessKey: new Secret(lab.storage.root.secretAccessKey),
    };
    const { objects } = lab.site.storage;
    const storage = openObjectStorage({ objects, keys, ca: lab.storage.ca });
    try {
      return await use(storage);
    } finally {
      storage.close();
    }
  }

  const below = async ({ client }: ObjectStorage, Prefix: string) =>
    (await client.send(new ListObjectsV2Command({ Bucket: 'acme-media', Prefix }))).Contents ?? [];

  /** A point with two real snapshots of its own. */
  async function pointAt(iso: string, plugin?: string): Promise<RecoveryPoint> {
    const id = idAt(iso);
    const files: FilesPart = {
      ...{ repository: 's3:', snapshotId: await snapshotOf(id, 'files'), localSnapshots: [] },
      volumes: [
        {
          claim: 'wp-content',
          subPath: '',
          provides: ['wp-content/plugins'],
          storageClass: null,
          accessModes: [],
          size: '',
        },
      ],
      ...{ files: 1, bytes: 1, manifestDigest: 'sha256:', bytesAdded: 1, sentinel: null },
      ...(plugin !== undefined && {
        trees: { 'wp-content/plugins': { files: 1, bytes: 1, digest: plugin } },
      }),
    };
    const table = (name: string) => ({ name, rows: 1, checksum: 'x', structure: 'x' });
    const database: DatabasePart = {
      ...{
        repository: 's3:',
        snapshotId: await snapshotOf(id, 'database'),
        bytes: 1,
        gtid: null,
        managedBackups: [],
      },
      manifest: {
        ...{ schema: 'wordpress', charset: 'utf8mb4', collation: 'utf8mb4_bin' },
        tables: [table('wp_options'), table('wp_posts')],
        ...{ triggers: {}, routines: {}, events: {}, views: {} },
      },
      server: { version: '9', host: 'db' },
    };
    return {
      ...{ schema: 1, id, site: 'acme', reason: 'scheduled', operationId: 'acme/backup/1' },
      ...{
        takenAt: iso.replace('Z', '.000Z'),
        finishedAt: iso,
        sentinel: null,
        wordpress: null,
        files,
        database,
      },
      ...{ app: null, cdn: null, objectStorage: null, missing: [] },
    };
  }

  /** A small restic snapshot with random content. */
  async function snapshotOf(id: string, kind: string): Promise<string> {
    const { snapshotId } = await lab.script<{ snapshotId: string }>(
      `restic_run backup --json --tag presslift --tag site:acme --tag point:${id} --tag kind:${kind} --stdin-filename x \\
       --stdin-from-command -- head -c 200000 /dev/urandom > $work/out
     say "$(jq -c 'select(.message_type == "summary") | {snapshotId: .snapshot_id}' $work/out)"`,
    );
    return snapshotId;
  }

  async function taggedPoints(): Promise<Record<string, number>> {
    const { points } = await lab.script<{ points: string[] }>(
      `restic_run snapshots --json > $work/list
     say "$(jq -c '{points: [.[] | (.tags // [])[] | select(startswith("point:")) | ltrimstr("point:")]}' $work/list)"`,
    );
    return Object.fromEntries(points.map((id) => [id, points.filter((one) => one === id).length]));
  }

  const lockCount = () =>
    withStorage(async (storage) => (await below(storage, `${repository}locks/`)).length);

  /** A lock as a process leaves it that is killed: nobody holds it, and it is new. */
  async function leaveLock(job: LabJob): Promise<void> {
    await lab.script(
      `count() { restic list locks --no-lock | wc -l; }
       before=$(count)
       restic backup --stdin-from-command -- sleep 600 > /dev/null &
       until [ "$(count)" -gt "$before" ]; do sleep 0.2; done
       kill -KILL $!
       say '{}'`,
      job,
    );
  }

  async function untilLocks(wanted: number): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt += 1) {
      if ((await lockCount()) >= wanted) return;
      await delay(100);
    }
    throw new Error(`There are never ${wanted} locks`);
  }

  async function names(kind: 'jobs' | 'claims'): Promise<(string | undefined)[]> {
    const { batch, core } = lab.plane.admin;
    const list =
      kind === 'jobs'
        ? await batch.listNamespacedJob({ namespace: labNamespace })
        : await core.listNamespacedPersistentVolumeClaim({ namespace: labNamespace });
    return list.items
      .filter(({ metadata }) => !metadata?.deletionTimestamp)
      .map(({ metadata }) => metadata?.name);
  }

  /** Ends the processes of a Job's pod at once, as the end of its node does. */
  async function kill(job: string): Promise<void> {
    const { core } = lab.plane.admin;
    const { items } = await core.listNamespacedPod({
      namespace: labNamespace,
      labelSelector: `job-name=${job}`,
    });
    const name = items[0]?.metadata?.name ?? '';
    await core.deleteNamespacedPod({ name, namespace: labNamespace, gracePeriodSeconds: 1 });
    await delay(2_500);
  }

  async function claim(name: string, labels: Record<string, string>): Promise<void> {
    await lab.plane.admin.core.createNamespacedPersistentVolumeClaim({
      namespace: labNamespace,
      body: {
        metadata: { name, labels },
        spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
      },
    });
  }

  /** The site's Deployment with one pod that is ready. */
  async function deployment(): Promise<void> {
    const { apps, core } = lab.plane.admin;
    const labels = { app: 'wordpress' };
    const containers = [{ name: 'php', image: 'wordpress', command: ['bash', '-c', 'sleep 900'] }];
    const body: V1Deployment = {
      metadata: { name: lab.site.cluster.deployment },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    };
    await apps.createNamespacedDeployment({ namespace: labNamespace, body });
    const pod: V1Pod = {
      metadata: { name: 'wordpress-0', labels: { app: 'wordpress' } },
      spec: {
        containers: containers.map((one) => ({
          ...one,
          volumeMounts: [{ name: 'work', mountPath: '/presslift/work' }],
        })),
        volumes: [{ name: 'work', emptyDir: {} }],
      },
    };
    await core.createNamespacedPod({ namespace: labNamespace, body: pod });
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const found = await core.readNamespacedPod({ name: 'wordpress-0', namespace: labNamespace });
      if (found.status?.phase === 'Running') {
        const conditions = [{ type: 'Ready', status: 'True' }];
        await core.replaceNamespacedPodStatus({
          name: 'wordpress-0',
          namespace: labNamespace,
          body: { ...found, status: { ...found.status, conditions } },
        });
        return;
      }
      await delay(100);
    }
    throw new Error('The pod of the site does not run');
  }

  async function damageNewestPack(): Promise<void> {
    await withStorage(async (storage) => {
      const { client } = storage;
      const packs = (await below(storage, `${repository}data/`)).filter(
        ({ Size }) => (Size ?? 0) > 100_000,
      );
      packs.sort((a, b) => Number(b.LastModified) - Number(a.LastModified));
      const key = packs[0]?.Key;
      const answer = await client.send(new GetObjectCommand({ Bucket: 'acme-media', Key: key }));
      const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      bytes[1_000] = (bytes[1_000] ?? 0) ^ 0xff;
      await client.send(new PutObjectCommand({ Bucket: 'acme-media', Key: key, Body: bytes }));
    });
  }

  /** As a lifecycle rule does it. */
  async function emptyRepository(): Promise<void> {
    await withStorage(async (storage) => {
      for (const { Key } of await below(storage, repository)) {
        await storage.client.send(new DeleteObjectCommand({ Bucket: 'acme-media', Key }));
      }
    });
  }

  return {
    withStorage,
    emptyRepository,
    pointAt,
    snapshotOf,
    taggedPoints,
    lockCount,
    leaveLock,
    untilLocks,
    names,
    kill,
    claim,
    deployment,
    damageNewestPack,
  };
}
