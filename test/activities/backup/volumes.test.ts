// Proves how volumes are copied at one instant: by the CSI driver against a real API server (the test answers as the snapshot
// controller does), by DigitalOcean's NFS snapshots against the stand-in that follows the published specification, and
// otherwise not at all.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubernetesObject, V1CustomResourceDefinition } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNfs, type NfsState } from '../../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import {
  createStandIn,
  type Handlers,
} from '../../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { loadSpecification } from '../../../deploy/sandbox/stand-ins/digitalocean/specification.ts';
import { JsonFile } from '../../../deploy/sandbox/stand-ins/json-file.ts';
import { createBackupActivities } from '../../../src/activities/backup/index.ts';
import { copyClaimName, snapshotName } from '../../../src/activities/backup/names.ts';
import { createCsiSnapshots } from '../../../src/activities/backup/snapshots-csi.ts';
import {
  createNfsSnapshots,
  nfsSnapshotName,
} from '../../../src/activities/backup/snapshots-digitalocean-nfs.ts';
import { restoreFiles, sameFiles } from '../../../src/activities/recovery/restore.ts';
import type { ContentVolume, RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import { labNamespace, startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  await lab.script(`restic_run init > /dev/null; say '{}'`);
});
afterAll(() => lab?.stop());

const id = '20261123T030000Z-acme-backup';
const shared = (claim: string): ContentVolume => ({
  claim,
  subPath: '',
  provides: ['wp-content/plugins', 'wp-content/uploads'],
  storageClass: 'fast',
  accessModes: ['ReadWriteMany'],
  size: '5Gi',
});

it('a cluster without the snapshot API takes none', async () => {
  expect(await createCsiSnapshots(lab.deps).supports(lab.site, shared('csi'))).toBe(false);
});

describe('snapshots by the CSI driver', () => {
  const group = 'snapshot.storage.k8s.io';
  const volume = shared('csi');
  const name = snapshotName(id, 'csi');
  let kind: ReturnType<typeof createCsiSnapshots>;

  beforeAll(async () => {
    const { core, objects, custom } = lab.plane.admin;
    await objects.create(definition('VolumeSnapshot', 'volumesnapshots', 'Namespaced'));
    await objects.create(definition('VolumeSnapshotClass', 'volumesnapshotclasses', 'Cluster'));
    await core.createPersistentVolume({
      body: {
        metadata: { name: 'pv-csi' },
        spec: {
          accessModes: ['ReadWriteMany'],
          capacity: { storage: '5Gi' },
          csi: { driver: 'csi.test', volumeHandle: 'v' },
        },
      },
    });
    await core.createNamespacedPersistentVolumeClaim({
      namespace: labNamespace,
      body: {
        metadata: { name: 'csi' },
        spec: {
          accessModes: ['ReadWriteMany'],
          resources: { requests: { storage: '5Gi' } },
          volumeName: 'pv-csi',
        },
      },
    });
    kind = createCsiSnapshots(lab.deps);
    const body = {
      apiVersion: `${group}/v1`,
      kind: 'VolumeSnapshotClass',
      metadata: { name: 'fast' },
      driver: 'csi.test',
    };
    for (let attempt = 0; ; attempt += 1) {
      try {
        await custom.createClusterCustomObject({
          group,
          version: 'v1',
          plural: 'volumesnapshotclasses',
          body,
        });
        break;
      } catch (error) {
        // The API server serves a new kind a moment later.
        if (attempt === 50) throw error;
        await delay(100);
      }
    }
  });

  it('are there where a class fits the driver', async () => {
    expect(await kind.supports(lab.site, volume)).toBe(true);
    expect(await kind.supports(lab.site, shared('none'))).toBe(false);
  });

  it('are waited for until the storage has them, and begun once', async () => {
    await kind.begin(lab.site, id, volume);
    await kind.begin(lab.site, id, volume);
    expect(await listed()).toEqual([name]);
    const finishing = kind.finish(lab.site, id, volume);
    await delay(700);
    await setStatus(name, {
      readyToUse: true,
      creationTime: '2026-11-23T03:00:01Z',
      restoreSize: '5Gi',
    });
    expect(await finishing).toEqual({
      claim: 'csi',
      kind: 'csi',
      name,
      takenAt: '2026-11-23T03:00:01.000Z',
    });
  });

  it('are read through a temporary claim of the same class', async () => {
    const snapshot = { claim: 'csi', kind: 'csi' as const, name, takenAt: '' };
    const source = await kind.source(lab.site, id, volume, snapshot);
    expect(source).toEqual({
      claim: copyClaimName(id, 'csi'),
      subPath: '',
      live: false,
      temporary: true,
    });
    const claim = await lab.plane.admin.core.readNamespacedPersistentVolumeClaim({
      name: source.claim,
      namespace: labNamespace,
    });
    expect(claim.spec).toMatchObject({
      storageClassName: 'fast',
      accessModes: ['ReadWriteMany'],
      dataSource: { apiGroup: group, kind: 'VolumeSnapshot', name },
      resources: { requests: { storage: '5Gi' } },
    });
    expect(await kind.source(lab.site, id, volume, snapshot)).toEqual(source);
    const gone = { ...snapshot, name: 'gone' };
    await expect(kind.source(lab.site, id, volume, gone)).rejects.toMatchObject({
      type: 'NotFound',
    });
  });

  it('are removed but for those that stay, and those of others', async () => {
    await kind.begin(lab.site, '20261122T030000Z-acme-backup', volume);
    await lab.plane.admin.custom.createNamespacedCustomObject({
      ...{ group, version: 'v1', plural: 'volumesnapshots', namespace: labNamespace },
      body: {
        apiVersion: `${group}/v1`,
        kind: 'VolumeSnapshot',
        metadata: { name: 'somebodys' },
        spec: {},
      },
    });
    const removed = await kind.removeAll(
      lab.site,
      (one) => one.name === name && one.claim === 'csi',
    );
    expect(removed).toEqual([snapshotName('20261122T030000Z-acme-backup', 'csi')]);
    expect(await listed()).toEqual([name, 'somebodys']);
  });

  async function listed(): Promise<string[]> {
    const found: unknown = await lab.plane.admin.custom.listNamespacedCustomObject({
      ...{ group, version: 'v1', plural: 'volumesnapshots', namespace: labNamespace },
    });
    return (found as { items: KubernetesObject[] }).items.map(
      ({ metadata }) => metadata?.name ?? '',
    );
  }

  async function setStatus(of: string, status: object): Promise<void> {
    const at = {
      group,
      version: 'v1',
      plural: 'volumesnapshots',
      namespace: labNamespace,
      name: of,
    };
    const found: unknown = await lab.plane.admin.custom.getNamespacedCustomObject(at);
    await lab.plane.admin.custom.replaceNamespacedCustomObjectStatus({
      ...at,
      body: { ...(found as object), status },
    });
  }

  function definition(kindName: string, plural: string, scope: string): V1CustomResourceDefinition {
    const open = { type: 'object', x_kubernetes_preserve_unknown_fields: true };
    return {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: {
        name: `${plural}.${group}`,
        annotations: {
          'api-approved.kubernetes.io':
            'https://github.com/kubernetes-csi/external-snapshotter/pull/665',
        },
      },
      spec: {
        group,
        scope,
        names: { kind: kindName, plural, singular: kindName.toLowerCase() },
        versions: [
          {
            ...{ name: 'v1', served: true, storage: true, subresources: { status: {} } },
            schema: { openAPIV3Schema: open },
          },
        ],
      },
    };
  }
});

describe("snapshots of DigitalOcean's network file storage", () => {
  let folder: string;
  let site: Site;
  let stop: () => Promise<void>;
  let settled: () => Promise<void>;
  const claim = 'nfs';
  const volume = shared(claim);
  const kind = () => createNfsSnapshots(lab.deps);

  beforeAll(async () => {
    folder = await lab.node.claim(claim);
    await mkdir(join(folder, 'plugins'));
    await mkdir(join(folder, 'uploads'));
    await writeFile(join(folder, 'plugins/shop.php'), 'before');
    const home = await mkdtemp(join(tmpdir(), 'presslift-nfs-'));
    const file = new JsonFile<NfsState>(join(home, 'nfs.json'), () => ({
      shares: [],
      snapshots: [],
    }));
    const nfs = createNfs(file, home, () => new Date());
    const share = (await nfs.addShare({ name: 'acme', region: 'nyc3', folder })) as {
      id: string;
      mount_path: string;
    };
    const token = 'dop_v1_for-tests-only';
    const others = loadSpecification().operations.map(({ id: operation }) => [
      operation,
      () => Promise.reject(new Error(`${operation} is not asked here`)),
    ]);
    const handlers = { ...Object.fromEntries(others), ...nfs.handlers } as Handlers;
    const { server, violations } = createStandIn({ token, handlers });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    lab.env['DIGITALOCEAN_TOKEN'] = token;
    settled = () => nfs.settled();
    site = structuredClone(lab.site);
    site.storage.sharedClaim.name = claim;
    site.storage.provisioner = {
      ...{
        kind: 'digitalocean-nfs',
        server: '10.0.0.2',
        path: share.mount_path,
        shareId: share.id,
      },
    };
    site.database.managed = {
      ...{ provider: 'digitalocean', clusterId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30' },
      ...{ token: 'env:DIGITALOCEAN_TOKEN', apiEndpoint: `http://127.0.0.1:${port}` },
    };
    stop = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(home, { recursive: true, force: true });
      expect(violations).toEqual([]);
    };
  });
  afterAll(() => stop?.());

  it('are for the shared claim of a site that names its share', async () => {
    expect(await kind().supports(site, volume)).toBe(true);
    expect(await kind().supports(site, shared('wordpress'))).toBe(false);
    expect(await kind().supports(lab.site, volume)).toBe(false);
  });

  it('hold the files of their instant, and the copy reads those', async () => {
    await kind().begin(site, id, volume);
    await kind().begin(site, id, volume);
    const snapshot = await kind().finish(site, id, volume);
    await settled();
    expect(snapshot).toMatchObject({ claim, kind: 'digitalocean-nfs' });
    if (snapshot === null) throw new Error('no snapshot');
    await writeFile(join(folder, 'plugins/shop.php'), 'changed since');
    const backup = createBackupActivities(lab.deps);
    const input = {
      site,
      id,
      operationId: 'acme/backup/1',
      volumes: [volume],
      snapshots: [snapshot],
    };
    const files = await backup.backUpFiles(input);
    expect(files).toMatchObject({ files: 1, bytes: 6, localSnapshots: [snapshot] });
    const point = { id, site: 'acme', files } as RecoveryPoint;
    const targets = [{ claim, into: { claim: 'nfs-back' } }];
    const restored = await restoreFiles(lab.deps, site, {
      ...{ name: 'restore-nfs', operationId: 'acme/test', point, targets },
    });
    expect(sameFiles(restored)).toBe(true);
  });

  it('are removed but for those that stay, and those of others', async () => {
    const older = '20261122T030000Z-acme-backup';
    await kind().begin(site, older, volume);
    await kind().finish(site, older, volume);
    const removed = await kind().removeAll(site, ({ name }) => name === snapshotName(id, claim));
    expect(removed).toEqual([nfsSnapshotName(site, snapshotName(older, claim))]);
    expect(await kind().removeAll(site, () => true)).toEqual([]);
  });
});
