import {
  compareDatabases,
  type DatabaseDifferences,
} from '../../domain/recovery/database-manifest.ts';
import { drillDatabasePrefix, rollbackDatabasePrefix } from '../../domain/recovery/request.ts';
import type { DatabaseManifest, RecoveryPoint } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { heartbeat } from '../activity-context.ts';
import type { DatabaseAccount, VerifiedConnectionOptions } from '../database/connection.ts';
import { failure } from '../failure.ts';
import { databaseAccess, measureDatabase, mysqlFiles, withDatabase } from './database.ts';
import { siteCluster, type RecoveryCoreDeps } from './deps.ts';
import { repositoryOf } from './repository.ts';
import type { FilesComparison } from '../../domain/recovery/files-comparison.ts';
import { resultOf, runToolboxJob, toolboxScript } from './toolbox.ts';

/** Whether everything is there as it was. */
export function sameFiles({ counts, manifestIntact, errors }: FilesComparison): boolean {
  return manifestIntact && errors.length === 0 && Object.values(counts).every((n) => n === 0);
}

/** One volume of a recovery point, or folders of it, and where they go. */
export interface RestoreTarget {
  /** A claim of `point.files.volumes`. */
  claim: string;
  /** `folder` is made when it is missing; default: the claim's root. Nothing but what is restored should be in it. */
  into: { claim: string; folder?: string };
  /** Folders below the volume's content root; all of it when absent. */
  include?: string[];
}

export interface RestoreFilesInput {
  /** Default: the site's. */
  namespace?: string;
  /** Of the Job; see ToolboxJob. */
  name: string;
  operationId: string;
  point: RecoveryPoint;
  targets: RestoreTarget[];
  /** See ToolboxJob. */
  sameNodeAs?: Record<string, string> | null;
}

const restoreTimeoutMs = 4 * 3_600_000;

const restoreFilesScript = toolboxScript(
  new URL('./scripts/restore-files.sh', import.meta.url),
  'restic',
  'file-manifest',
);
const restoreDatabaseScript = toolboxScript(
  new URL('./scripts/restore-database.sh', import.meta.url),
  'restic',
  'mysql',
);

/**
 * Restores files with their owners and modes and compares every one of them with the point's manifest. What differs is
 * told, not thrown. The same call again after an interruption completes what is missing.
 *
 * @throws NotFound (the point has no files), RepositoryRefused, Unauthorized, NoSpace, Unavailable, JobFailed
 */
export async function restoreFiles(
  deps: RecoveryCoreDeps,
  site: Site,
  input: RestoreFilesInput,
): Promise<FilesComparison> {
  const { point, targets } = input;
  const { files } = point;
  if (files === null) throw failure('NotFound', `Recovery point ${point.id} has no files`);
  const unknown = targets.find(({ claim }) => !files.volumes.some((one) => one.claim === claim));
  if (unknown !== undefined) {
    throw failure('InvalidInput', `Recovery point ${point.id} has no volume ${unknown.claim}`);
  }
  const repository = await repositoryOf(deps, site);
  const claims = [...new Set(targets.map(({ into }) => into.claim))];
  const mountPath = (claim: string) => `/presslift/targets/${claims.indexOf(claim)}`;
  const outcome = await runToolboxJob(siteCluster(deps, site), site, {
    namespace: input.namespace,
    name: input.name,
    operationId: input.operationId,
    script: restoreFilesScript,
    env: {
      ...repository.env,
      SNAPSHOT: files.snapshotId,
      MANIFEST_DIGEST: files.manifestDigest,
      OWNED: 'yes',
    },
    secretFiles: repository.secretFiles,
    inputFiles: {
      'targets.json': JSON.stringify(
        targets.map(({ claim, into, include = [] }) => ({
          claim,
          destination: [mountPath(into.claim), into.folder ?? ''].filter(Boolean).join('/'),
          include,
          root: files.roots?.[claim] ?? null,
        })),
      ),
      unsettled: (files.unsettled ?? []).map((path) => `${path}\n`).join(''),
    },
    volumes: claims.map((claim) => ({ claim, mountPath: mountPath(claim) })),
    sameNodeAs: input.sameNodeAs,
    timeoutMs: restoreTimeoutMs,
  });
  return resultOf<FilesComparison>(outcome, `restoring files of ${point.id}`);
}

export interface RestoreDatabaseInput {
  namespace?: string;
  name: string;
  operationId: string;
  point: RecoveryPoint;
  /** Exists, and is empty or one of those that Presslift makes. */
  schema: string;
  /** Who restores; default: the administrator of the site file. */
  access?: VerifiedConnectionOptions;
  /**
   * For whom triggers, routines, events and views run. `keep`: whom they ran for, or where the account may not name others,
   * the account that restores. An account: that one, whatever the one that restores may do. Default `keep`.
   */
  definers?: 'keep' | DatabaseAccount;
}

/**
 * Restores a dump into a schema and measures what became of it. Events come disabled. What differs is told, not thrown.
 *
 * @throws NotFound (the point has no database), PreconditionFailed (the live schema, or one with tables of others),
 *   RestoreDiffers (the server does not take the dump, or the repository's data is damaged), RepositoryRefused,
 *   Unauthorized, Forbidden, NoSpace, Unavailable, JobFailed
 */
export async function restoreDatabase(
  deps: RecoveryCoreDeps,
  site: Site,
  input: RestoreDatabaseInput,
): Promise<{ manifest: DatabaseManifest; differences: DatabaseDifferences }> {
  const { point, schema } = input;
  const { database } = point;
  if (database === null) throw failure('NotFound', `Recovery point ${point.id} has no database`);
  const access = input.access ?? (await databaseAccess(deps, site, 'admin'));
  const abilities = await withDatabase(access, async (connection) => {
    await refuseOthersSchema(connection, site, schema);
    return abilitiesOf(connection);
  });
  const definers = definersOf(access, input.definers ?? 'keep', abilities.setDefiner);
  const repository = await repositoryOf(deps, site);
  await runToolboxJob(siteCluster(deps, site), site, {
    namespace: input.namespace,
    name: input.name,
    operationId: input.operationId,
    script: restoreDatabaseScript,
    env: {
      ...repository.env,
      SNAPSHOT: database.snapshotId,
      SCHEMA: schema,
      TOTAL: String(database.bytes),
      SESSION: abilities.session,
      ...definers.env,
    },
    secretFiles: { ...repository.secretFiles, ...mysqlFiles(access), ...definers.secretFiles },
    timeoutMs: restoreTimeoutMs,
  });
  const manifest = await measureDatabase(access, schema, (table) =>
    heartbeat({ measuring: table }),
  );
  return { manifest, differences: compareDatabases(database.manifest, manifest) };
}

/** What the script is told of definers. */
function definersOf(
  access: VerifiedConnectionOptions,
  wanted: NonNullable<RestoreDatabaseInput['definers']>,
  setDefiner: boolean,
): { env: Record<string, string>; secretFiles?: Record<string, string> } {
  if (wanted === 'keep') return { env: { DEFINERS: setDefiner ? 'keep' : 'strip' } };
  const { username } = wanted;
  if (!/^\w+$/.test(username)) throw failure('InvalidInput', `${username} cannot own a restore`);
  if (setDefiner) return { env: { DEFINERS: 'give', OWNER: `\`${username}\`@\`%\`` } };
  const { 'client.cnf': owner = '' } = mysqlFiles({ ...access, account: wanted });
  return { env: { DEFINERS: 'apart' }, secretFiles: { 'owner.cnf': owner } };
}

/** Nothing of somebody else is overwritten: a dump drops the tables that it brings. */
async function refuseOthersSchema(
  connection: Connection,
  site: Site,
  schema: string,
): Promise<void> {
  if (schema === site.database.name) {
    throw failure('PreconditionFailed', `${schema} is the live database of ${site.name}`);
  }
  const [schemas] = await connection.query<RowDataPacket[]>(
    'SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?',
    [schema],
  );
  if (schemas.length === 0) throw failure('NotFound', `There is no database ${schema}`);
  // What an interrupted attempt has left is written over.
  if ([drillDatabasePrefix, rollbackDatabasePrefix].some((prefix) => schema.startsWith(prefix))) {
    return;
  }
  const [tables] = await connection.query<RowDataPacket[]>(
    'SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? LIMIT 1',
    [schema],
  );
  if (tables.length > 0) throw failure('PreconditionFailed', `Database ${schema} is not empty`);
}

/** What the account may do that not every administrator of a managed database may. */
async function abilitiesOf(
  connection: Connection,
): Promise<{ setDefiner: boolean; session: string }> {
  const [grants] = await connection.query<RowDataPacket[]>('SHOW GRANTS');
  const text = grants.map((row) => String(Object.values(row)[0])).join('\n');
  const setDefiner =
    /\b(SET_ANY_DEFINER|SET_USER_ID|SUPER|SET USER)\b/.test(text) ||
    /GRANT ALL PRIVILEGES ON \*\.\*/.test(text);
  // Tables of plugins without a primary key are refused otherwise where the server demands one.
  const session = 'SET SESSION sql_require_primary_key = OFF';
  const allowed = await connection.query(session).then(
    () => true,
    () => false,
  );
  return { setDefiner, session: allowed ? session : '' };
}
