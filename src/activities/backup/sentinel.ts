import { randomBytes } from 'node:crypto';
import { sentinelFolder } from '../../domain/recovery/content-volumes.ts';
import type { Sentinel } from '../../domain/recovery/point.ts';
import type { BackupActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { requirePod, type BackupDeps } from './deps.ts';
import { readContentVolumes } from './volumes.ts';

/** Its row is the option `presslift_sentinel`. */
export const sentinelName = '.presslift-sentinel';

/** `writeSentinel`: a fresh word in a row and in a file of the first content folder that is copied. */
export function createSentinelActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'writeSentinel'> {
  return {
    async writeSentinel({ site, id }) {
      const volumes = await readContentVolumes(deps, site);
      const folder = sentinelFolder(volumes, site.backup.exclude);
      if (folder === null) {
        throw failure('PreconditionFailed', 'Every content folder is excluded from the backup');
      }
      const answer = await deps.agent.run(site, await requirePod(deps, site), 'sentinel-write', {
        point: id,
        nonce: randomBytes(16).toString('hex'),
        at: deps.now().toISOString(),
        file: folder === '' ? sentinelName : `${folder}/${sentinelName}`,
      });
      return answer as unknown as Sentinel;
    },
  };
}
