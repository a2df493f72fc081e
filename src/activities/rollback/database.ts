import type { Connection } from 'mysql2/promise';
import type { JsonObject } from '../../domain/json.ts';
import { operationKey } from '../../domain/kubernetes/names.ts';
import { rollbackOfSchema } from '../../domain/planners/rollback-names.ts';
import { describeDifferences, sameDatabases } from '../../domain/recovery/database-manifest.ts';
import type { RecoveryPoint } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeInput, ChangeResult, RollbackActivities } from '../contracts.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { databaseAccess, withDatabase } from '../recovery/database.ts';
import { siteCluster } from '../recovery/deps.ts';
import { restoreDatabase } from '../recovery/restore.ts';
import { readJournal, type Journal } from './database-journal.ts';
import { whereabouts } from './database-moves.ts';
import { switchBack, switchToPoint, type Schemas } from './database-switch.ts';
import type { RollbackDeps } from './deps.ts';
import { onePhpPod } from '../kubernetes/php-pods.ts';
import { quoted, rowsOf, schemaExists, setReadOnly, setReadOnlyIfThere, word } from './sql.ts';

type DatabaseChanges = Pick<
  RollbackActivities,
  'stageDatabase' | 'unstageDatabase' | 'switchDatabase' | 'switchDatabaseBack'
>;

/** The database: the dump restored into a schema of its own and compared, then its tables exchanged with the live ones. */
export function createDatabase(deps: RollbackDeps): DatabaseChanges {
  const asAdmin = async <T>(site: Site, use: (connection: Connection) => Promise<T>) =>
    withDatabase(await databaseAccess(deps, site, 'admin'), use);
  const now = () => deps.now().toISOString();

  return {
    async stageDatabase(input): Promise<ChangeResult> {
      const { site, operationId } = input;
      const schemas = schemasOf(input);
      const point = await pointOf(deps, input);
      if (point.database === null) {
        throw failure('NotFound', `Recovery point ${point.id} has no database`);
      }
      const { charset, collation } = point.database.manifest;
      const switched = await asAdmin(site, async (connection) => {
        const journal = await readJournal(connection, schemas.kept);
        if (journal?.switchingAt != null && journal.returnedAt === null) return true;
        await connection.query(
          `CREATE DATABASE IF NOT EXISTS ${quoted(schemas.staged)} CHARACTER SET ${word(charset)} COLLATE ${word(collation)}`,
        );
        return false;
      });
      if (switched) return { staged: false, why: 'the tables are switched already' };
      const { manifest, differences } = await restoreDatabase(deps, site, {
        name: `${site.cluster.deployment}-rollback-database-${operationKey(operationId)}`,
        operationId,
        point,
        schema: schemas.staged,
      });
      if (!sameDatabases(differences)) {
        throw failure(
          'RestoreDiffers',
          `The database of ${point.id} was not restored as it was: ${describeDifferences(differences).join(', ')}`,
        );
      }
      return {
        schema: schemas.staged,
        tables: manifest.tables.length,
        rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
      };
    },

    async unstageDatabase(input) {
      const { site } = input;
      const schemas = schemasOf(input);
      return asAdmin(site, async (connection): Promise<ChangeResult> => {
        const journal = await readJournal(connection, schemas.kept);
        const at = await whereabouts(connection, schemas);
        if (at.kept.size > 0) {
          throw failure('PreconditionFailed', `The site's old tables are still in ${schemas.kept}`);
        }
        if (journal?.leftAt != null) {
          // Whatever visitors wrote while these tables served the site is theirs: no list of what that may be is ever whole.
          // The journal stays too: by it another attempt knows, and `--release` finds both.
          await setReadOnlyIfThere(connection, schemas.staged, true);
          return { dropped: false, kept: schemas.staged, served: servedTime(journal) };
        }
        await dropSchema(connection, schemas.staged);
        await dropSchema(connection, schemas.kept);
        return { dropped: true };
      });
    },

    async switchDatabase(input) {
      const { site, change } = input;
      const { point = null } = change.params;
      const schemas = schemasOf(input);
      const result = await asAdmin(site, (connection) => switchToPoint(connection, schemas, now()));
      return {
        ...plainJson(result),
        keptIn: schemas.kept,
        rightsGiven: await giveRights(deps, site),
        wordpressSeesKept: await siteSees(deps, site, schemas.kept),
        cache: await askWordPress(deps, site, 'flush-cache'),
        // The dump holds the hold on plugin updates under which it was taken, and nobody else would give that back.
        updates: await askWordPress(deps, site, 'release-updates', { point }),
      };
    },

    async switchDatabaseBack(input) {
      const { site } = input;
      const schemas = schemasOf(input);
      const result = await asAdmin(site, (connection) => switchBack(connection, schemas, now()));
      return { ...plainJson(result), cache: await askWordPress(deps, site, 'flush-cache') };
    },
  };
}

const servedTime = ({ switchingAt, leftAt }: Journal): ChangeResult => ({
  from: switchingAt,
  to: leftAt,
});

/** Drops a schema of this site's rollbacks, read-only or not. */
export async function dropSchema(connection: Connection, schema: string): Promise<boolean> {
  if (!(await schemaExists(connection, schema))) return false;
  await setReadOnly(connection, schema, false);
  await connection.query(`DROP DATABASE IF EXISTS ${quoted(schema)}`);
  return true;
}

/** The three schemas; those of the change must be ones that a rollback of this site makes. */
function schemasOf({ site, change }: ChangeInput): Schemas {
  const { staged, kept } = change.params;
  const own = (name: unknown): name is string =>
    typeof name === 'string' && rollbackOfSchema(site, name) !== null;
  if (!own(staged) || !own(kept)) {
    throw failure('InvalidInput', `The change ${change.id} names no schemas of a rollback`);
  }
  return { live: site.database.name, staged, kept };
}

async function pointOf(deps: RollbackDeps, { site, change }: ChangeInput): Promise<RecoveryPoint> {
  const { point } = change.params;
  if (typeof point !== 'string')
    throw failure('InvalidInput', 'The change names no recovery point');
  const catalogue = await openCatalogue(deps, site);
  try {
    return await catalogue.read(point);
  } finally {
    catalogue.close();
  }
}

/** Whether WordPress's own account has any right on a schema: it should not even see it. */
async function siteSees(deps: RollbackDeps, site: Site, schema: string): Promise<boolean> {
  return withDatabase(await databaseAccess(deps, site, 'site'), async (connection) => {
    const rows = await rowsOf(
      connection,
      'SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?',
      [schema],
    );
    return rows.length > 0;
  });
}

/** A schema that was gone may have taken the rights on it along; an account that has any keeps those. */
async function giveRights(deps: RollbackDeps, site: Site): Promise<boolean> {
  if (await siteSees(deps, site, site.database.name)) return false;
  const user = await deps.secrets.resolve(site.database.credentials, 'username');
  await withDatabase(await databaseAccess(deps, site, 'admin'), async (connection) => {
    const accounts = await rowsOf<{ host: string }>(
      connection,
      'SELECT host AS host FROM mysql.user WHERE user = ?',
      [user],
    );
    for (const { host } of accounts) {
      const account = `${connection.escape(user)}@${connection.escape(host)}`;
      await connection.query(
        `GRANT ALL PRIVILEGES ON ${quoted(site.database.name)}.* TO ${account}`,
      );
    }
  });
  return true;
}

/**
 * What WordPress has to hear of other tables: an object cache outside of PHP still holds rows of those before. Where it does not
 * start it hears nothing, and `why` says so.
 */
async function askWordPress(
  deps: RollbackDeps,
  site: Site,
  operation: 'flush-cache' | 'release-updates',
  parameters: JsonObject = {},
): Promise<ChangeResult> {
  try {
    const pod = await onePhpPod(siteCluster(deps, site), site);
    return (await deps.agent.run(site, pod, operation, parameters)) as ChangeResult;
  } catch (error) {
    if (failureTypeOf(error) === null) throw error;
    return { asked: false, why: (error as Error).message };
  }
}

function plainJson(value: object): ChangeResult {
  return JSON.parse(JSON.stringify(value)) as ChangeResult;
}
