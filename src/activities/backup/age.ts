import { asyncLocalStorage } from '@temporalio/activity';
import { durationMs } from '../../domain/durations.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { openCatalogue, resolvePoint } from '../recovery/catalogue.ts';
import type { BackupDeps } from './deps.ts';

/** Age in seconds of the newest sound recovery point of a site; +Inf when there is none. */
export const ageMetric = 'presslift_backup_age_seconds';

/** `measureBackupAge`: from the catalogue, each time anew. */
export function createAgeActivities(deps: BackupDeps): Pick<BackupActivities, 'measureBackupAge'> {
  return {
    async measureBackupAge({ site }) {
      const newest = await newestPoint(deps, site);
      const ageSeconds =
        newest === null
          ? null
          : Math.max(0, Math.round((deps.now().getTime() - Date.parse(newest.takenAt)) / 1000));
      reportAge(site, ageSeconds ?? Number.POSITIVE_INFINITY);
      const limitSeconds = durationMs(site.backup.maxAge) / 1000;
      return {
        newest: newest?.id ?? null,
        ageSeconds,
        late: ageSeconds === null || ageSeconds > limitSeconds,
      };
    },
  };
}

async function newestPoint(deps: BackupDeps, site: Site) {
  const catalogue = await openCatalogue(deps, site);
  try {
    return await resolvePoint(catalogue, null);
  } catch (error) {
    if (failureTypeOf(error) === 'NotFound') return null;
    throw error;
  } finally {
    catalogue.close();
  }
}

/**
 * Shows the age to whoever collects the worker's metrics. Temporal adds the activity's name to the labels, so only one
 * activity may report: of two series of a site, one would stand still.
 */
function reportAge(site: Site, seconds: number): void {
  const meter = asyncLocalStorage.getStore()?.metricMeter;
  meter
    ?.createGauge(ageMetric, 'float', undefined, 'Age of the newest sound recovery point')
    .set(seconds, { site: site.name });
}
