import type {
  ContentVolume,
  VolumeSnapshotKind,
  VolumeSnapshotRef,
} from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupDeps } from './deps.ts';
import { createCsiSnapshots } from './snapshots-csi.ts';
import { createNfsSnapshots } from './snapshots-digitalocean-nfs.ts';

/** What a copy reads a volume from. */
export interface CopySource {
  claim: string;
  subPath: string;
  /** Pods write to it while it is read. */
  live: boolean;
  /** The claim was made for this copy; remove it after. */
  temporary: boolean;
}

/** One way to copy a volume at one instant. All of it is idempotent. */
export interface VolumeSnapshots {
  kind: Exclude<VolumeSnapshotKind, 'none'>;
  /** Whether it can take a snapshot of this volume. */
  supports(site: Site, volume: ContentVolume): Promise<boolean>;
  /**
   * Begins the snapshot of a volume for the point `id`; the instant is about now. False when the storage refuses for long:
   * then the live volume is copied.
   */
  begin(site: Site, id: string, volume: ContentVolume): Promise<boolean>;
  /** Waits until it is whole. Null when it does not become so: then the live volume is copied. */
  finish(site: Site, id: string, volume: ContentVolume): Promise<VolumeSnapshotRef | null>;
  /** Where the snapshot's files can be read. @throws NotFound when it is gone */
  source(
    site: Site,
    id: string,
    volume: ContentVolume,
    snapshot: VolumeSnapshotRef,
  ): Promise<CopySource>;
  /** Snapshots of all points of the site. */
  list(site: Site): Promise<{ claim: string; name: string }[]>;
  /** Removes snapshots of points for which `keep` says no. */
  removeAll(
    site: Site,
    keep: (snapshot: { claim: string; name: string }) => boolean,
  ): Promise<string[]>;
}

/** The kinds that there are; the first that supports a volume takes it. `none` is what remains. */
export function createVolumeSnapshots(deps: BackupDeps): VolumeSnapshots[] {
  return [createNfsSnapshots(deps), createCsiSnapshots(deps)];
}

/** The volume itself, for want of a snapshot. */
export function liveSource(volume: ContentVolume): CopySource {
  return { claim: volume.claim, subPath: volume.subPath, live: true, temporary: false };
}

/** The kind with this name. */
export function snapshotsOfKind(
  all: VolumeSnapshots[],
  kind: VolumeSnapshotKind,
): VolumeSnapshots | null {
  return all.find((one) => one.kind === kind) ?? null;
}
