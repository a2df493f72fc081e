import { contentVolumesOf } from '../../domain/recovery/content-volumes.ts';
import type { ContentVolume, VolumeSnapshotRef } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { requireDeployment } from '../kubernetes/site-objects.ts';
import { calling } from '../kubernetes/errors.ts';
import { siteCluster } from '../recovery/deps.ts';
import type { BackupDeps } from './deps.ts';
import { createVolumeSnapshots, type VolumeSnapshots } from './volume-snapshots.ts';

/** `snapshotVolumes`: all content volumes at nearly one instant. */
export function createVolumeActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'snapshotVolumes'> {
  const kinds = createVolumeSnapshots(deps);
  return {
    async snapshotVolumes({ site, id }) {
      const volumes = await readContentVolumes(deps, site);
      const chosen = await Promise.all(
        volumes.map(async (volume) => ({ volume, kind: await kindFor(kinds, site, volume) })),
      );
      const takenAt = deps.now().toISOString();
      // All begin before any is waited for.
      const begun = await Promise.all(
        chosen.map(async ({ volume, kind }) => {
          const taken = kind !== null && (await kind.begin(site, id, volume));
          return { volume, kind: taken ? kind : null };
        }),
      );
      const snapshots = await Promise.all(
        begun.map(async ({ volume, kind }): Promise<VolumeSnapshotRef> => {
          const taken = (await kind?.finish(site, id, volume)) ?? null;
          return taken ?? { claim: volume.claim, kind: 'none', name: null, takenAt };
        }),
      );
      return { volumes, snapshots };
    },
  };
}

/** @throws NotFound (no Deployment), PreconditionFailed (no content volume, or one that could not be put back) */
export async function readContentVolumes(deps: BackupDeps, site: Site): Promise<ContentVolume[]> {
  const k = siteCluster(deps, site);
  const { namespace } = site.cluster;
  const deployment = await requireDeployment(k, site);
  const claims = await calling('list', `persistentvolumeclaims in ${namespace}`, () =>
    k.core.listNamespacedPersistentVolumeClaim({ namespace }),
  );
  const template = deployment.spec?.template ?? {};
  let volumes: ContentVolume[];
  try {
    volumes = contentVolumesOf(template, site.wordpress.documentRoot, claims.items);
  } catch (error) {
    throw failure('PreconditionFailed', (error as Error).message);
  }
  if (volumes.length === 0) {
    throw failure(
      'PreconditionFailed',
      `No claim is mounted at or below ${site.wordpress.documentRoot}: there are no files to copy`,
    );
  }
  return volumes;
}

async function kindFor(
  kinds: VolumeSnapshots[],
  site: Site,
  volume: ContentVolume,
): Promise<VolumeSnapshots | null> {
  for (const kind of kinds) if (await kind.supports(site, volume)) return kind;
  return null;
}
