import type { CriterionResult } from '../../domain/criterion.ts';
import { drillCriterion, noneMeasured, notMeasured } from '../../domain/recovery/drill-criteria.ts';
import type { RecoveryPoint } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { DrillActivities } from '../contracts.ts';
import { repositoryOf, resticHost } from '../recovery/repository.ts';
import { runToolboxJob } from '../recovery/toolbox.ts';
import { clusterOf, pointOf, scripts, timed, type DrillDeps } from './deps.ts';
import { findingsOf } from './failures.ts';
import { keepObjects, lastLine, objectsKey } from './objects.ts';

/** What scripts/check-point.sh saw. */
export interface PointCheck {
  files: SnapshotCheck;
  database: SnapshotCheck;
  /** What restic said of each damage; empty for none. */
  damage: string[];
  packs: number;
  objects: string;
}

export interface SnapshotCheck {
  found: boolean;
  host: string;
  /** What it holds; for the database the size of the dump. Null where restic does not tell. */
  bytes: number | null;
}

/** The activity `checkDrillRepository`. */
export function createCheckDrillRepository(
  deps: DrillDeps,
): Pick<DrillActivities, 'checkDrillRepository'> {
  return {
    async checkDrillRepository(input) {
      const { site, place, operationId } = input;
      const stages: Awaited<ReturnType<DrillActivities['checkDrillRepository']>>['stages'] = [];
      try {
        const point = await pointOf(deps, input);
        const check = await timed(deps, stages, 'repository', async () => {
          const repository = await repositoryOf(deps, site);
          const key = objectsKey();
          const outcome = await runToolboxJob(clusterOf(deps, site), site, {
            namespace: place.namespace,
            name: 'drill-check-point',
            operationId,
            script: scripts.checkPoint,
            env: {
              ...repository.env,
              FILES: point.files?.snapshotId ?? '',
              DATABASE: point.database?.snapshotId ?? '',
            },
            secretFiles: { ...repository.secretFiles, key },
            timeoutMs: 4 * 3_600_000,
          });
          const found = lastLine<PointCheck>(outcome.log, `checking ${point.id}`);
          // Read now, so that nobody waits for them when WordPress is to start. Whether they can be is told there.
          await keepObjects(deps, input, found.objects, key).catch(() => null);
          return found;
        });
        const criteria = repositoryCriteria(site, point, check);
        return { criteria, stages, usable: check.files.found && check.database.found };
      } catch (error) {
        const criteria = findingsOf(error, {
          byDefault: 'repository-data',
          criteria: ['catalogue', 'half-finished', 'repository-keys', 'repository-data'],
        });
        return { criteria, stages, usable: false };
      }
    },
  };
}

/** Criteria of the repository and of the point's document. Pure. */
export function repositoryCriteria(
  site: Site,
  point: RecoveryPoint,
  check: PointCheck,
): CriterionResult[] {
  const parts = {
    files: check.files.found,
    database: check.database.found,
    app: point.app !== null,
    wordpress: point.wordpress !== null,
    sentinel: point.sentinel !== null,
  };
  const missing = Object.entries(parts)
    .filter(([, there]) => !there)
    .map(([name]) => name);
  const hosts = [check.files, check.database].filter(({ found }) => found).map(({ host }) => host);
  const expectedHost = resticHost(site);
  const ofSite = point.site === site.name && hosts.every((host) => host === expectedHost);
  const { damage, packs } = check;
  const held = (check.files.bytes ?? 0) + (check.database.bytes ?? 0);
  const lost = (point.database?.bytes ?? 0) - (check.database.bytes ?? Number.POSITIVE_INFINITY);
  return [
    drillCriterion('catalogue', {
      pass: true,
      measured: 'signed',
      target: 'signed',
      evidence: { point: point.id, takenAt: point.takenAt },
    }),
    drillCriterion('wrong-site', {
      pass: ofSite,
      measured: { site: point.site, snapshots: hosts },
      target: { site: site.name, snapshots: expectedHost },
    }),
    drillCriterion('half-finished', {
      pass: missing.length === 0,
      measured: missing,
      target: [],
      evidence: { finishedAt: point.finishedAt, saysMissing: point.missing.slice(0, 10) },
    }),
    drillCriterion('repository-keys', {
      pass: true,
      measured: 'opened',
      target: 'opened',
      evidence: { repository: point.files?.repository ?? point.database?.repository ?? null },
    }),
    ...(hosts.length === 0
      ? noneMeasured(['repository-data'], 'the point has no snapshots in the repository')
      : [
          drillCriterion('repository-data', {
            pass: damage.length === 0,
            measured: damage.length,
            target: 0,
            evidence: { bytes: held, packs, damage: damage.slice(0, 5) },
          }),
        ]),
    ...(point.database === null || !check.database.found
      ? [notMeasured('truncated-dump', 'the point has no dump')]
      : lost > 0
        ? [
            drillCriterion('truncated-dump', {
              pass: false,
              measured: check.database.bytes,
              target: point.database.bytes,
              evidence: { bytesLost: lost },
            }),
          ]
        : []),
  ];
}
