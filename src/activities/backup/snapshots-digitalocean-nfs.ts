import type { ContentVolume } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { NfsSnapshotInfo } from '../digitalocean/client.ts';
import { failure } from '../failure.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { digitalOceanOf, type BackupDeps } from './deps.ts';
import { snapshotName } from './names.ts';
import type { VolumeSnapshots } from './volume-snapshots.ts';

const readyTimeoutMs = 900_000;
const namePrefix = 'presslift-point-';

/**
 * Snapshots of a share of DigitalOcean's Network File Storage, for the shared claim of a site whose provisioner is that. A
 * claim cannot be made from one; its files are read through the share itself, in the hidden folder `.snapshot/<name>`.
 */
export function createNfsSnapshots(deps: BackupDeps): VolumeSnapshots {
  async function share(site: Site) {
    const id = shareIdOf(site);
    if (id === null) throw failure('InvalidSite', 'storage.provisioner names no share');
    const api = await digitalOceanOf(deps, site);
    return { api, share: await api.nfsShare(id) };
  }

  return {
    kind: 'digitalocean-nfs',

    supports: async (site, volume) => shareIdOf(site) !== null && isOnShare(site, volume),

    async begin(site, id, volume) {
      const name = snapshotName(id, volume.claim);
      const { api, share: found } = await share(site);
      // The API takes several of one name: only one is asked for, also after an answer that was lost.
      const earlier = await api.nfsSnapshots(found);
      if (!earlier.some((one) => one.name === name)) await api.createNfsSnapshot(found, name);
    },

    async finish(site, id, volume) {
      const name = snapshotName(id, volume.claim);
      const { api, share: found } = await share(site);
      const ready = await waitUntil<NfsSnapshotInfo | null>({
        what: `snapshot ${name} of the NFS share is ready`,
        timeoutMs: readyTimeoutMs,
        intervalMs: 2_000,
        check: async () => {
          const now = (await api.nfsSnapshots(found)).find((one) => one.name === name);
          if (now?.status === 'ACTIVE') return { done: now };
          if (now?.status === 'FAILED') return { done: null };
          return { missing: now?.status ?? 'the provider does not list it yet' };
        },
      });
      if (ready === null) return null;
      return {
        claim: volume.claim,
        kind: 'digitalocean-nfs',
        name: ready.id,
        takenAt: ready.createdAt,
      };
    },

    async source(_site, id, volume) {
      const folder = `.snapshot/${snapshotName(id, volume.claim)}`;
      const subPath = volume.subPath === '' ? folder : `${folder}/${volume.subPath}`;
      return { claim: volume.claim, subPath, live: false, temporary: false };
    },

    async list(site) {
      if (shareIdOf(site) === null) return [];
      const { api, share: found } = await share(site);
      const claim = site.storage.sharedClaim.name;
      return (await api.nfsSnapshots(found)).filter(isOurs).map(({ name }) => ({ claim, name }));
    },

    async removeAll(site, keep) {
      if (shareIdOf(site) === null) return [];
      const { api, share: found } = await share(site);
      const claim = site.storage.sharedClaim.name;
      const removed: string[] = [];
      for (const one of (await api.nfsSnapshots(found)).filter(isOurs)) {
        if (keep({ claim, name: one.name })) continue;
        await api.deleteNfsSnapshot(one.id, found.region);
        removed.push(one.name);
      }
      return removed;
    },
  };
}

/** Of the share's snapshots only our own; people and schedules of the provider make theirs. */
const isOurs = ({ name }: NfsSnapshotInfo) => name.startsWith(namePrefix);

function shareIdOf(site: Site): string | null {
  const { provisioner } = site.storage;
  return provisioner?.kind === 'digitalocean-nfs' ? (provisioner.shareId ?? null) : null;
}

function isOnShare(site: Site, volume: ContentVolume): boolean {
  return volume.claim === site.storage.sharedClaim.name;
}
