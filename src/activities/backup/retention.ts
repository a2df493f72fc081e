import { retain, type RetainedPoint } from '../../domain/recovery/retention.ts';
import type { RecoveryPoint } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { remove } from '../kubernetes/apply.ts';
import { openCatalogue, type Catalogue } from '../recovery/catalogue.ts';
import { siteCluster } from '../recovery/deps.ts';
import { recoverySecretName } from '../recovery/objects.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { resultOf, runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';
import type { BackupDeps } from './deps.ts';
import { isLost, isOlderThanCatalogue } from './lost-points.ts';
import { jobName, lockHolders, snapshotName } from './names.ts';
import { createVolumeSnapshots } from './volume-snapshots.ts';

const timeoutMs = 4 * 3_600_000;

const script = toolboxScript(
  new URL('./scripts/apply-retention.sh', import.meta.url),
  'restic',
  'locks',
);

/** What the catalogue says of its points. */
interface Inventory {
  points: RecoveryPoint[];
  retained: RetainedPoint[];
  /** Ids of points whose repository is gone. */
  lost: string[];
  /** Ids whose document cannot be trusted: what belongs to them is left alone, for a person to look at. */
  unreadable: string[];
}

/** `applyRetention`: documents first, so that no point is offered whose data is gone; then restic's snapshots and space. */
export function createRetentionActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'applyRetention'> {
  const kinds = createVolumeSnapshots(deps);
  return {
    async applyRetention({ site, id, operationId }) {
      const k = siteCluster(deps, site);
      const { namespace } = site.cluster;
      const catalogue = await openCatalogue(deps, site);
      let kept: RecoveryPoint[];
      let unreadable: string[];
      const removed: string[] = [];
      try {
        const inventory = await readInventory(catalogue);
        const plan = retain(inventory.retained, site.backup.keep, site.backup.timeZone);
        // Before the documents: snapshots of a point that no document names would be taken for those of a lost catalogue.
        await removeLocalSnapshots(site, inventory, plan.remove);
        for (const point of plan.remove) {
          // Somebody may have pinned it since it was looked at.
          if ((await catalogue.state(point)).pinned !== null) continue;
          await catalogue.remove(point);
          await remove(k, {
            apiVersion: 'v1',
            kind: 'Secret',
            namespace,
            name: recoverySecretName(point),
          });
          removed.push(point);
        }
        unreadable = inventory.unreadable;
        kept = inventory.points.filter((point) => !removed.includes(point.id));
      } finally {
        catalogue.close();
      }
      const repository = await repositoryOf(deps, site);
      const outcome = await runToolboxJob(k, site, {
        name: jobName('retention', id),
        operationId,
        script,
        env: { ...repository.env, ...lockHolders(site), SITE: site.name, UNTIL: after(id) },
        secretFiles: repository.secretFiles,
        inputFiles: {
          'keep-snapshots': lines(kept.flatMap((point) => snapshotsOf(point))),
          'keep-points': lines(unreadable),
        },
        timeoutMs,
      });
      const result = resultOf<{ points: string[] }>(outcome, 'retention');
      // Points of which an interrupted attempt had removed the document alone are among those that restic names.
      const known = new Set(kept.map((point) => point.id));
      const all = new Set([...removed, ...result.points.filter((point) => !known.has(point))]);
      return { kept: kept.length, removed: [...all].sort().reverse() };
    },
  };

  /**
   * The newest points keep their snapshots in the cluster, for a quick restore. So does what has nothing else any more: points
   * whose repository is gone, and those from before the catalogue.
   */
  async function removeLocalSnapshots(
    site: Site,
    { points, lost, unreadable }: Inventory,
    removed: string[],
  ) {
    const newest = points
      .filter(({ id }) => !removed.includes(id) && !lost.includes(id))
      .sort((a, b) => (a.takenAt < b.takenAt ? 1 : -1))
      .slice(0, site.backup.localSnapshots)
      .map((point) => point.id);
    const kept = [...newest, ...unreadable, ...lost.filter((id) => !removed.includes(id))];
    const all = [...points.map(({ id }) => id), ...unreadable];
    for (const kind of kinds) {
      await kind.removeAll(
        site,
        ({ claim, name }) =>
          kept.some((id) => snapshotName(id, claim) === name) || isOlderThanCatalogue(name, all),
      );
    }
  }
}

async function readInventory(catalogue: Catalogue): Promise<Inventory> {
  const inventory: Inventory = { points: [], retained: [], lost: [], unreadable: [] };
  for (const id of await catalogue.list()) {
    try {
      const point = await catalogue.read(id);
      const state = await catalogue.state(id);
      const { pinned, bad } = state;
      if (isLost(state)) inventory.lost.push(id);
      inventory.points.push(point);
      inventory.retained.push({
        id,
        takenAt: point.takenAt,
        pinned: pinned !== null,
        good: bad === null,
      });
    } catch (error) {
      const type = failureTypeOf(error);
      // A folder without a document is what an interrupted removal leaves; it is removed to its end.
      if (type === 'NotFound') await catalogue.remove(id);
      else if (type === 'CatalogueTampered' || type === 'InvalidInput')
        inventory.unreadable.push(id);
      else throw error;
    }
  }
  return inventory;
}

function snapshotsOf({ files, database }: RecoveryPoint): string[] {
  return [files?.snapshotId, database?.snapshotId].filter((id) => id !== undefined);
}

/** Snapshots of this very point that its document does not name were left by an attempt that was cut off. */
const after = (id: string) => `${id}~`;

const lines = (values: string[]) => values.map((value) => `${value}\n`).join('');
