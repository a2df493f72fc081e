import type {
  KubernetesListObject,
  KubernetesObject,
  V1PersistentVolumeClaim,
} from '@kubernetes/client-node';
import { managedLabels } from '../../domain/kubernetes/names.ts';
import { selectorText } from '../../domain/kubernetes/rollout.ts';
import type { ContentVolume } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { readClaim } from '../kubernetes/site-objects.ts';
import { snapshotClassOf } from '../hybrid-storage/snapshot-class.ts';
import { apply, read, remove } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { callingOrNull } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { siteCluster } from '../recovery/deps.ts';
import type { BackupDeps } from './deps.ts';
import { copyClaimName, pointLabels, roles, snapshotName } from './names.ts';
import type { VolumeSnapshots } from './volume-snapshots.ts';

const group = 'snapshot.storage.k8s.io';
const readyTimeoutMs = 900_000;
/** A storage that refuses this long (too many snapshots, one in ten minutes) is not asked further. */
const refusedMs = 120_000;

interface VolumeSnapshot extends KubernetesObject {
  spec?: { source?: { persistentVolumeClaimName?: string } };
  status?: {
    readyToUse?: boolean;
    creationTime?: string;
    restoreSize?: string;
    error?: { message?: string };
  };
}

/** Snapshots by the CSI driver: a VolumeSnapshot, which a copy reads through a temporary claim made from it. */
export function createCsiSnapshots(deps: BackupDeps): VolumeSnapshots {
  const ref = (site: Site, name: string) => ({
    ...{ apiVersion: `${group}/v1`, kind: 'VolumeSnapshot', name },
    namespace: site.cluster.namespace,
  });
  const classOf = async (k: KubernetesClients, site: Site, volume: ContentVolume) =>
    snapshotClassOf(k, await readClaim(k, site, volume.claim));

  return {
    kind: 'csi',

    async supports(site, volume) {
      return (await classOf(siteCluster(deps, site), site, volume)) !== null;
    },

    async begin(site, id, volume) {
      const k = siteCluster(deps, site);
      const name = snapshotName(id, volume.claim);
      const wanted = {
        ...{ apiVersion: `${group}/v1`, kind: 'VolumeSnapshot' },
        metadata: {
          ...{ name, namespace: site.cluster.namespace },
          labels: pointLabels(site, roles.snapshot, id),
        },
        spec: {
          volumeSnapshotClassName: await classOf(k, site, volume),
          source: { persistentVolumeClaimName: volume.claim },
        },
      };
      await apply(k, wanted as KubernetesObject);
      return true;
    },

    async finish(site, id, volume) {
      const k = siteCluster(deps, site);
      const name = snapshotName(id, volume.claim);
      let refusedSince: number | null = null;
      const found = await waitUntil<VolumeSnapshot | null>({
        what: `VolumeSnapshot ${name} is ready`,
        timeoutMs: readyTimeoutMs,
        intervalMs: 500,
        check: async () => {
          const now = await read<VolumeSnapshot>(k, ref(site, name));
          if (now === null) throw failure('NotFound', `VolumeSnapshot ${name} is gone`);
          if (now.status?.readyToUse === true) return { done: now };
          const refusal = now.status?.error?.message;
          refusedSince = refusal === undefined ? null : (refusedSince ?? Date.now());
          if (refusedSince !== null && Date.now() - refusedSince > refusedMs) return { done: null };
          return { missing: refusal ?? 'it is being taken' };
        },
      });
      if (found === null) {
        await remove(k, ref(site, name));
        return null;
      }
      const takenAt = found.status?.creationTime ?? deps.now().toISOString();
      return { claim: volume.claim, kind: 'csi', name, takenAt: new Date(takenAt).toISOString() };
    },

    async source(site, id, volume, snapshot) {
      const k = siteCluster(deps, site);
      const name = copyClaimName(id, volume.claim);
      const found =
        snapshot.name === null ? null : await read<VolumeSnapshot>(k, ref(site, snapshot.name));
      if (found === null) {
        throw failure('NotFound', `VolumeSnapshot ${snapshot.name ?? '?'} is gone`);
      }
      await untilNotLeaving(k, site, name);
      await apply(k, copyClaim(site, id, volume, name, found));
      return { claim: name, subPath: volume.subPath, live: false, temporary: true };
    },

    list: async (site) => (await listSnapshots(siteCluster(deps, site), site)).map(addressOf),

    async removeAll(site, keep) {
      const k = siteCluster(deps, site);
      const removed: string[] = [];
      for (const { claim, name } of (await listSnapshots(k, site)).map(addressOf)) {
        if (keep({ claim, name })) continue;
        await remove(k, ref(site, name));
        removed.push(name);
      }
      return removed;
    },
  };
}

const addressOf = ({ metadata, spec }: VolumeSnapshot) => ({
  claim: spec?.source?.persistentVolumeClaimName ?? '',
  name: metadata?.name ?? '',
});

/** A claim of this name may still be on its way out, after an earlier attempt. */
async function untilNotLeaving(k: KubernetesClients, site: Site, name: string): Promise<void> {
  await waitUntil({
    what: `the earlier claim ${name} is gone`,
    timeoutMs: 180_000,
    intervalMs: 500,
    check: async () => {
      const earlier = await readClaim(k, site, name);
      return earlier?.metadata?.deletionTimestamp === undefined
        ? { done: true }
        : { missing: 'it is being deleted' };
    },
  });
}

function copyClaim(
  site: Site,
  id: string,
  volume: ContentVolume,
  name: string,
  snapshot: VolumeSnapshot,
): V1PersistentVolumeClaim {
  const { namespace } = site.cluster;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace, labels: pointLabels(site, roles.copy, id) },
    spec: {
      ...(volume.storageClass !== null && { storageClassName: volume.storageClass }),
      accessModes: volume.accessModes.includes('ReadWriteMany')
        ? ['ReadWriteMany']
        : ['ReadWriteOnce'],
      resources: { requests: { storage: volume.size || (snapshot.status?.restoreSize ?? '1Gi') } },
      dataSource: { apiGroup: group, kind: 'VolumeSnapshot', name: snapshot.metadata?.name ?? '' },
    },
  };
}

/** Snapshots of volumes that backups of this site have taken; none where the cluster has no such API. */
async function listSnapshots(k: KubernetesClients, site: Site): Promise<VolumeSnapshot[]> {
  const list = await callingOrNull(
    'list',
    `volumesnapshots in ${site.cluster.namespace}`,
    async () => {
      const found: unknown = await k.custom.listNamespacedCustomObject({
        group,
        version: 'v1',
        plural: 'volumesnapshots',
        namespace: site.cluster.namespace,
        labelSelector: selectorText(managedLabels(site, roles.snapshot)),
      });
      return found as KubernetesListObject<VolumeSnapshot>;
    },
  );
  return list?.items ?? [];
}
