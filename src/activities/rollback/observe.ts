import type { Json } from '../../domain/json.ts';
import type {
  RollbackFacts,
  ExtensionFacts,
  DatabaseFacts,
} from '../../domain/planners/rollback-facts.ts';
import { extensionOptions } from '../../domain/planners/rollback-situation.ts';
import { extensionFolders, liveTrees } from '../../domain/planners/rollback-trees.ts';
import type { RecoveryPoint, RollbackLayer } from '../../domain/recovery/point.ts';
import type { RollbackRequest } from '../../domain/recovery/request.ts';
import type { Site } from '../../domain/site/schema.ts';
import { cancellationSignal } from '../activity-context.ts';
import { failureTypeOf } from '../failure.ts';
import { readDeployment } from '../kubernetes/site-objects.ts';
import { choosePoint, openCatalogue, type Catalogue } from '../recovery/catalogue.ts';
import { databaseAccess, withDatabase } from '../recovery/database.ts';
import { databaseInUse } from '../recovery/database-in-use.ts';
import { siteCluster } from '../recovery/deps.ts';
import { openBrowser } from '../wordpress-admin/browser.ts';
import { isFatal } from '../wordpress-admin/pages.ts';
import { appFacts } from './app.ts';
import type { PageReader, RollbackDeps } from './deps.ts';
import { keptDatabases } from './kept.ts';
import { countLosses, prefixAmong } from './losses.ts';
import { onePhpPod } from '../kubernetes/php-pods.ts';
import { stuckRollout } from './pods.ts';
import { tablesOf } from './sql.ts';
import { claimsOf, compareTrees, keptTrees, pointTrees } from './trees.ts';

interface Asked {
  site: Site;
  operationId: string;
  request: RollbackRequest;
}

/** Everything that the planner needs. Only a comparison Job runs in the cluster; nothing is changed. */
export async function observeRollback(deps: RollbackDeps, asked: Asked): Promise<RollbackFacts> {
  const { site, request } = asked;
  const k = siteCluster(deps, site);
  const deployment = await readDeployment(k, site);
  const nothing = emptyFacts(deployment, deps.now().toISOString());
  if (request.release === true) return { ...nothing, kept: await whatIsKept(deps, asked, nothing) };

  const known = await fromCatalogue(deps, asked);
  const { point } = known;
  const wants = (layer: RollbackLayer) =>
    request.layers?.includes(layer) ?? (request.databaseTime === undefined && layer !== 'database');
  const wordpress = await askWordPress(deps, site, point);
  const database =
    wants('database') || request.databaseTime !== undefined
      ? await databaseOf(deps, site, point, request.databaseTime)
      : nothing.database;
  return {
    ...nothing,
    ...known,
    stuck: deployment === null ? null : await stuckRollout(k, site),
    ...wordpress,
    extensions: wants('plugins-themes')
      ? await extensionsOf(deps, asked, point, nothing)
      : nothing.extensions,
    app: point?.app == null ? nothing.app : await appFacts(k, site, point.app, deployment),
    database,
    inUse: await databaseInUse(deps, site, deployment?.spec?.template),
    frontPage: await lookAtSite(deps, site, database.tables === null ? null : point),
    ...(wants('cdn') && (await cdnOf(deps, asked, point))),
  };
}

function emptyFacts(deployment: RollbackFacts['deployment'], observedAt: string): RollbackFacts {
  return {
    observedAt,
    point: null,
    passedOver: [],
    state: null,
    drill: null,
    deployment,
    stuck: null,
    frontPage: { good: true, seen: 'not looked at' },
    extensions: { trees: [], comparisons: [], error: null, listing: null },
    options: null,
    wordpressError: null,
    app: { objects: null, configMap: null, running: [], missingSecrets: [] },
    database: { tables: null, error: null, losses: null },
    inUse: { hosts: [], same: null },
    cdn: null,
    cdnError: null,
    cdnRules: { differences: [], gone: [] },
    kept: [],
  };
}

/** The point that is meant, what is known of it, and the newest drill that passed. */
async function fromCatalogue(deps: RollbackDeps, { site, request }: Asked) {
  const { point: id, databaseTime, layers } = request;
  const catalogue = await openCatalogue(deps, site);
  try {
    // A point in time needs no recovery point.
    const needless =
      id === undefined &&
      databaseTime !== undefined &&
      (layers ?? ['database']).every((layer) => layer === 'database');
    const { point, passedOver } = needless
      ? { point: null, passedOver: [] }
      : await choosePoint(catalogue, id ?? null);
    return {
      point,
      passedOver,
      state: point === null ? null : await catalogue.state(point.id),
      drill: await newestDrill(catalogue),
    };
  } finally {
    catalogue.close();
  }
}

async function newestDrill(catalogue: Catalogue) {
  return (await catalogue.reports(30)).filter(({ pass }) => pass).at(-1) ?? null;
}

/** Options as the database has them; null, with the reason, where WordPress does not start. */
async function askWordPress(
  deps: RollbackDeps,
  site: Site,
  point: RecoveryPoint | null,
): Promise<Pick<RollbackFacts, 'options' | 'wordpressError'>> {
  try {
    const names = new Set([...Object.keys(point?.wordpress?.options ?? {}), ...extensionOptions]);
    return { options: await readOptions(deps, site, [...names]), wordpressError: null };
  } catch (error) {
    return { options: null, wordpressError: reasonOf(error) };
  }
}

export async function readOptions(
  deps: RollbackDeps,
  site: Site,
  names: string[],
): Promise<Record<string, Json>> {
  const pod = await onePhpPod(siteCluster(deps, site), site);
  return (await deps.agent.run(site, pod, 'options-read', { names })) as Record<string, Json>;
}

/** Digest of paths, sizes and times of plugins and themes as a pod sees them. */
export async function extensionListing(deps: RollbackDeps, site: Site): Promise<string> {
  const pod = await onePhpPod(siteCluster(deps, site), site);
  const folders = [...extensionFolders];
  return (await deps.agent.run(site, pod, 'extension-listing', { folders })) as string;
}

async function extensionsOf(
  deps: RollbackDeps,
  { site, operationId }: Asked,
  point: RecoveryPoint | null,
  { deployment }: RollbackFacts,
): Promise<ExtensionFacts> {
  const template = deployment?.spec?.template;
  if (template === undefined || point === null || point.files === null) {
    return { trees: [], comparisons: [], error: null, listing: null };
  }
  const { container } = site.cluster;
  const trees = liveTrees(template, container, site.wordpress.documentRoot);
  const listing = await extensionListing(deps, site).catch((error: unknown) => {
    reasonOf(error);
    return null;
  });
  try {
    const paired = pointTrees(point, trees);
    const comparisons = await compareTrees(deps, site, { operationId, point, trees: paired });
    return { trees, comparisons, error: null, listing };
  } catch (error) {
    return { trees, comparisons: [], error: reasonOf(error), listing };
  }
}

async function databaseOf(
  deps: RollbackDeps,
  site: Site,
  point: RecoveryPoint | null,
  time: string | undefined,
): Promise<DatabaseFacts> {
  try {
    return await withDatabase(await databaseAccess(deps, site, 'site'), async (connection) => {
      const { name } = site.database;
      const since = time ?? point?.takenAt ?? deps.now().toISOString();
      const tables = await tablesOf(connection, name);
      const prefix =
        (await livePrefix(deps, site)) ??
        prefixAmong(tables) ??
        point?.wordpress?.tablePrefix ??
        null;
      if (prefix === null) {
        const error = `WordPress does not answer, and no table prefix follows from the tables of ${name}`;
        return { tables, error, losses: null };
      }
      return { tables, error: null, losses: await countLosses(connection, name, prefix, since) };
    });
  } catch (error) {
    return { tables: null, error: reasonOf(error), losses: null };
  }
}

/** The table prefix as WordPress in a pod has it; null where none answers. */
async function livePrefix(deps: RollbackDeps, site: Site): Promise<string | null> {
  try {
    const pod = await onePhpPod(siteCluster(deps, site), site);
    return (await deps.agent.facts(site, pod)).tablePrefix;
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

async function cdnOf(
  deps: RollbackDeps,
  { site, operationId }: Asked,
  point: RecoveryPoint | null,
): Promise<Partial<RollbackFacts>> {
  try {
    const cdn = await deps.describeCdn({ site });
    if (cdn === null || point === null) return { cdn };
    const cdnRules = await deps.compareCdnRules({ site, operationId, point, now: cdn });
    return { cdn, cdnRules };
  } catch (error) {
    return { cdn: null, cdnError: reasonOf(error) };
  }
}

async function whatIsKept(
  deps: RollbackDeps,
  { site, operationId }: Asked,
  { deployment }: RollbackFacts,
): Promise<RollbackFacts['kept']> {
  const databases =
    site.database.adminCredentials === undefined
      ? []
      : await withDatabase(await databaseAccess(deps, site, 'admin'), (connection) =>
          keptDatabases(connection, site),
        );
  const template = deployment?.spec?.template;
  if (template === undefined) return databases;
  const trees = liveTrees(template, site.cluster.container, site.wordpress.documentRoot);
  const claims = claimsOf(template, site, trees);
  return [...databases, ...(await keptTrees(deps, site, { operationId, claims }))];
}

/** A page as an anonymous visitor gets it. */
export function pageReader(deps: RollbackDeps, site: Site): PageReader {
  if (deps.openVisitor !== undefined) return deps.openVisitor(site);
  return openBrowser({
    baseUrl: `https://${site.hosts.names[0]}`,
    signal: cancellationSignal(),
    timeoutMs: 20_000,
  });
}

/**
 * Whether visitors get the site.
 * @param point where given, its post is asked for too: a front page may do without a table that a post needs.
 */
export async function lookAtSite(
  deps: RollbackDeps,
  site: Site,
  point: RecoveryPoint | null,
): Promise<RollbackFacts['frontPage']> {
  const reader = pageReader(deps, site);
  try {
    const post = point?.wordpress?.samples.post?.path;
    let seen = '';
    for (const path of ['/', ...(post === undefined ? [] : [post])]) {
      const { status, html } = await reader.get(path);
      const whole = /<\/html>\s*(<!--[\s\S]*?-->\s*)*$/i.test(html);
      seen = `status ${status} at ${path}${whole ? '' : ', the page is not whole'}`;
      if (status !== 200 || !whole || isFatal({ path, status, html })) return { good: false, seen };
    }
    return { good: true, seen };
  } catch (error) {
    return { good: false, seen: reasonOf(error) };
  } finally {
    await reader.close();
  }
}

/** The sentence of a failure; what is none of the table is thrown on, and so is a cancellation. */
export function reasonOf(error: unknown): string {
  cancellationSignal()?.throwIfAborted();
  if (failureTypeOf(error) === null) throw error;
  return (error as Error).message;
}
