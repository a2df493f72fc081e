import { durationMs } from '../../domain/durations.ts';
import type { Site } from '../../domain/site/schema.ts';
import { cancellationSignal } from '../activity-context.ts';
import type { BackupActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { openCatalogue, resolvePoint } from '../recovery/catalogue.ts';
import type { BackupDeps } from './deps.ts';

/** Age in seconds of the newest sound recovery point of a site; +Inf when there is none, or nobody can tell. */
export const ageMetric = 'presslift_backup_age_seconds';

/** A scrape is seldom more often. */
const everyMs = 60_000;

/** The ages of the newest points that this worker knows, shown to whoever collects its metrics. */
export interface BackupAges {
  /** The newest sound point of a site was taken then (ISO 8601); null: there is none, or nobody can tell. */
  taken(site: Site, takenAt: string | null): void;
}

/**
 * Ages grow by themselves between looks at the catalogue: a gauge that stood still would show a good value for ever once nobody
 * looks any more. Nothing is shown without a meter.
 */
export function createBackupAges({ meter, now }: Pick<BackupDeps, 'meter' | 'now'>): BackupAges {
  const times = new Map<string, number>();
  const gauge = meter?.createGauge(
    ageMetric,
    'float',
    undefined,
    'Age of the newest sound recovery point',
  );
  let timer: NodeJS.Timeout | undefined;
  const show = (site: string, time: number) =>
    gauge?.set(Math.max(0, Math.round((now().getTime() - time) / 1000)), { site });
  return {
    taken({ name }, takenAt) {
      const time = takenAt === null ? Number.NEGATIVE_INFINITY : Date.parse(takenAt);
      times.set(name, time);
      show(name, time);
      timer ??= setInterval(() => {
        for (const [site, known] of times) show(site, known);
      }, everyMs).unref();
    },
  };
}

/** `measureBackupAge`: from the catalogue, each time anew. */
export function createAgeActivities(
  deps: BackupDeps,
  ages: BackupAges,
): Pick<BackupActivities, 'measureBackupAge'> {
  return {
    async measureBackupAge({ site }) {
      const newest = await newestPoint(deps, site).catch((error: unknown) => {
        // A worker that stops knows no less than before.
        if (cancellationSignal()?.aborted !== true) ages.taken(site, null);
        throw error;
      });
      ages.taken(site, newest?.takenAt ?? null);
      const ageSeconds =
        newest === null
          ? null
          : Math.max(0, Math.round((deps.now().getTime() - Date.parse(newest.takenAt)) / 1000));
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
