import { createHash } from 'node:crypto';
import { operationKey } from '../kubernetes/names.ts';
import type { Change } from '../plan.ts';
import { keptDatabasePrefix, rollbackDatabasePrefix } from '../recovery/request.ts';
import type { Site } from '../site/schema.ts';

/** Folder at the root of a claim under which Presslift keeps what is not the site's. */
export const claimFolder = '.presslift';

/** The longest name of a schema is 64 characters; the longest prefix and an operation's key leave this. */
const longestSlug = 32;

/** The site in names of schemas: no two sites have the same, because site names hold no underscore. */
export function siteSlug(site: Pick<Site, 'name'>): string {
  const slug = site.name.replaceAll('-', '_');
  if (slug.length <= longestSlug) return slug;
  const hash = createHash('sha256').update(site.name).digest('hex').slice(0, 8);
  return `${slug.slice(0, longestSlug - 9)}_${hash}`;
}

/**
 * What a rollback names its things after: the workflow's id and its run, as the plan has it in every change. An id can be used
 * again, and what an earlier run has kept under it is not this run's.
 */
export function executionOf({ params }: Pick<Change, 'params'>, operationId: string): string {
  const { execution } = params;
  return typeof execution === 'string' ? execution : operationId;
}

/**
 * Schemas of one rollback: the restored one before the switch, and where the old tables are kept after it. Their names
 * follow from its execution, so that a retry finds what an earlier attempt has made.
 */
export function rollbackSchemas(
  site: Pick<Site, 'name'>,
  execution: string,
): { staged: string; kept: string } {
  const id = `${siteSlug(site)}_${operationKey(execution)}`;
  return { staged: `${rollbackDatabasePrefix}${id}`, kept: `${keptDatabasePrefix}${id}` };
}

/** The key of the rollback that made a schema for this site, or null when the schema is somebody else's. */
export function rollbackOfSchema(site: Pick<Site, 'name'>, schema: string): string | null {
  for (const prefix of [rollbackDatabasePrefix, keptDatabasePrefix]) {
    const start = `${prefix}${siteSlug(site)}_`;
    const key = schema.slice(start.length);
    if (schema.startsWith(start) && /^[0-9a-f]{12}$/.test(key)) return key;
  }
  return null;
}

/** Folder of one rollback on a claim: restored trees in `staged`, the old ones in `kept`. */
export function rollbackFolder(execution: string): string {
  return `${claimFolder}/rollback-${operationKey(execution)}`;
}

/** The key of the rollback that made a folder of a claim, or null when it is something else. */
export function rollbackOfFolder(folder: string): string | null {
  return /^\.presslift\/rollback-([0-9a-f]{12})$/.exec(folder)?.[1] ?? null;
}
