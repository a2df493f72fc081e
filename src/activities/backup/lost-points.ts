import type { RecoveryPointState } from '../../domain/recovery/point.ts';
import type { LostPoints } from '../../domain/recovery/opened-repository.ts';
import type { Site } from '../../domain/site/schema.ts';
import { throwIfCancelled } from '../activity-context.ts';
import type { PointInput } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { openCatalogue, type Catalogue } from '../recovery/catalogue.ts';
import type { BackupDeps } from './deps.ts';
import { snapshotName } from './names.ts';
import type { VolumeSnapshots } from './volume-snapshots.ts';

/** Why a point is bad whose repository holds nothing any more. */
const REPOSITORY_LOST = 'repository-lost';

/**
 * What there is of earlier points while the repository at `repository` holds nothing at all. Those of them whose documents name
 * this repository are marked as bad, so that nobody counts on them. Null when there is nothing: the repository is the site's first.
 */
export async function findLostPoints(
  deps: BackupDeps,
  kinds: VolumeSnapshots[],
  { site, id, operationId }: PointInput,
  repository: string,
): Promise<LostPoints | null> {
  const catalogue = await openCatalogue(deps, site);
  try {
    const points = (await catalogue.list()).filter((point) => point !== id);
    const bad = { at: deps.now().toISOString(), by: operationId, findings: [REPOSITORY_LOST] };
    for (const point of points) {
      throwIfCancelled();
      await markLost(catalogue, point, bad, repository);
    }
    const localSnapshots = await localSnapshotsOf(kinds, site, id);
    return points.length + localSnapshots.length === 0 ? null : { points, localSnapshots };
  } finally {
    catalogue.close();
  }
}

async function markLost(
  catalogue: Catalogue,
  point: string,
  bad: NonNullable<RecoveryPointState['bad']>,
  repository: string,
): Promise<void> {
  try {
    const { files, database } = await catalogue.read(point);
    // A site file that names another repository by mistake makes no good point bad.
    if (![files?.repository, database?.repository].includes(repository)) return;
    if (!isLost(await catalogue.state(point))) await catalogue.setState(point, { bad });
  } catch (error) {
    const type = failureTypeOf(error);
    // Nobody trusts such a document anyway.
    if (type !== 'CatalogueTampered' && type !== 'NotFound' && type !== 'InvalidInput') throw error;
  }
}

/** Whether a point's data went with its repository: what is in the cluster of it is all that there is. */
export function isLost({ bad }: RecoveryPointState): boolean {
  return bad?.findings.includes(REPOSITORY_LOST) ?? false;
}

async function localSnapshotsOf(
  kinds: VolumeSnapshots[],
  site: Site,
  id: string,
): Promise<string[]> {
  const names: string[] = [];
  for (const kind of kinds) {
    try {
      const found = await kind.list(site);
      const earlier = found.filter(({ claim, name }) => name !== snapshotName(id, claim));
      names.push(...earlier.map(({ name }) => name));
    } catch (error) {
      // What is known of the rest is told all the same; the provider's API may be in trouble.
      if (failureTypeOf(error) === null) throw error;
    }
  }
  return names.sort();
}

/**
 * Whether a local snapshot is older than every point of the catalogue, whose documents went with the bucket then. Pure.
 *
 * @param name by `snapshotName`, which keeps the time of the point's id.
 * @param ids of all points that the catalogue has.
 */
export function isOlderThanCatalogue(name: string, ids: string[]): boolean {
  const time = /^presslift-point-(\d{8}t\d{6}z)-/.exec(name)?.[1]?.toUpperCase();
  return time !== undefined && ids.every((id) => time < id.slice(0, time.length));
}
