import type { Connection, RowDataPacket } from 'mysql2/promise';
import { nameFrom } from '../../domain/kubernetes/names.ts';
import { drillCriterion, noneMeasured, notMeasured } from '../../domain/recovery/drill-criteria.ts';
import { drillClaim } from '../../domain/recovery/drill-objects.ts';
import {
  databaseCriteria,
  databaseCriteriaIds,
  filesCriteria,
  filesCriteriaIds,
} from '../../domain/recovery/drill-restored.ts';
import type { DatabaseDifferences } from '../../domain/recovery/database-manifest.ts';
import type {
  ContentVolume,
  DatabaseManifest,
  DrillStage,
  RecoveryPoint,
} from '../../domain/recovery/point.ts';
import type { FilesComparison } from '../../domain/recovery/files-comparison.ts';
import type { DrillActivities, DrillFindings, DrillInput } from '../contracts.ts';
import { databaseAccess, withDatabase } from '../recovery/database.ts';
import { restoreDatabase, restoreFiles } from '../recovery/restore.ts';
import { clusterOf, pointOf, timed, type DrillDeps } from './deps.ts';
import { drillAccount } from './database.ts';
import { findingsOf } from './failures.ts';
import { created } from './place.ts';
import { drillVolumes } from './volumes.ts';

/** `restoreDrillFiles` and `restoreDrillDatabase`; both may run at the same time. */
export function createDrillRestore(
  deps: DrillDeps,
): Pick<DrillActivities, 'restoreDrillFiles' | 'restoreDrillDatabase'> {
  type Restore = typeof restoredFiles;
  type Stage = Parameters<typeof findingsOf>[1];

  /** What the restore found; what it could not find out, for the reason that ended it, is a finding as well. */
  const found = (restore: Restore, stage: Stage) => async (input: DrillInput) => {
    const stages: DrillStage[] = [];
    try {
      return await restore(deps, input, await pointOf(deps, input), stages);
    } catch (error) {
      return { criteria: findingsOf(error, stage), stages, usable: false };
    }
  };

  return {
    restoreDrillFiles: found(restoredFiles, {
      byDefault: 'missing-files',
      criteria: filesCriteriaIds,
    }),
    restoreDrillDatabase: found(restoredDatabase, {
      byDefault: 'truncated-dump',
      criteria: databaseCriteriaIds,
    }),
  };
}

async function restoredFiles(
  deps: DrillDeps,
  input: DrillInput,
  point: RecoveryPoint,
  stages: DrillStage[],
): Promise<DrillFindings> {
  const { site, place, operationId } = input;
  const { files } = point;
  if (files === null) {
    const why = 'the recovery point holds no files';
    return {
      criteria: [halfFinished('files'), ...noneMeasured(filesCriteriaIds, why)],
      stages,
      usable: false,
    };
  }
  const k = clusterOf(deps, site);
  await timed(deps, stages, 'volumes', async () => {
    const classes = await drillVolumes(k, site, files.volumes);
    for (const volume of files.volumes) {
      const chosen = classes.get(volume.claim);
      if (chosen === undefined) continue;
      const body = drillClaim(site, place.namespace, volume, chosen);
      await created('persistentvolumeclaims', `${place.namespace}/${volume.claim}`, () =>
        k.core.createNamespacedPersistentVolumeClaim({ namespace: place.namespace, body }),
      );
    }
  });
  // A Job for each, so that each is counted by itself, and they are restored at the same time.
  const compared = await timed(deps, stages, 'files', () =>
    Promise.all(
      files.volumes.map(async (volume) => ({
        volume,
        found: await restoreFiles(deps, site, {
          namespace: place.namespace,
          name: nameFrom('drill-files', volume.claim),
          operationId,
          point,
          targets: [
            {
              claim: volume.claim,
              into: {
                claim: volume.claim,
                ...(volume.subPath !== '' && { folder: volume.subPath }),
              },
            },
          ],
        }),
      })),
    ),
  );
  const errors = compared.flatMap(({ found }) => found.errors);
  return {
    criteria: [
      ...(errors.length === 0
        ? []
        : [
            drillCriterion('repository-data', {
              pass: false,
              measured: errors.length,
              target: 0,
              evidence: { restic: errors.slice(0, 5) },
            }),
          ]),
      ...filesCriteria(compared.map(({ volume, found }) => volumeOf(volume, found))),
    ],
    stages,
    usable: compared.some(({ found }) => found.files > 0),
  };
}

function volumeOf(volume: ContentVolume, found: FilesComparison) {
  return { ...found, claim: volume.claim, holdsCode: holdsCode(volume) };
}

/** Plugins and themes, or the whole of WordPress: such a volume is never rightly empty. */
function holdsCode({ provides }: ContentVolume): boolean {
  return provides.some((path) => path === '' || /^wp-content(\/(plugins|themes))?$/.test(path));
}

const halfFinished = (part: string) =>
  drillCriterion('half-finished', { pass: false, measured: [part], target: [] });

async function restoredDatabase(
  deps: DrillDeps,
  input: DrillInput,
  point: RecoveryPoint,
  stages: DrillStage[],
): Promise<DrillFindings> {
  const { site, place, operationId } = input;
  if (point.database === null) {
    const why = 'the recovery point holds no database';
    return {
      criteria: [halfFinished('database'), ...noneMeasured(databaseCriteriaIds, why)],
      stages,
      usable: false,
    };
  }
  // What the dump brings may name the live schema, and the copy sets it off: it must not run for somebody who may write there.
  const owner = await drillAccount(clusterOf(deps, site), place);
  const { manifest, differences } = await timed(deps, stages, 'database', () =>
    restoreDatabase(deps, site, {
      namespace: place.namespace,
      name: 'drill-database',
      operationId,
      point,
      schema: place.database,
      definers: owner,
    }),
  );
  const access = await databaseAccess(deps, site, 'admin');
  return withDatabase(access, async (admin) => ({
    criteria: [
      ...databaseCriteria({
        ...differences,
        tables: manifest.tables.length,
        rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
        rowCounts: differences.rows,
        charset: await charsetDifferences(
          admin,
          place.database,
          differences,
          point.database!.manifest,
        ),
      }),
      await ownAddress(admin, input, point),
    ],
    stages,
    usable: manifest.tables.length > 0,
  }));
}

/** The schema's character set, and that of tables whose structure changed and that are not in it any more. */
export async function charsetDifferences(
  admin: Connection,
  schema: string,
  differences: DatabaseDifferences,
  expected: DatabaseManifest,
): Promise<string[]> {
  const own =
    differences.charset === null
      ? []
      : [`schema: ${differences.charset.found} instead of ${differences.charset.expected}`];
  if (differences.structure.length === 0) return own;
  const [rows] = await admin.query<RowDataPacket[]>(
    // A collation's name begins with its character set; MariaDB's list of collations has some without.
    `SELECT t.TABLE_NAME AS name, SUBSTRING_INDEX(t.TABLE_COLLATION, '_', 1) AS charset
     FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = ? AND t.TABLE_NAME IN (?)`,
    [schema, differences.structure],
  );
  const others = rows.filter((row) => row['charset'] !== expected.charset);
  return [...own, ...others.map((row) => `table ${row['name']}: ${row['charset']}`)];
}

/** Whether the database says that it is this site's: a dump of another one loads as well as the right one. */
export async function ownAddress(
  admin: Connection,
  { site, place }: DrillInput,
  point: RecoveryPoint,
) {
  const prefix = point.wordpress?.tablePrefix;
  if (prefix === undefined)
    return notMeasured('wrong-site', 'the point does not describe WordPress');
  let addresses: string[];
  try {
    const table = `${admin.escapeId(place.database)}.${admin.escapeId(`${prefix}options`)}`;
    const [rows] = await admin.query<RowDataPacket[]>(
      `SELECT option_value AS value FROM ${table} WHERE option_name IN ('siteurl', 'home')`,
    );
    addresses = rows.map((row) => String(row['value']));
  } catch (error) {
    if ((error as { code?: string }).code !== 'ER_NO_SUCH_TABLE') throw error;
    return notMeasured('wrong-site', `the copy has no table ${prefix}options`);
  }
  const hosts = addresses.map((address) =>
    URL.canParse(address) ? new URL(address).hostname.toLowerCase() : address,
  );
  return drillCriterion('wrong-site', {
    pass: hosts.length > 0 && hosts.every((host) => site.hosts.names.includes(host)),
    measured: { site: point.site, addresses },
    target: { site: site.name, hosts: site.hosts.names },
  });
}
