import type { BackupActivities } from '../contracts.ts';
import { siteCluster } from '../recovery/deps.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { resultOf, runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';
import type { BackupDeps } from './deps.ts';
import { isOf, removeLeftovers } from './leftovers.ts';
import { findLostPoints } from './lost-points.ts';
import { jobName, lockHolders } from './names.ts';
import { createVolumeSnapshots } from './volume-snapshots.ts';

const script = toolboxScript(
  new URL('./scripts/open-repository.sh', import.meta.url),
  'restic',
  'locks',
);

/** `openRepository`: whatever another point has left is gone after it, and the next copy has a place to go to. */
export function createOpenActivities(deps: BackupDeps): Pick<BackupActivities, 'openRepository'> {
  const kinds = createVolumeSnapshots(deps);
  return {
    async openRepository(input) {
      const { site, id, operationId } = input;
      // Under the site's lock: whatever another point has left, nobody works with it any more.
      const isOurs = isOf(id);
      await removeLeftovers(deps, site, (labels) => !isOurs(labels));
      const repository = await repositoryOf(deps, site);
      const outcome = await runToolboxJob(siteCluster(deps, site), site, {
        name: jobName('repository', id),
        operationId,
        script,
        env: { ...repository.env, ...lockHolders(site) },
        secretFiles: repository.secretFiles,
        timeoutMs: 600_000,
      });
      const result = resultOf<{ created: boolean; empty: boolean }>(outcome, 'the repository');
      const { created, empty } = result;
      const lost = empty ? await findLostPoints(deps, kinds, input, repository.url) : null;
      return { repository: repository.url, created, lost };
    },
  };
}
