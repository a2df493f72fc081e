import { readFileSync } from 'node:fs';
import {
  batchRows,
  definitionStatements,
  manifestSession,
  tableStatements,
} from '../../domain/recovery/database-manifest.ts';
import type { DatabasePart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { missingForDump } from '../../domain/database-privileges.ts';
import type { VerifiedConnectionOptions } from '../database/connection.ts';
import { grantsOf } from '../database/probe.ts';
import { databaseAccess, manifestOf, mysqlFiles, withDatabase } from '../recovery/database.ts';
import { siteCluster } from '../recovery/deps.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';
import { digitalOceanOf, type BackupDeps } from './deps.ts';
import { jobName } from './names.ts';

const timeoutMs = 5 * 3_600_000;

const readScript = (name: string) =>
  readFileSync(new URL(`./scripts/${name}.sh`, import.meta.url), 'utf8');

const script = [
  toolboxScript(new URL('./scripts/progress.sh', import.meta.url), 'restic'),
  readScript('database-errors'),
  readScript('back-up-database'),
].join('\n');

const dumpScript = readScript('dump');
const generatedColumns = readFileSync(
  new URL('./scripts/generated-columns.awk', import.meta.url),
  'utf8',
);

/** `backUpDatabase`: a dump in restic, and the manifest of the same instant, by a Job. */
export function createDatabaseActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'backUpDatabase'> {
  return {
    async backUpDatabase({ site, id, operationId }): Promise<DatabasePart> {
      const repository = await repositoryOf(deps, site);
      const access = await databaseAccess(deps, site, 'site');
      const schema = site.database.name;
      await requirePrivileges(access, schema);
      // Before the dump: what fails after it would have it taken again.
      const backups = await managedBackups(deps, site);
      const outcome = await runToolboxJob(siteCluster(deps, site), site, {
        name: jobName('database', id),
        operationId,
        script,
        env: { ...repository.env, POINT: id, SITE: site.name, DATABASE: schema },
        secretFiles: { ...repository.secretFiles, ...mysqlFiles(access) },
        inputFiles: {
          'dump.sh': dumpScript,
          'generated-columns.awk': generatedColumns,
          'session.sql': sql(manifestSession),
          'definitions.sql': sql(definitionStatements(schema)),
          'tables.sql': sql([...manifestSession, tableStatements(schema)]),
          'lock.sql': sql([...manifestSession, lockStatements]),
        },
        timeoutMs,
      });
      const { result, rows } = parseDump(outcome.log);
      return {
        repository: repository.url,
        snapshotId: result.snapshotId,
        bytes: result.bytes,
        manifest: measured(schema, rows),
        server: { version: result.version, host: site.database.host },
        lockedMs: result.lockedMs,
        gtid: result.position === '' ? null : result.position,
        managedBackups: backups,
      };
    },
  };
}

/** What the account may not see is missed by nobody: the dump lacks it, and what the dump is compared with too. */
async function requirePrivileges(access: VerifiedConnectionOptions, schema: string): Promise<void> {
  const missing = await withDatabase(access, async (connection) =>
    missingForDump(await grantsOf(connection), schema),
  );
  if (missing.length === 0) return;
  throw failure(
    'Forbidden',
    `The site's account may not dump all of ${schema}; GRANT ${missing.join(', ')} ON \`${schema}\`.* to it`,
  );
}

const sql = (statements: readonly string[]) =>
  statements.map((statement) => `${statement};\n`).join('');

const lockText = `CONCAT('LOCK TABLES ',
  GROUP_CONCAT(CONCAT('\`', REPLACE(TABLE_NAME, '\`', '\`\`'), '\` READ')))
  FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE <> 'VIEW'`;

const transactional = "ENGINE IN ('InnoDB', 'ROCKSDB', 'TokuDB')";

/** The statements that lock tables with transactions, for a moment, and those without, for the whole dump. */
const lockStatements = `SELECT 'moment', ${lockText} AND ${transactional} HAVING COUNT(*) > 0
  UNION ALL SELECT 'whole', ${lockText} AND NOT ${transactional} HAVING COUNT(*) > 0`.replaceAll(
  /\s+/g,
  ' ',
);

interface DumpResult {
  snapshotId: string;
  bytes: number;
  version: string;
  position: string;
  lockedMs: number;
}

/** @throws JobFailed when the Job's log is not whole */
export function parseDump(log: string): { result: DumpResult; rows: string[][] } {
  const lines = log.split('\n');
  const tag = 'manifest\t';
  const manifest = lines
    .filter((line) => line.startsWith(tag))
    .map((line) => line.slice(tag.length));
  const found = lines.find((line) => line.startsWith('{"result":'));
  const count = /^\{"lines":(\d+)\}$/m.exec(log)?.[1];
  if (found === undefined || Number(count) !== manifest.length) {
    throw failure('JobFailed', 'The Job for the database ended without a whole manifest');
  }
  const { result } = JSON.parse(found) as { result: DumpResult };
  return { result, rows: batchRows(manifest.join('\n')) };
}

function measured(schema: string, rows: string[][]) {
  try {
    return manifestOf(schema, rows);
  } catch (error) {
    // Read in one transaction, so that what does not fit was changed by a statement that transactions do not hold back.
    throw failure('BackupIncomplete', (error as Error).message);
  }
}

/** Times of the provider's own backups, newest first; none when it does not tell: a dump does not depend on its API. */
async function managedBackups(deps: BackupDeps, site: Site): Promise<string[]> {
  const { managed } = site.database;
  if (managed === undefined) return [];
  try {
    const api = await digitalOceanOf(deps, site);
    return (await api.databaseBackups(managed.clusterId)).map(({ createdAt }) => createdAt);
  } catch (error) {
    if (failureTypeOf(error) === null) throw error;
    return [];
  }
}
