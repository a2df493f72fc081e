import type { Json, JsonObject } from '../json.ts';
import type { Change } from '../plan.ts';
import { desiredAppShown, digestsOf, liveAppShown } from './rollback-app.ts';
import { cdnRulesSentence, cdnRulesShown } from './rollback-cdn.ts';
import { rollbackKeys, type KeptThing, type TreeComparison } from './rollback-facts.ts';
import { beginMaintenance, endMaintenance, renewMaintenance } from './rollback-maintenance.ts';
import { rollbackFolder, rollbackSchemas } from './rollback-names.ts';
import { pickExtensionOptions, type RollbackSituation } from './rollback-situation.ts';

/** At most so many kept things in one plan: each is a change with an id of its own in the workflow's table. */
export const mostReleased = 9;

/**
 * What is done, in the order in which it must be done: everything is prepared without effect on visitors first. Then code goes
 * back, and the database right after it: whatever older code does to the newer data ends in the kept copy, while newer code would
 * migrate the older data forward.
 */
export function rollbackChanges(situation: RollbackSituation): Change[] {
  const has = (layer: RollbackSituation['layers'][number]) => situation.layers.includes(layer);
  const inTime = situation.request.databaseTime !== undefined;
  const files = has('plugins-themes') && situation.trees.length > 0;
  const app = has('app') && situation.appDiffers;
  // With its tables the database brings its options; but pods of the older image may get ready only with those of then.
  const options =
    has('plugins-themes') &&
    Object.keys(situation.options.after).length > 0 &&
    (!has('database') || (app && !inTime));
  const cdn = has('cdn') && situation.rulesets.length > 0;
  const code = [
    files && switchExtensions(situation, app),
    options && restoreOptions(situation),
    app && restoreApp(situation, files),
  ].filter((change) => change !== false);
  const data = has('database')
    ? [inTime ? moveToForkedDatabase(situation) : switchDatabase(situation)]
    : [];
  const { maintenance = false } = situation.request;
  const switched = tablesAreGone(situation)
    ? [...data, ...code]
    : [
        ...(data.length > 0 ? code.map(whichMayWrite) : code),
        ...(maintenance && app && data.length > 0 ? [renewMaintenance(situation)] : []),
        ...data,
      ];
  if (cdn) switched.push(restoreCdnRules(situation));
  if (switched.length === 0) return [];
  return [
    has('database') && (inTime ? forkDatabase(situation) : stageDatabase(situation)),
    files && stageExtensions(situation),
    maintenance && beginMaintenance(situation),
    ...switched,
    situation.site.cdn !== undefined && purgeCdn(situation),
    maintenance && endMaintenance(situation),
  ].filter((change) => change !== false);
}

/** Tables without which no page of WordPress is made, whatever its plugins. */
const coreTables = ['options', 'posts', 'postmeta', 'users', 'usermeta', 'terms', 'term_taxonomy'];

/**
 * No code runs on a database without WordPress's own tables, and pods that start on it would never be ready: it goes back first
 * then. A plugin's table that is gone tells nothing: a newer version may have given it up.
 */
function tablesAreGone({ layers, request, facts }: RollbackSituation): boolean {
  const now = facts.database.tables;
  const { database, wordpress } = facts.point ?? { database: null, wordpress: null };
  if (!layers.includes('database') || request.databaseTime !== undefined) return false;
  if (now === null || database === null || wordpress === null) return false;
  const needed = coreTables.map((name) => `${wordpress.tablePrefix}${name}`);
  return database.manifest.tables.some(({ name }) => needed.includes(name) && !now.includes(name));
}

/** Code that starts on newer data may make tables and set options by itself before the database goes back. */
function whichMayWrite(change: Change): Change {
  const touches = new Set([...change.touches, rollbackKeys.tables, rollbackKeys.options]);
  return { ...change, touches: [...touches] };
}

function pointOf({ facts }: RollbackSituation) {
  if (facts.point === null) throw new TypeError('The change needs a recovery point');
  return facts.point;
}

function databaseOf({ site }: RollbackSituation): string {
  return `Database ${site.database.name} on ${site.database.host}`;
}

function databaseShown(situation: RollbackSituation): { before: Json; after: Json } {
  const { manifest } = pointOf(situation).database ?? { manifest: { tables: [] } };
  const tables = manifest.tables.map(({ name }) => name);
  const now = situation.facts.database.tables;
  return {
    before: {
      tables: now?.length ?? null,
      onlyNow: now?.filter((name) => !tables.includes(name)) ?? null,
    },
    after: {
      asOf: pointOf(situation).takenAt,
      tables: tables.length,
      rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
      onlyThen: now === null ? null : tables.filter((name) => !now.includes(name)),
    },
  };
}

function stageDatabase(situation: RollbackSituation): Change {
  const { site, execution } = situation;
  const schemas = rollbackSchemas(site, execution);
  const { after } = databaseShown(situation);
  return {
    id: 'stage-database',
    title: `Restore the dump of ${pointOf(situation).id} into a schema of its own and compare every row`,
    target: `Schema ${schemas.staged} on ${site.database.host}`,
    before: null,
    after,
    risk: 'low',
    riskReason: 'The site goes on with its own tables; nothing of them is touched.',
    undo: {
      possible: true,
      how: 'The restored schema is dropped; once it has served the site it is kept, with all that visitors wrote.',
    },
    touches: [],
    params: { point: pointOf(situation).id, ...schemas },
  };
}

function switchDatabase(situation: RollbackSituation): Change {
  const { site, execution } = situation;
  const schemas = rollbackSchemas(site, execution);
  return {
    id: 'switch-database',
    title: 'Exchange all tables by one statement and keep the old ones',
    target: databaseOf(situation),
    ...databaseShown(situation),
    risk: 'high',
    riskReason: `What was written since ${pointOf(situation).takenAt} is in ${schemas.kept} afterwards and no longer on the site.`,
    undo: {
      possible: true,
      how: `The old tables come back from ${schemas.kept}; what visitors wrote meanwhile is kept in ${schemas.staged}.`,
    },
    touches: [rollbackKeys.tables, rollbackKeys.options],
    params: { point: pointOf(situation).id, ...schemas },
  };
}

function timeShown(situation: RollbackSituation) {
  const { site, request } = situation;
  const cluster = site.database.managed?.clusterId ?? '';
  const time = request.databaseTime ?? '';
  return { cluster, time, params: { time, clusterId: cluster } };
}

function forkDatabase(situation: RollbackSituation): Change {
  const { cluster, time, params } = timeShown(situation);
  return {
    id: 'fork-database',
    title: `Make a new database cluster from the provider's backup and log as of ${time}`,
    target: `Database cluster forked from ${cluster}`,
    before: null,
    after: { asOf: time, source: cluster },
    risk: 'low',
    riskReason: 'A second cluster beside the first; it costs money until one of them is deleted.',
    undo: {
      possible: true,
      how: 'The new cluster is deleted; once it has served the site it is kept, with all that visitors wrote, read-only for WordPress.',
    },
    touches: [],
    params,
  };
}

function moveToForkedDatabase(situation: RollbackSituation): Change {
  const { site } = situation;
  const { cluster, time, params } = timeShown(situation);
  const { namespace, deployment } = site.cluster;
  return {
    id: 'move-to-forked-database',
    title: 'Give the site host, CA and credentials of the new cluster, and restart its pods',
    target: `Deployment ${namespace}/${deployment}`,
    before: { host: site.database.host, cluster },
    after: { asOf: time, forkOf: cluster },
    risk: 'high',
    riskReason: `What was written since ${time} stays in the old cluster and is no longer on the site.`,
    undo: { possible: true, how: 'Host, CA and credentials of the old cluster come back.' },
    touches: [rollbackKeys.deployment, rollbackKeys.tables, rollbackKeys.options],
    params,
  };
}

function treeParams(situation: RollbackSituation) {
  const { facts, execution } = situation;
  const folders = new Set(situation.trees.map(({ folder }) => folder));
  return {
    point: pointOf(situation).id,
    folder: rollbackFolder(execution),
    trees: facts.extensions.trees
      .filter(({ folder }) => folders.has(folder))
      .map((tree) => ({ ...tree, digest: digestOfTree(situation.trees, tree.folder) })),
  };
}

function digestOfTree(trees: TreeComparison[], folder: string): string {
  return trees.find((tree) => tree.folder === folder)?.point.digest ?? '';
}

function treesShown({ trees }: RollbackSituation): { before: Json; after: Json } {
  const by = (value: (tree: TreeComparison) => Json) =>
    Object.fromEntries(trees.map((tree) => [tree.folder, value(tree)]));
  return {
    before: by(({ live, missing, changed, extra, permissions }) => ({
      ...(live ?? { files: 0, bytes: 0, digest: null }),
      missing: json(missing),
      changed: json(changed),
      extra: json(extra),
      permissions,
    })),
    after: by(({ point }) => point),
  };
}

function treeTarget(situation: RollbackSituation): string {
  const { site, facts, trees } = situation;
  const folders = trees.map(({ folder }) => folder);
  const claims = facts.extensions.trees
    .filter(({ folder }) => folders.includes(folder))
    .map(({ claim }) => `${site.cluster.namespace}/${claim}`);
  return `${folders.join(' and ')} on PersistentVolumeClaim ${[...new Set(claims)].join(', ')}`;
}

function stageExtensions(situation: RollbackSituation): Change {
  return {
    id: 'stage-extensions',
    title: `Restore plugins and themes of ${pointOf(situation).id} beside the live ones and compare every file`,
    target: `Folder ${rollbackFolder(situation.execution)} on the same claim`,
    before: null,
    after: treesShown(situation).after,
    risk: 'low',
    riskReason: 'The live trees are not touched; the volume needs room for a second copy.',
    undo: { possible: true, how: 'The restored copy is deleted.' },
    touches: [],
    params: treeParams(situation),
  };
}

function switchExtensions(situation: RollbackSituation, rolledLater: boolean): Change {
  const { facts } = situation;
  return {
    id: 'switch-extensions',
    title: 'Exchange plugins and themes by renames and keep the old trees',
    target: treeTarget(situation),
    ...treesShown(situation),
    risk: 'medium',
    riskReason:
      'All pods see the exchanged folders at once; PHP is told to read its files anew, or pods are replaced where it cannot be told.',
    undo: { possible: true, how: 'The same renames the other way round; the old trees were kept.' },
    // Where PHP cannot be told, a mark in the pod template replaces the pods.
    touches: [rollbackKeys.extensions, ...(rolledLater ? [] : [rollbackKeys.deployment])],
    params: {
      ...treeParams(situation),
      restart: !rolledLater,
      stuck: facts.stuck !== null,
      ...(!rolledLater && wantedOptions(situation)),
    },
  };
}

/** Options that nobody could compare, because PHP ran in no pod: they are looked at once it does. */
function wantedOptions({ facts, layers }: RollbackSituation): JsonObject {
  const compared = facts.options !== null || layers.includes('database');
  if (compared || !layers.includes('plugins-themes')) return {};
  const wanted = Object.entries(pickExtensionOptions(facts.point?.wordpress?.options ?? {}));
  return { wantedOptions: Object.fromEntries(wanted.filter(([, value]) => value !== null)) };
}

function restoreOptions(situation: RollbackSituation): Change {
  const { options } = situation;
  return {
    id: 'restore-options',
    title: 'Set active plugins and theme as they were',
    target: 'Options of WordPress',
    before: options.before,
    after: options.after,
    risk: 'medium',
    riskReason: 'WordPress loads other plugins from then on; their activation hooks do not run.',
    undo: { possible: true, how: 'The options get their values of before.' },
    touches: [rollbackKeys.options],
    params: {},
  };
}

function restoreApp(situation: RollbackSituation, filesToo: boolean): Change {
  const { site, facts, app } = situation;
  const point = pointOf(situation);
  if (app === null || point.app === null) {
    throw new TypeError('The change needs the Deployment of then');
  }
  const { namespace, deployment } = site.cluster;
  const words: Pick<Change, 'title' | 'risk' | 'riskReason' | 'undo'> =
    facts.deployment === null
      ? {
          title: `Make the Deployment of ${point.id} again`,
          risk: 'low',
          riskReason: 'Without it nothing of the site is served.',
          undo: { possible: true, how: 'It is left with no pods: none ran before.' },
        }
      : {
          title: `Roll out the pod template of ${point.id}`,
          risk: 'medium',
          riskReason: 'Pods are replaced one by one; none ends before another one is ready.',
          undo: { possible: true, how: 'The Deployment gets the template back that it has now.' },
        };
  return {
    id: 'restore-app',
    ...words,
    target: `Deployment ${namespace}/${deployment}`,
    before: liveAppShown(facts.deployment),
    after: desiredAppShown(app),
    touches: [rollbackKeys.deployment],
    params: {
      point: point.id,
      objectsSecret: point.app.objectsSecret,
      pinned: app.pinned,
      digests: digestsOf(point.app),
      // Pods of the same template as before are taken up again as they are, unless they have to start anew.
      restart: facts.deployment !== null && (filesToo || app.configMap !== null),
      stuck: facts.stuck !== null,
      ...wantedOptions(situation),
    },
  };
}

function restoreCdnRules(situation: RollbackSituation): Change {
  const { facts, rulesets } = situation;
  const point = pointOf(situation);
  const phases = rulesets.map(({ phase }) => phase);
  const now = (facts.cdn?.rulesets ?? []).filter(({ phase }) => phases.includes(phase));
  return {
    id: 'restore-cdn-rules',
    title: `Put the rules of ${point.id} back in place`,
    target: `Zone ${point.cdn?.zoneId ?? ''} at ${point.cdn?.provider ?? ''}`,
    before: { rulesets: json(now), ...cdnRulesShown(situation).before },
    after: { rulesets: json(rulesets), ...cdnRulesShown(situation).after },
    risk: 'medium',
    riskReason: `A rule decides what visitors get from the edge, and a phase goes back as a whole: ${cdnRulesSentence(situation)}`,
    undo: {
      possible: true,
      how: 'The rules of before come back, from the provider or from the recovery point that is taken first.',
    },
    touches: [rollbackKeys.cdn],
    params: { point: point.id, zoneId: point.cdn?.zoneId ?? '', rulesets: json(rulesets) },
  };
}

function purgeCdn(situation: RollbackSituation): Change {
  const { site } = situation;
  return {
    id: 'purge-cdn',
    title: 'Empty the cache at the edge',
    target: `Zone ${site.cdn?.zoneId ?? ''} at ${site.cdn?.provider ?? ''}`,
    before: null,
    after: { hosts: site.hosts.names },
    risk: 'low',
    riskReason: 'Pages are fetched anew; the site has more to do for a while.',
    undo: { possible: true, how: 'It is emptied once more when all is taken back.' },
    touches: [],
    params: { hosts: site.hosts.names },
  };
}

/** Deletes what earlier rollbacks have kept, in the order of the facts. */
export function releaseChanges(site: RollbackSituation['site'], kept: KeptThing[]): Change[] {
  return kept.slice(0, mostReleased).map((thing, index) => {
    const target =
      thing.kind === 'database'
        ? `${thing.schemas.length === 1 ? 'Schema' : 'Schemas'} ${thing.schemas.join(', ')} on ${site.database.host}`
        : `Folder ${thing.folder} on PersistentVolumeClaim ${site.cluster.namespace}/${thing.claim}`;
    const params: JsonObject =
      thing.kind === 'database'
        ? { kind: thing.kind, schemas: thing.schemas }
        : { kind: thing.kind, claim: thing.claim, folder: thing.folder };
    return {
      id: `delete-kept-${index + 1}`,
      title:
        thing.kind === 'database'
          ? 'Delete the database that an earlier rollback kept'
          : 'Delete the trees that an earlier rollback kept',
      target,
      before: json(thing),
      after: null,
      risk: 'high',
      riskReason: 'What only stands there is gone for good.',
      undo: {
        possible: false,
        why: 'Deleted data is only in recovery points, as far as it is there.',
      },
      touches: [],
      params,
    };
  });
}

function json(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
