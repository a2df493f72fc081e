/** Calls for Network File Storage: shares and their snapshots. */
import type { Calls } from './calls.ts';
import type { NfsShare, NfsSnapshot } from './dots.js';
import { present } from './errors.ts';

/** A share of DigitalOcean's Network File Storage. */
export interface NfsShareInfo {
  id: string;
  name: string;
  region: string;
  /** `ACTIVE` when it can be mounted and copied. */
  status: string;
  sizeGib: number;
  /** What a client mounts; null while the API does not tell. */
  host: string | null;
  mountPath: string | null;
}

/** A snapshot; clients that mount the share find its files in `.snapshot/<name>` of the share's root. */
export interface NfsSnapshotInfo {
  id: string;
  name: string;
  shareId: string;
  region: string;
  /** `CREATING`, then `ACTIVE`; or `FAILED`. */
  status: string;
  sizeGib: number;
  /** ISO 8601. */
  createdAt: string;
}

export interface NfsCalls {
  /** @throws NotFound, Unauthorized, Forbidden, RateLimited, Unavailable */
  nfsShare(id: string): Promise<NfsShareInfo>;
  /**
   * Begins a snapshot of a share. The API answers with the action, not with the snapshot: look for its name in
   * `nfsSnapshots` until it is `ACTIVE`. Names are not unique, so look there first.
   */
  createNfsSnapshot(share: Pick<NfsShareInfo, 'id' | 'region'>, name: string): Promise<void>;
  /** Snapshots of a share, newest first. */
  nfsSnapshots(share: Pick<NfsShareInfo, 'id' | 'region'>): Promise<NfsSnapshotInfo[]>;
  nfsSnapshot(id: string, region: string): Promise<NfsSnapshotInfo>;
  /** Deleting a snapshot that is gone already is no error. */
  deleteNfsSnapshot(id: string, region: string): Promise<void>;
}

export function createNfsCalls({ v2, call }: Calls): NfsCalls {
  return {
    async nfsShare(id) {
      const what = `NFS share ${id}`;
      const answer = await call(what, () => v2.nfs.byNfs_id(id).get());
      return shareInfo(present(answer?.share, what));
    },

    async createNfsSnapshot({ id, region }, name) {
      // The client writes a body for every kind of action one after another, and the last one's empty `params` would win.
      const additionalData = { params: { name } };
      await call(`snapshot ${name} of NFS share ${id}`, () =>
        v2.nfs.byNfs_id(id).actions.post({ type: 'snapshot', region, additionalData }),
      );
    },

    async nfsSnapshots({ id, region }) {
      const what = `snapshots of NFS share ${id}`;
      const answer = await call(what, () =>
        v2.nfs.snapshots.get({ queryParameters: { region, shareId: id } }),
      );
      return present(answer?.snapshots, what)
        .map(snapshotInfo)
        .filter(({ shareId }) => shareId === id)
        .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    },

    async nfsSnapshot(id, region) {
      const what = `NFS snapshot ${id}`;
      const answer = await call(what, () =>
        v2.nfs.snapshots.byNfs_snapshot_id(id).get({ queryParameters: { region } }),
      );
      return snapshotInfo(present(answer?.snapshot, what));
    },

    async deleteNfsSnapshot(id, region) {
      await call<unknown>(
        `NFS snapshot ${id}`,
        () => v2.nfs.snapshots.byNfs_snapshot_id(id).delete({ queryParameters: { region } }),
        { gone: undefined },
      );
    },
  };
}

function shareInfo(share: NfsShare): NfsShareInfo {
  return {
    id: present(share.id, 'id of an NFS share'),
    name: present(share.name, 'name of an NFS share'),
    region: present(share.region, 'region of an NFS share'),
    status: share.status ?? 'UNKNOWN',
    sizeGib: share.sizeGib ?? 0,
    host: share.host ?? null,
    mountPath: share.mountPath ?? null,
  };
}

function snapshotInfo(snapshot: NfsSnapshot): NfsSnapshotInfo {
  return {
    id: present(snapshot.id, 'id of an NFS snapshot'),
    name: present(snapshot.name, 'name of an NFS snapshot'),
    shareId: present(snapshot.shareId, 'share of an NFS snapshot'),
    region: present(snapshot.region, 'region of an NFS snapshot'),
    status: snapshot.status ?? 'UNKNOWN',
    sizeGib: snapshot.sizeGib ?? 0,
    createdAt: present(snapshot.createdAt, 'time of an NFS snapshot').toISOString(),
  };
}
