import type { Connection } from 'mysql2/promise';
import type { KeptThing } from '../../domain/planners/rollback-facts.ts';
import { rollbackOfFolder, rollbackOfSchema } from '../../domain/planners/rollback-names.ts';
import { keptDatabasePrefix, rollbackDatabasePrefix } from '../../domain/recovery/request.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeResult, RollbackActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { databaseAccess, withDatabase } from '../recovery/database.ts';
import { dropSchema } from './database.ts';
import type { RollbackDeps } from './deps.ts';
import { rowsOf } from './sql.ts';
import { deleteTrees } from './trees.ts';

/** Deletes what a rollback has kept, when a person has asked for it. */
export function createKept(deps: RollbackDeps): Pick<RollbackActivities, 'deleteKept'> {
  return {
    async deleteKept({ site, operationId, change }): Promise<ChangeResult> {
      const { kind, schemas, claim, folder } = change.params;
      if (kind === 'database' && Array.isArray(schemas)) {
        const names = schemas.map((name) => {
          if (typeof name === 'string' && rollbackOfSchema(site, name) !== null) return name;
          throw failure(
            'InvalidInput',
            `${JSON.stringify(name)} is no schema that a rollback has kept`,
          );
        });
        return withDatabase(await databaseAccess(deps, site, 'admin'), async (connection) => {
          const dropped: string[] = [];
          for (const name of names) if (await dropSchema(connection, name)) dropped.push(name);
          return { dropped };
        });
      }
      if (kind === 'tree' && typeof claim === 'string' && typeof folder === 'string') {
        if (rollbackOfFolder(folder) === null) {
          throw failure('InvalidInput', `${folder} is no folder that a rollback has kept`);
        }
        return deleteTrees(deps, site, { operationId, claim, folder, mode: 'delete' });
      }
      throw failure('InvalidInput', `The change ${change.id} names nothing that is kept`);
    },
  };
}

/** Schemas that rollbacks of this site have left on the server, both of one rollback together. */
export async function keptDatabases(connection: Connection, site: Site): Promise<KeptThing[]> {
  const rows = await rowsOf<{ name: string; bytes: number | string; tables: number }>(
    connection,
    `SELECT s.SCHEMA_NAME AS name, CAST(IFNULL(SUM(t.DATA_LENGTH + t.INDEX_LENGTH), 0) AS UNSIGNED) AS bytes,
      COUNT(t.TABLE_NAME) AS tables
      FROM information_schema.SCHEMATA s LEFT JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = s.SCHEMA_NAME
      WHERE LEFT(s.SCHEMA_NAME, ?) = ? OR LEFT(s.SCHEMA_NAME, ?) = ?
      GROUP BY s.SCHEMA_NAME ORDER BY s.SCHEMA_NAME`,
    [
      keptDatabasePrefix.length,
      keptDatabasePrefix,
      rollbackDatabasePrefix.length,
      rollbackDatabasePrefix,
    ],
  );
  const byRollback = new Map<string, Extract<KeptThing, { kind: 'database' }>>();
  for (const { name, bytes, tables } of rows) {
    const key = rollbackOfSchema(site, name);
    if (key === null) continue;
    const entry = byRollback.get(key) ?? { kind: 'database', schemas: [], bytes: 0, tables: 0 };
    entry.schemas.push(name);
    entry.bytes += Number(bytes);
    entry.tables += Number(tables);
    byRollback.set(key, entry);
  }
  return [...byRollback.values()];
}
