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
import { siteCluster } from '../recovery/deps.ts';
import type { RollbackDeps } from './deps.ts';
import { keptDatabases } from './kept.ts';
import { readOptions } from './observe.ts';
import { phpPods } from '../kubernetes/php-pods.ts';
import { quoted, rowsOf } from './sql.ts';
import { keptTrees } from './trees.ts';

/** Every layer that went back, measured on the live site. */
export async function verifyRolledBackLayers(
  deps: RollbackDeps,
  input: VerifyInput,
): Promise<CriterionResult[]> {
  const results: CriterionResult[] = [];
  for (const change of input.plan.changes) {
    const check = checks[change.id.startsWith('delete-kept-') ? 'delete-kept' : change.id];
    if (check !== undefined) results.push(...(await check(deps, input, change)));
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
  'restore-options': async (deps, { site }, { after }) => [
    await criterion(
      'options-as-in-point',
      'Active plugins and theme are as they were',
      after,
      async () => {
        const names = Object.keys((after ?? {}) as JsonObject);
        const measured = await readOptions(deps, site, names);
        return { measured, pass: digestOf(measured) === digestOf(after), evidence: null };
      },
    ),
  ],
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
  { after }: Change,
): Promise<Measurement> {
  const k = siteCluster(deps, site);
  const deployment = await requireDeployment(k, site);
  const live = liveAppShown(deployment) as { images: Json; template: Json };
  const wanted = after as { images: Json; template: Json };
  const pods = (await listPods(k, site, selectorOf(deployment))).filter(isUsable);
  const { replicas = 1 } = deployment.spec ?? {};
  const updated = deployment.status?.updatedReplicas ?? 0;
  return {
    measured: live.images,
    pass:
      digestOf(live.template) === digestOf(wanted.template) &&
      pods.length >= replicas &&
      updated >= replicas,
    evidence: { ready: pods.length, updated, wanted: replicas },
  };
}

/** Rows that may go while the site runs (expired transients, closed sessions) without one being lost. */
const passing = 0.01;

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
    (table) => table.expected - table.found > Math.max(10, table.expected * passing),
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

/** Nothing in the new database is younger than the wanted second and older than the move. */
async function measureFork(
  deps: RollbackDeps,
  { site, operationId, visitors }: VerifyInput,
  change: Change,
): Promise<Measurement> {
  const time = textOf(change.params, 'time');
  const execution = executionOf(change, operationId);
  const access = await forkedDatabaseAccess(deps, site, execution, time);
  if (access === null) throw failure('NotFound', 'Nothing is known of the forked database');
  const names = await readOptions(deps, site, ['siteurl']);
  return withDatabase(access, async (connection) => {
    const text = (iso: string) => new Date(iso).toISOString().slice(0, 19).replace('T', ' ');
    const prefix = await prefixOf(deps, site);
    const [row] = await rowsOf<{ younger: number; newest: string | null }>(
      connection,
      `SELECT COUNT(CASE WHEN post_modified_gmt > ? AND post_modified_gmt < ? THEN 1 END) AS younger,
        CAST(MAX(post_modified_gmt) AS CHAR) AS newest FROM ${quoted(site.database.name, `${prefix}posts`)}`,
      [text(time), text(visitors?.from ?? deps.now().toISOString())],
    );
    return {
      measured: row?.newest ?? null,
      pass: row !== undefined && Number(row.younger) === 0 && names['siteurl'] !== null,
      evidence: { host: access.host, younger: Number(row?.younger ?? -1) },
    };
  });
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
