import type { Connection } from 'mysql2/promise';
import type { CriterionResult } from '../../domain/criterion.ts';
import { digestOf } from '../../domain/digest.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { Change } from '../../domain/plan.ts';
import { liveAppShown } from '../../domain/planners/rollback-app.ts';
import { executionOf } from '../../domain/planners/rollback-names.ts';
import { pickExtensionOptions } from '../../domain/planners/rollback-situation.ts';
import { compareDatabases } from '../../domain/recovery/database-manifest.ts';
import type { CdnRulesetRef, DatabaseManifest } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { VerifyInput } from '../contracts.ts';
import { heartbeat } from '../activity-context.ts';
import { failure } from '../failure.ts';
import { isUsable, listPods, requireDeployment, selectorOf } from '../kubernetes/site-objects.ts';
import { allSame, criterion, type Measurement } from '../hybrid-storage/verify/criteria.ts';
import { forkedDatabaseAccess } from '../managed-database/index.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { databaseAccess, measureDatabase, withDatabase } from '../recovery/database.ts';
import { serverOf, serverOfPods } from '../recovery/database-in-use.ts';
import { siteCluster } from '../recovery/deps.ts';
import type { RollbackDeps } from './deps.ts';
import { keptDatabases } from './kept.ts';
import { readOptions, reasonOf } from './observe.ts';
import { phpPods } from '../kubernetes/php-pods.ts';
import { quoted, rowsOf } from './sql.ts';
import { keptTrees } from './trees.ts';

/** Every layer that went back, measured on the live site. */
export async function verifyRolledBackLayers(
  deps: RollbackDeps,
  input: VerifyInput,
): Promise<CriterionResult[]> {
  const results: CriterionResult[] = [];
  const { changes } = input.plan;
  const tables = changes.some(({ id }) => id === 'switch-database');
  for (const change of changes) {
    // The database that came after them has options of its own, which are compared with it.
    if (change.id === 'restore-options' && tables) continue;
    const check = checks[change.id.startsWith('delete-kept-') ? 'delete-kept' : change.id];
    if (check !== undefined) results.push(...(await check(deps, input, change)));
    const { wantedOptions } = change.params;
    if (wantedOptions !== undefined) results.push(await compareOptions(deps, input, wantedOptions));
  }
  return results;
}

type Check = (deps: RollbackDeps, input: VerifyInput, change: Change) => Promise<CriterionResult[]>;

const checks: Record<string, Check> = {
  'switch-extensions': async (deps, input, change) => [
    await criterion(
      'extensions-as-in-point',
      'Every pod serves plugins and themes as the recovery point has them',
      change.after,
      () => measureTrees(deps, input, change),
    ),
  ],
  'restore-options': async (deps, input, { after }) => [await compareOptions(deps, input, after)],
  'restore-app': async (deps, input, change) => [
    await criterion(
      'app-as-in-point',
      'Every pod runs the images of the recovery point',
      (change.after as { images?: Json } | null)?.images ?? null,
      () => measureApp(deps, input, change),
    ),
  ],
  'switch-database': measureSwitchedDatabase,
  'move-to-forked-database': async (deps, input, change) => [
    await criterion(
      'database-as-of-time',
      'The site uses a database that ends at the wanted second',
      textOf(change.params, 'time'),
      () => measureFork(deps, input, change),
    ),
  ],
  'restore-cdn-rules': async (deps, { site }, { params }) => [
    await criterion(
      'cdn-rules-as-in-point',
      'The rules at the edge are as they were',
      'same rules',
      async () => {
        const wanted = params['rulesets'] as unknown as CdnRulesetRef[];
        const now = (await deps.describeCdn({ site }))?.rulesets ?? [];
        const wrong = wanted
          .filter(({ phase, digest }) => now.find((one) => one.phase === phase)?.digest !== digest)
          .map(({ phase }) => phase);
        return {
          measured: wrong.length === 0 ? 'same rules' : `other rules in ${wrong.join(', ')}`,
          pass: wrong.length === 0 && wanted.length > 0,
          evidence: JSON.parse(JSON.stringify(now)) as Json,
        };
      },
    ),
  ],
  'delete-kept': async (deps, { site, operationId }, { id, target, params }) => [
    await criterion(`${id}-is-gone`, `${target} is gone`, 'gone', async () => {
      const left =
        params['kind'] === 'tree'
          ? await keptTrees(deps, site, { operationId, claims: [textOf(params, 'claim')] })
          : await withDatabase(await databaseAccess(deps, site, 'admin'), (connection) =>
              keptDatabases(connection, site),
            );
      const there = left.some((thing) =>
        thing.kind === 'tree'
          ? thing.folder === params['folder']
          : (params['schemas'] as string[]).some((name) => thing.schemas.includes(name)),
      );
      return { measured: there ? 'still there' : 'gone', pass: !there, evidence: null };
    }),
  ],
};

function compareOptions(
  deps: RollbackDeps,
  { site }: VerifyInput,
  wanted: Json,
): Promise<CriterionResult> {
  return criterion(
    'options-as-in-point',
    'Active plugins and theme are as they were',
    wanted,
    async () => {
      const measured = await readOptions(deps, site, Object.keys((wanted ?? {}) as JsonObject));
      return { measured, pass: digestOf(measured) === digestOf(wanted), evidence: null };
    },
  );
}

async function measureTrees(
  deps: RollbackDeps,
  { site }: VerifyInput,
  { after }: Change,
): Promise<Measurement> {
  const wanted = after as Record<string, { digest: string }>;
  const folders = Object.keys(wanted);
  const seen: Record<string, Json> = {};
  let right = 0;
  const pods = (await phpPods(siteCluster(deps, site), site)).filter(({ ready }) => ready);
  for (const { name } of pods) {
    const digests = await deps.agent.treeDigests(site, name, folders);
    seen[name] = JSON.parse(JSON.stringify(digests)) as Json;
    if (folders.every((folder) => digests[folder]?.digest === wanted[folder]?.digest)) right += 1;
  }
  return {
    measured: `${right} of ${pods.length} pods`,
    pass: pods.length > 0 && right === pods.length && allSame(seen),
    evidence: seen,
  };
}

async function measureApp(
  deps: RollbackDeps,
  { site }: VerifyInput,
  { after, params }: Change,
): Promise<Measurement> {
  const k = siteCluster(deps, site);
  const deployment = await requireDeployment(k, site);
  const live = liveAppShown(deployment) as { images: Json; template: Json };
  const wanted = after as { images: Json; template: Json };
  const pods = (await listPods(k, site, selectorOf(deployment))).filter(isUsable);
  const { replicas = 1 } = deployment.spec ?? {};
  const updated = deployment.status?.updatedReplicas ?? 0;
  const digests = (params['digests'] ?? {}) as Record<string, string>;
  const running = (await phpPods(k, site)).filter(({ ready }) => ready);
  const others = running
    .filter(({ images }) => Object.entries(digests).some(([name, then]) => images[name] !== then))
    .map(({ name, images }) => ({ pod: name, images }));
  return {
    measured: live.images,
    pass:
      others.length === 0 &&
      digestOf(live.template) === digestOf(wanted.template) &&
      pods.length >= replicas &&
      updated >= replicas,
    evidence: { ready: pods.length, updated, wanted: replicas, digests, otherImages: others },
  };
}

/** Nothing removes rows of these by itself. */
const lasting = /(?:users|terms|term_taxonomy|wc_orders|woocommerce_order_items)$/;

/**
 * How many rows of a table may go while the site runs (expired transients, closed sessions, drafts that nobody wanted) without
 * one being lost: none where nothing removes any, and never half of a table.
 *
 * @param rows how many the recovery point has.
 */
export function mayBeMissing(table: string, rows: number): number {
  if (lasting.test(table)) return 0;
  return Math.min(Math.max(10, Math.floor(rows / 100)), Math.max(0, Math.ceil(rows / 2) - 1));
}

async function measureSwitchedDatabase(
  deps: RollbackDeps,
  { site }: VerifyInput,
  { params }: Change,
): Promise<CriterionResult[]> {
  const catalogue = await openCatalogue(deps, site);
  let expected: DatabaseManifest;
  let options: Record<string, Json>;
  try {
    const point = await catalogue.read(textOf(params, 'point'));
    if (point.database === null) throw failure('NotFound', `${point.id} has no database`);
    expected = point.database.manifest;
    options = point.wordpress?.options ?? {};
  } finally {
    catalogue.close();
  }
  const found = await measureDatabase(
    await databaseAccess(deps, site, 'admin'),
    site.database.name,
    (table) => heartbeat({ measuring: table }),
  );
  const differences = compareDatabases(expected, found);
  const fewer = differences.rows.filter(
    ({ table, expected: then, found: now }) => then - now > mayBeMissing(table, then),
  );
  const { missingTables, structure, triggers, routines, events, views, charset } = differences;
  const wrong = { missingTables, structure, triggers, routines, events, views };
  return [
    await criterion(
      'database-as-in-point',
      'The site has every table, trigger, routine, event and view of the recovery point',
      'all of them',
      async () => ({
        measured: Object.values(wrong).reduce((sum, list) => sum + list.length, 0),
        pass: Object.values(wrong).every((list) => list.length === 0) && charset === null,
        evidence: { ...wrong, charset: charset as unknown as Json, tables: found.tables.length },
      }),
    ),
    await criterion('rows-as-in-point', 'No table has lost rows', 0, async () => ({
      measured: fewer.length,
      pass: fewer.length === 0,
      evidence: {
        fewer: fewer as unknown as Json,
        // Compared before the exchange, row by row; what differs now was written since.
        writtenSince: [...differences.changed, ...differences.rows.map(({ table }) => table)],
      },
    })),
    await criterion(
      'options-as-in-point',
      'Active plugins and theme are as they were',
      pickExtensionOptions(options),
      async () => {
        const names = Object.keys(pickExtensionOptions(options));
        const now = pickExtensionOptions(await readOptions(deps, site, names));
        return {
          measured: now,
          pass: digestOf(now) === digestOf(pickExtensionOptions(options)),
          evidence: null,
        };
      },
    ),
  ];
}

/**
 * WordPress in the pods meets the new cluster; nothing in that is younger than the wanted second and older than the move, and it
 * has what the old cluster has from before that second.
 */
async function measureFork(
  deps: RollbackDeps,
  { site, operationId, visitors }: VerifyInput,
  change: Change,
): Promise<Measurement> {
  const time = textOf(change.params, 'time');
  const execution = executionOf(change, operationId);
  const access = await forkedDatabaseAccess(deps, site, execution, time);
  if (access === null) throw failure('NotFound', 'Nothing is known of the forked database');
  const prefix = await prefixOf(deps, site);
  const until = visitors?.from ?? deps.now().toISOString();
  const schema = site.database.name;
  const { server, ...fork } = await withDatabase(access, async (connection) => ({
    server: await serverOf(connection),
    younger: await youngerPosts(connection, schema, prefix, time, until),
    newest: await newestBefore(connection, schema, prefix, time),
  }));
  const met = await serverOfPods(deps, site);
  const source = await newestInSource(deps, site, prefix, time);
  const behind = Object.entries(source ?? {})
    .filter(([table, id]) => id > (fork.newest[table] ?? 0))
    .map(([table]) => table);
  return {
    measured: fork.younger.newest,
    pass:
      fork.younger.newest !== null &&
      fork.younger.count === 0 &&
      met === server &&
      behind.length === 0,
    evidence: {
      host: access.host,
      younger: fork.younger.count,
      podsUseIt: met === server,
      newestIds: { fork: fork.newest, source },
      behind,
    },
  };
}

const sqlTime = (iso: string) => new Date(iso).toISOString().slice(0, 19).replace('T', ' ');

async function youngerPosts(
  connection: Connection,
  schema: string,
  prefix: string,
  time: string,
  until: string,
): Promise<{ count: number; newest: string | null }> {
  const [row] = await rowsOf<{ younger: number; newest: string | null }>(
    connection,
    `SELECT COUNT(CASE WHEN post_modified_gmt > ? AND post_modified_gmt < ? THEN 1 END) AS younger,
      CAST(MAX(post_modified_gmt) AS CHAR) AS newest FROM ${quoted(schema, `${prefix}posts`)}`,
    [sqlTime(time), sqlTime(until)],
  );
  return { count: Number(row?.younger ?? -1), newest: row?.newest ?? null };
}

/**
 * The highest number of a post and of a comment from before a time, 0 where there is none. Numbers only grow, so a database that
 * ends earlier has lower ones; what was deleted since makes them lower in the other one alone.
 */
export async function newestBefore(
  connection: Connection,
  schema: string,
  prefix: string,
  time: string,
): Promise<Record<string, number>> {
  const newest: Record<string, number> = {};
  for (const [name, id, condition] of [
    // What is imported with an old date is modified now.
    ['posts', 'ID', 'GREATEST(post_date_gmt, post_modified_gmt) <= ?'],
    ['comments', 'comment_ID', 'comment_date_gmt <= ?'],
  ] as const) {
    const [row] = await rowsOf<{ newest: number | string }>(
      connection,
      `SELECT IFNULL(MAX(${id}), 0) AS newest FROM ${quoted(schema, `${prefix}${name}`)} WHERE ${condition}`,
      [sqlTime(time)],
    );
    newest[`${prefix}${name}`] = Number(row?.newest ?? 0);
  }
  return newest;
}

/** The same in the cluster that the site file names; null where the disaster left nothing to ask there. */
async function newestInSource(
  deps: RollbackDeps,
  site: Site,
  prefix: string,
  time: string,
): Promise<Record<string, number> | null> {
  try {
    return await withDatabase(await databaseAccess(deps, site, 'site'), (connection) =>
      newestBefore(connection, site.database.name, prefix, time),
    );
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

function textOf(params: JsonObject, name: string): string {
  const value = params[name];
  if (typeof value !== 'string') throw failure('InvalidInput', `The change names no ${name}`);
  return value;
}

async function prefixOf(deps: RollbackDeps, site: Site): Promise<string> {
  const [pod] = await phpPods(siteCluster(deps, site), site);
  if (pod === undefined) throw failure('SiteBroken', 'PHP runs in no pod');
  return (await deps.agent.facts(site, pod.name)).tablePrefix;
}
