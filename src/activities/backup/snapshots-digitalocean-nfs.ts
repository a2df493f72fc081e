import { operationKey } from '../../domain/kubernetes/names.ts';
import type { Site } from '../../domain/site/schema.ts';
import { createDigitalOcean, type NfsSnapshotInfo } from '../digitalocean/client.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import type { BackupDeps } from './deps.ts';
import { snapshotName } from './names.ts';
import type { VolumeSnapshots } from './volume-snapshots.ts';

/** How long a snapshot may take, and how long its refusal is borne; tests shorten them. */
export interface NfsTimes {
  readyMs: number;
  refusedMs: number;
  intervalMs: number;
}

const usualTimes: NfsTimes = { readyMs: 900_000, refusedMs: 120_000, intervalMs: 5_000 };

/**
 * Snapshots of a share of DigitalOcean's Network File Storage, for the shared claim of a site whose provisioner is that. A
 * claim cannot be made from one; its files are read through the share itself, in the hidden folder `.snapshot/<name>`.
 */
export function createNfsSnapshots(
  deps: BackupDeps,
  { readyMs, refusedMs, intervalMs }: NfsTimes = usualTimes,
): VolumeSnapshots {
  async function share(site: Site) {
    const id = shareIdOf(site);
    const token = tokenOf(site);
    if (id === null || token === null) {
      throw failure('InvalidSite', 'storage.provisioner names no share, or no token to ask for it');
    }
    const api = createDigitalOcean({
      token: await deps.secrets.secret(token),
      endpoint: site.database.managed?.apiEndpoint ?? deps.digitaloceanEndpoint,
    });
    return { api, share: await api.nfsShare(id) };
  }

  return {
    kind: 'digitalocean-nfs',

    async supports(site, volume) {
      if (shareIdOf(site) === null || tokenOf(site) === null) return false;
      if (volume.claim !== site.storage.sharedClaim.name) return false;
      const { share: found } = await share(site);
      // `.snapshot` is in the share's root: a volume that is a folder further down does not show it.
      return found.mountPath === null || samePath(found.mountPath, pathOf(site));
    },

    async begin(site, id, volume) {
      const name = nfsSnapshotName(site, snapshotName(id, volume.claim));
      const { api, share: found } = await share(site);
      const end = Date.now() + refusedMs;
      return waitUntil<boolean>({
        what: `the NFS share takes snapshot ${name}`,
        // An API that does not answer ends the wait as a failure; the next attempt goes on.
        timeoutMs: refusedMs + 60_000,
        intervalMs: Math.min(intervalMs * 2, refusedMs),
        check: async () => {
          // The API takes several of one name: only one is asked for, also after an answer that was lost.
          const earlier = await api.nfsSnapshots(found);
          if (earlier.some((one) => one.name === name)) return { done: true };
          try {
            await api.createNfsSnapshot(found, name);
            return { done: true };
          } catch (error) {
            const type = failureTypeOf(error);
            if (type !== 'InvalidInput' && type !== 'Conflict') throw error;
            // The share is busy or has its fill of snapshots: no reason to have no copy at all.
            return Date.now() >= end ? { done: false } : { missing: (error as Error).message };
          }
        },
      });
    },

    async finish(site, id, volume) {
      const name = nfsSnapshotName(site, snapshotName(id, volume.claim));
      const { api, share: found } = await share(site);
      const end = Date.now() + readyMs;
      let last: NfsSnapshotInfo | undefined;
      const ready = await waitUntil<NfsSnapshotInfo | null>({
        what: `snapshot ${name} of the NFS share is ready`,
        timeoutMs: readyMs + 60_000,
        intervalMs,
        check: async () => {
          last = (await api.nfsSnapshots(found)).find((one) => one.name === name);
          if (last?.status === 'ACTIVE') return { done: last };
          if (last?.status === 'FAILED' || Date.now() >= end) return { done: null };
          return { missing: last?.status ?? 'the provider does not list it yet' };
        },
      });
      if (ready !== null) {
        const { id: snapshotId, createdAt: takenAt } = ready;
        return { claim: volume.claim, kind: 'digitalocean-nfs', name: snapshotId, takenAt };
      }
      // What cannot be removed now is so before the next backup.
      if (last) await api.deleteNfsSnapshot(last.id, found.region).catch(() => undefined);
      return null;
    },

    async source(site, _id, volume, snapshot) {
      if (snapshot.name === null) throw failure('NotFound', 'The NFS snapshot has no id');
      const { api, share: found } = await share(site);
      const { name, status, shareId } = await api.nfsSnapshot(snapshot.name, found.region);
      if (status !== 'ACTIVE' || shareId !== found.id) {
        throw failure('NotFound', `NFS snapshot ${name} is ${status}, of share ${shareId}`);
      }
      const folder = `.snapshot/${name}`;
      const subPath = volume.subPath === '' ? folder : `${folder}/${volume.subPath}`;
      return { claim: volume.claim, subPath, live: false, temporary: false };
    },

    async list(site) {
      if (shareIdOf(site) === null || tokenOf(site) === null) return [];
      const { api, share: found } = await share(site);
      const claim = site.storage.sharedClaim.name;
      return (await api.nfsSnapshots(found)).flatMap((one) => {
        const name = pointSnapshotName(site, one.name);
        return name === null ? [] : [{ claim, name }];
      });
    },

    async removeAll(site, keep) {
      if (shareIdOf(site) === null || tokenOf(site) === null) return [];
      const { api, share: found } = await share(site);
      const claim = site.storage.sharedClaim.name;
      const removed: string[] = [];
      for (const one of await api.nfsSnapshots(found)) {
        const name = pointSnapshotName(site, one.name);
        if (name === null || keep({ claim, name })) continue;
        await api.deleteNfsSnapshot(one.id, found.region);
        removed.push(one.name);
      }
      return removed;
    },
  };
}

/** Ends the names of a site's snapshots. The bucket is where the catalogue is that says which of them are needed. */
function siteSuffix(site: Site): string {
  return `-${operationKey(`${site.storage.objects.bucket}/${site.name}`)}`;
}

/** A snapshot's name at the share, where people, schedules of the provider and other sites have theirs. */
export function nfsSnapshotName(site: Site, name: string): string {
  return `${name}${siteSuffix(site)}`;
}

/** The name without the site's mark; null for a snapshot that is none of this site's. */
function pointSnapshotName(site: Site, name: string): string | null {
  const suffix = siteSuffix(site);
  const isOurs = name.startsWith('presslift-point-') && name.endsWith(suffix);
  return isOurs ? name.slice(0, -suffix.length) : null;
}

function shareIdOf(site: Site): string | null {
  const { provisioner } = site.storage;
  return provisioner?.kind === 'digitalocean-nfs' ? (provisioner.shareId ?? null) : null;
}

/** Reference of the token: the provisioner's own, else that of the managed database. */
function tokenOf(site: Site): string | null {
  const { provisioner } = site.storage;
  const own = provisioner?.kind === 'digitalocean-nfs' ? provisioner.token : undefined;
  return own ?? site.database.managed?.token ?? null;
}

function pathOf(site: Site): string {
  const { provisioner } = site.storage;
  return provisioner?.kind === 'digitalocean-nfs' ? provisioner.path : '';
}

function samePath(left: string, right: string): boolean {
  const plain = (path: string) => path.replace(/\/+$/, '');
  return plain(left) === plain(right);
}
