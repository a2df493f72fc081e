import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { remove } from '../kubernetes/apply.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster, type RecoveryCoreDeps } from '../recovery/deps.ts';
import { recoverySecretName } from '../recovery/objects.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';
import type { BackupDeps } from './deps.ts';
import { isOf, removeLeftovers } from './leftovers.ts';
import { jobName, snapshotName } from './names.ts';
import { createVolumeSnapshots } from './volume-snapshots.ts';

const script = toolboxScript(new URL('./scripts/discard.sh', import.meta.url), 'restic');

/** `discardRecoveryPoint`: nothing is left of a point that nobody can use. */
export function createDiscardActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'discardRecoveryPoint'> {
  const kinds = createVolumeSnapshots(deps);

  /** Snapshots of volumes that this point took. */
  async function removeSnapshots(site: Site, id: string) {
    for (const kind of kinds) {
      try {
        await kind.removeAll(site, ({ claim, name }) => snapshotName(id, claim) !== name);
      } catch (error) {
        // One that stays is in nobody's way, and retention removes it; the provider's API may be in trouble.
        if (failureTypeOf(error) === null) throw error;
      }
    }
  }

  return {
    async discardRecoveryPoint({ site, id, operationId }) {
      const k = siteCluster(deps, site);
      const { namespace } = site.cluster;
      await removeLeftovers(deps, site, isOf(id));
      // An attempt that was cut off may have written it; no point is offered whose data goes.
      await withdraw(deps, site, id, operationId);
      await removeSnapshots(site, id);
      await remove(k, {
        apiVersion: 'v1',
        kind: 'Secret',
        namespace,
        name: recoverySecretName(id),
      });
      try {
        const repository = await repositoryOf(deps, site);
        await runToolboxJob(k, site, {
          name: jobName('discard', id),
          operationId,
          script,
          env: { ...repository.env, POINT: id, RETRY_LOCK: '1m' },
          secretFiles: repository.secretFiles,
          timeoutMs: 300_000,
        });
      } catch (error) {
        // What the repository does not give up now, retention forgets later: no document names it.
        if (failureTypeOf(error) === null) throw error;
      }
    },
  };
}

/** Takes a point out of the catalogue; where nobody may delete there, nobody is to count on it. */
export async function withdraw(
  deps: RecoveryCoreDeps,
  site: Site,
  id: string,
  operationId: string,
): Promise<void> {
  const catalogue = await openCatalogue(deps, site);
  try {
    await catalogue.remove(id);
  } catch (error) {
    const type = failureTypeOf(error);
    // Without a bucket there is no document either.
    if (type === 'NotFound') return;
    if (type !== 'Forbidden') throw error;
    const bad = { at: deps.now().toISOString(), by: operationId, findings: ['half-finished'] };
    await catalogue.setState(id, { bad });
  } finally {
    catalogue.close();
  }
}
