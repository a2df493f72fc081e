import { readFileSync } from 'node:fs';
import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { oldVolumeOf } from '../../domain/kubernetes/layout.ts';
import { operationKey } from '../../domain/kubernetes/names.ts';
import type { KeptThing, TreeComparison } from '../../domain/planners/rollback-facts.ts';
import { rollbackOfFolder } from '../../domain/planners/rollback-names.ts';
import type { LiveTree } from '../../domain/planners/rollback-trees.ts';
import { folderIn } from '../../domain/recovery/content-volumes.ts';
import type { RecoveryPoint } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { readClaim, requireDeployment, selectorOf } from '../kubernetes/site-objects.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { siteCluster } from '../recovery/deps.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { resultOf, runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';
import type { RollbackDeps } from './deps.ts';

const script = (name: string) => new URL(`./scripts/${name}.sh`, import.meta.url);
const compareScript = toolboxScript(script('compare-trees'), 'restic', 'file-manifest');
const exchangeScript = toolboxScript(script('exchange-trees'));
const exchangeRenames = readFileSync(new URL('./scripts/exchange.pl', import.meta.url), 'utf8');
const keptScript = toolboxScript(script('kept-trees'));

const mountPath = (claims: string[], claim: string) =>
  `/presslift/volumes/${claims.indexOf(claim)}`;

/** A live tree and where the point has it. */
export interface PointTree extends LiveTree {
  pointClaim: string;
  /** Path in the content of that volume. */
  pointFolder: string;
}

/** Pairs live trees with those of a point; what the point does not hold is left out. */
export function pointTrees(point: RecoveryPoint, trees: LiveTree[]): PointTree[] {
  return trees.flatMap((tree) => {
    for (const volume of point.files?.volumes ?? []) {
      const pointFolder = folderIn(volume, tree.folder);
      if (pointFolder !== null && pointFolder !== '') {
        return [{ ...tree, pointClaim: volume.claim, pointFolder }];
      }
    }
    return [];
  });
}

/** Compares live trees with the point's list of files, by a Job that mounts them read-only. */
export async function compareTrees(
  deps: RollbackDeps,
  site: Site,
  input: { operationId: string; point: RecoveryPoint; trees: PointTree[] },
): Promise<TreeComparison[]> {
  const { point, trees, operationId } = input;
  if (point.files === null || trees.length === 0) return [];
  const k = siteCluster(deps, site);
  const repository = await repositoryOf(deps, site);
  const claims = [...new Set(trees.map(({ claim }) => claim))];
  const outcome = await runToolboxJob(k, site, {
    name: `${site.cluster.deployment}-rollback-compare-${operationKey(operationId)}`,
    operationId,
    script: compareScript,
    env: {
      ...repository.env,
      SNAPSHOT: point.files.snapshotId,
      MANIFEST_DIGEST: point.files.manifestDigest,
    },
    secretFiles: repository.secretFiles,
    inputFiles: {
      'trees.json': JSON.stringify(
        trees.map(({ folder, claim, path, pointClaim, pointFolder }) => ({
          folder,
          point: `${pointClaim}/${pointFolder}/`,
          live: `${mountPath(claims, claim)}/${path}`,
        })),
      ),
    },
    volumes: claims.map((claim) => ({
      claim,
      mountPath: mountPath(claims, claim),
      readOnly: true,
    })),
    sameNodeAs: await nodeOf(k, site, claims),
    timeoutMs: 3_600_000,
  });
  return resultOf<{ trees: TreeComparison[] }>(outcome, 'comparing trees').trees;
}

/** Where a tree of a rollback is on its claim. */
export function placesOf(folder: string, tree: PointTree) {
  return {
    path: tree.path,
    staged: `${folder}/staged/${tree.pointFolder}`,
    kept: `${folder}/kept/${tree.pointFolder}`,
    mounted: tree.mounted,
  };
}

export interface Exchanged {
  path: string;
  /** `exchange`: both names in one step. `two-renames`: a name was away in between. */
  how: 'exchange' | 'two-renames' | 'one-rename' | 'done-before';
  /** `entries`: each of what is in the tree, because pods mount it as such. */
  as: 'whole' | 'entries';
  entries: number;
  /** From the first rename to the last. */
  milliseconds: number;
}

/**
 * Notes restored trees, puts them in place, or takes them back; one Job a claim. A tree goes in one step; of one that pods mount
 * as such, and would go on with under any name, each plugin and theme in it does, one right after the other.
 */
export async function exchangeTrees(
  deps: RollbackDeps,
  site: Site,
  input: {
    operationId: string;
    folder: string;
    trees: PointTree[];
    mode: 'note' | 'switch' | 'back';
  },
): Promise<Exchanged[]> {
  const { operationId, folder, trees, mode } = input;
  const k = siteCluster(deps, site);
  const exchanged: Exchanged[] = [];
  for (const claim of [...new Set(trees.map((tree) => tree.claim))]) {
    const outcome = await runToolboxJob(k, site, {
      name: `${site.cluster.deployment}-rollback-${mode}-${claim}-${operationKey(operationId)}`,
      operationId,
      script: exchangeScript,
      env: { VOLUME: mountPath([claim], claim), FOLDER: folder, MODE: mode },
      inputFiles: {
        'exchange.pl': exchangeRenames,
        'trees.json': JSON.stringify(
          trees.filter((tree) => tree.claim === claim).map((tree) => placesOf(folder, tree)),
        ),
      },
      volumes: [{ claim, mountPath: mountPath([claim], claim) }],
      sameNodeAs: await nodeOf(k, site, [claim]),
      timeoutMs: 600_000,
    });
    exchanged.push(...resultOf<{ trees: Exchanged[] }>(outcome, 'exchanging trees').trees);
  }
  return exchanged;
}

/** What rollbacks have kept on the claims that the template mounts. */
export async function keptTrees(
  deps: RollbackDeps,
  site: Site,
  input: { operationId: string; claims: string[] },
): Promise<KeptThing[]> {
  const found: KeptThing[] = [];
  for (const claim of input.claims) {
    const outcome = await keptJob(deps, site, claim, input.operationId, 'list', '');
    const { folders } = resultOf<{ folders: { folder: string; bytes: number; files: number }[] }>(
      outcome,
      'listing what is kept',
    );
    for (const { folder, bytes, files } of folders) {
      if (rollbackOfFolder(folder) !== null)
        found.push({ kind: 'tree', claim, folder, bytes, files });
    }
  }
  return found;
}

/** Deletes a rollback's folder; with `discard` only what was never in use. */
export async function deleteTrees(
  deps: RollbackDeps,
  site: Site,
  input: { operationId: string; claim: string; folder: string; mode: 'delete' | 'discard' },
): Promise<{ deleted: boolean; why: string }> {
  const { claim, operationId, mode, folder } = input;
  const outcome = await keptJob(deps, site, claim, operationId, mode, folder);
  return resultOf<{ deleted: boolean; why: string }>(outcome, 'deleting what is kept');
}

async function keptJob(
  deps: RollbackDeps,
  site: Site,
  claim: string,
  operationId: string,
  mode: 'list' | 'delete' | 'discard',
  folder: string,
) {
  const k = siteCluster(deps, site);
  return runToolboxJob(k, site, {
    name: `${site.cluster.deployment}-kept-${mode}-${claim}-${operationKey(operationId + folder)}`,
    operationId,
    script: keptScript,
    env: { VOLUME: mountPath([claim], claim), MODE: mode, FOLDER: folder },
    volumes: [{ claim, mountPath: mountPath([claim], claim) }],
    sameNodeAs: await nodeOf(k, site, [claim]),
    timeoutMs: 3_600_000,
  });
}

/** Labels of the site's pods where one of the claims can be mounted on one node only. */
export async function nodeOf(
  k: KubernetesClients,
  site: Site,
  claims: string[],
): Promise<Record<string, string> | null> {
  for (const name of claims) {
    const claim = await readClaim(k, site, name);
    if (claim?.spec?.accessModes?.includes('ReadWriteMany') === false) {
      return selectorOf(await requireDeployment(k, site));
    }
  }
  return null;
}

/** Claims that may hold trees of rollbacks: those of plugins and themes, now and before phase 1. */
export function claimsOf(template: V1PodTemplateSpec, site: Site, trees: LiveTree[]): string[] {
  const old = oldVolumeOf(template, site.wordpress.documentRoot);
  return [...new Set([...trees.map(({ claim }) => claim), ...(old === null ? [] : [old.claim])])];
}
