import type { V1Deployment } from '@kubernetes/client-node';
import { differingRulesets } from '../cdn/rules-copy.ts';
import type { Json } from '../json.ts';
import { databaseHosts, isDatabaseAt, sameDatabaseHosts } from '../kubernetes/database-move.ts';
import { TRACK_LABEL } from '../kubernetes/names.ts';
import { isHeld } from '../kubernetes/rollout.ts';
import { rollbackLayers, type CdnRulesetRef, type RollbackLayer } from '../recovery/point.ts';
import type { RollbackRequest } from '../recovery/request.ts';
import type { Site } from '../site/schema.ts';
import { appDiffers, desiredApp, type DesiredApp } from './rollback-app.ts';
import type { RollbackFacts, TreeComparison } from './rollback-facts.ts';
import { extensionFolders } from './rollback-trees.ts';

/** Options that go back with plugins and themes: which of them WordPress loads. Others describe data, which stays. */
export const extensionOptions = [
  'active_plugins',
  'template',
  'stylesheet',
  'current_theme',
  'template_root',
  'stylesheet_root',
] as const;

/** The options of `extensionOptions` among others. */
export function pickExtensionOptions(options: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(extensionOptions.map((name) => [name, options[name] ?? null]));
}

/** Facts and request worked out: what goes back, and how it differs. */
export interface RollbackSituation {
  site: Site;
  facts: RollbackFacts;
  request: RollbackRequest;
  /** What schemas and folders are named after. */
  execution: string;
  /** In the order of `rollbackLayers`. */
  layers: RollbackLayer[];
  /** Trees that differ from the point. */
  trees: TreeComparison[];
  /** Options that differ, as they become. */
  options: { before: Record<string, Json>; after: Record<string, Json> };
  app: DesiredApp | null;
  appDiffers: boolean;
  /** Live pods and those of the point are of different phases of the roadmap. */
  otherTrack: boolean;
  /** The point's pods used another database than the live ones: its template would move the site there. */
  otherDatabase: boolean;
  /** Old and new pods of phase 1 stand side by side. */
  held: boolean;
  rulesets: CdnRulesetRef[];
}

/** Works out which layers go back: those asked for, or all that differ without the database. */
export function rollbackSituation(
  site: Site,
  facts: RollbackFacts,
  request: RollbackRequest,
  execution: string,
): RollbackSituation {
  const { point, deployment } = facts;
  const app = point?.app == null ? null : desiredApp(deployment, point.app, facts.app);
  const trees = facts.extensions.comparisons.filter(treeDiffers);
  const options = optionChanges(facts);
  const rulesets = changedRulesets(facts);
  const differs = app !== null && appDiffers(deployment, app);
  const otherTrack =
    app !== null &&
    deployment !== null &&
    deployment.spec?.template.metadata?.labels?.[TRACK_LABEL] !==
      app.template.metadata?.labels?.[TRACK_LABEL];
  const otherDatabase = app !== null && !sameDatabase(site, deployment, app);
  const differing: Record<RollbackLayer, boolean> = {
    database: false,
    'plugins-themes': trees.length > 0 || Object.keys(options.after).length > 0,
    app: differs && !otherTrack && !otherDatabase,
    cdn: rulesets.length > 0,
  };
  const layers = rollbackLayers.filter((layer) => {
    if (request.layers !== undefined) return request.layers.includes(layer);
    // A time names the database, and nothing but the database.
    return request.databaseTime === undefined ? differing[layer] : layer === 'database';
  });
  return {
    site,
    facts,
    request,
    execution,
    layers,
    trees,
    options,
    app,
    appDiffers: differs,
    otherTrack,
    otherDatabase,
    held: deployment?.spec !== undefined && isHeld(deployment.spec),
    rulesets,
  };
}

/** Whether the point's pods use the database of the live ones; where there are none, that of the site file. */
function sameDatabase(site: Site, live: V1Deployment | null, { template }: DesiredApp): boolean {
  if (live === null) {
    return databaseHosts(template).every((host) => isDatabaseAt(host, site.database));
  }
  return live.spec === undefined || sameDatabaseHosts(live.spec.template, template);
}

/** Whether a folder on the volume is not as the point has it. */
export function treeDiffers(tree: TreeComparison): boolean {
  const { missing, changed, extra, permissions } = tree;
  return tree.live === null || missing.count + changed.count + extra.count + permissions > 0;
}

function optionChanges({ point, options }: RollbackFacts): RollbackSituation['options'] {
  const before: Record<string, Json> = {};
  const after: Record<string, Json> = {};
  const wanted = point?.wordpress?.options ?? {};
  for (const name of extensionOptions) {
    const value = wanted[name];
    if (options === null || value === undefined || value === null) continue;
    const now = options[name] ?? null;
    if (JSON.stringify(now) === JSON.stringify(value)) continue;
    before[name] = now;
    after[name] = value;
  }
  return { before, after };
}

/** Rulesets of the point whose rules are others now. */
function changedRulesets({ point, cdn }: RollbackFacts): CdnRulesetRef[] {
  if (point?.cdn == null || cdn === null) return [];
  return differingRulesets(point.cdn.rulesets, cdn.rulesets);
}

/** Folders that were not compared: on no claim, or not in the point. */
export function foldersWithoutTree({ facts }: RollbackSituation): string[] {
  return extensionFolders.filter(
    (folder) => !facts.extensions.comparisons.some((one) => one.folder === folder),
  );
}
