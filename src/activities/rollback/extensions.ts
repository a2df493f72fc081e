import { operationKey } from '../../domain/kubernetes/names.ts';
import type { ChangeInput, ChangeResult, RollbackActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster } from '../recovery/deps.ts';
import { restoreFiles, sameFiles } from '../recovery/restore.ts';
import type { RollbackDeps } from './deps.ts';
import { readFilesAnew, restartMark } from './pods.ts';
import {
  deleteTrees,
  exchangeTrees,
  nodeOf,
  pointTrees,
  type Exchanged,
  type PointTree,
} from './trees.ts';
import type { LiveTree } from '../../domain/planners/rollback-trees.ts';

type ExtensionChanges = Pick<
  RollbackActivities,
  'stageExtensions' | 'unstageExtensions' | 'switchExtensions' | 'switchExtensionsBack'
>;

/** Plugins and themes: restored beside the live trees, compared, then exchanged with them by renames. */
export function createExtensions(deps: RollbackDeps): ExtensionChanges {
  async function treesOf(input: ChangeInput) {
    const { point: id, folder, trees } = input.change.params;
    if (typeof id !== 'string' || typeof folder !== 'string' || !Array.isArray(trees)) {
      throw failure('InvalidInput', `The change ${input.change.id} names no trees`);
    }
    const catalogue = await openCatalogue(deps, input.site);
    try {
      const point = await catalogue.read(id);
      return { point, folder, trees: pointTrees(point, trees as unknown as LiveTree[]) };
    } finally {
      catalogue.close();
    }
  }

  async function exchange(input: ChangeInput, mode: 'switch' | 'back') {
    const { folder, trees } = await treesOf(input);
    const { site, operationId } = input;
    const exchanged = await exchangeTrees(deps, site, { operationId, folder, trees, mode });
    const mounted = new Set(trees.filter((tree) => tree.mounted).map(({ path }) => path));
    const remount = exchanged.some(({ path, as }) => as === 'whole' && mounted.has(path));
    return { folder, exchanged, remount };
  }

  /** PHP of every pod reads the exchanged files, and pods that they had broken become ready. */
  async function anew(
    input: ChangeInput,
    step: 'files' | 'files-back',
    remount: boolean,
  ): Promise<ChangeResult> {
    const { site, operationId, change } = input;
    const { restart, stuck } = change.params;
    if (restart !== true && step === 'files') return { php: 'by the roll-out that follows' };
    const k = siteCluster(deps, site);
    const mark = restartMark(operationId, step);
    // Where pods were not ready before the rollback, waiting for them on the way back would never end.
    const wait = !(stuck === true && step === 'files-back');
    const done = await readFilesAnew(k, site, { mark, wait, remount });
    return { php: done.how, pods: done.pods, ...(done.why !== undefined && { why: done.why }) };
  }

  return {
    async stageExtensions(input) {
      const { site, operationId } = input;
      const { point, folder, trees } = await treesOf(input);
      const claims = [...new Set(trees.map(({ claim }) => claim))];
      const comparison = await restoreFiles(deps, site, {
        name: `${site.cluster.deployment}-rollback-stage-${operationKey(operationId)}`,
        operationId,
        point,
        targets: targetsOf(trees, folder),
        sameNodeAs: await nodeOf(siteCluster(deps, site), site, claims),
      });
      if (!sameFiles(comparison)) {
        const { counts, manifestIntact, errors } = comparison;
        const first = [...comparison.missing, ...comparison.changed, ...comparison.extra].slice(
          0,
          5,
        );
        throw failure(
          'RestoreDiffers',
          `Plugins and themes of ${point.id} were not restored as they were: ${counts.missing} missing, ${counts.changed} changed, ${counts.extra} too much, ${counts.permissions} with other owner or mode${manifestIntact ? '' : ', and the list of files is not that of the catalogue'}; ${[...first, ...errors].join(', ')}`,
        );
      }
      if (trees.some(({ mounted, path }) => !mounted || path === '')) {
        // Below what pods mount the copy could be asked for by visitors: closed at once, not only when it is switched.
        await exchangeTrees(deps, site, { operationId, folder, trees, mode: 'note' });
      }
      return { files: comparison.files, bytes: comparison.bytes, compared: comparison.expected };
    },

    async unstageExtensions(input): Promise<ChangeResult> {
      const { folder, trees } = await treesOf(input);
      const results: Record<string, ChangeResult> = {};
      for (const claim of [...new Set(trees.map((tree) => tree.claim))]) {
        const { site, operationId } = input;
        const done = await deleteTrees(deps, site, { operationId, claim, folder, mode: 'discard' });
        results[claim] = done.deleted ? { deleted: true } : { deleted: false, why: done.why };
      }
      return results;
    },

    async switchExtensions(input) {
      const { folder, exchanged, remount } = await exchange(input, 'switch');
      return {
        trees: shown(exchanged),
        kept: `${folder}/kept`,
        ...(await anew(input, 'files', remount)),
      };
    },

    async switchExtensionsBack(input) {
      const { exchanged, remount } = await exchange(input, 'back');
      return { trees: shown(exchanged), ...(await anew(input, 'files-back', remount)) };
    },
  };
}

/** One target for each pair of claims: a restore compares everything that is in its destination. */
export function targetsOf(trees: PointTree[], folder: string) {
  const pairs = new Map<string, PointTree[]>();
  for (const tree of trees) {
    const key = `${tree.pointClaim}\n${tree.claim}`;
    pairs.set(key, [...(pairs.get(key) ?? []), tree]);
  }
  return [...pairs.values()].map((group) => {
    const [{ pointClaim, claim }] = group as [PointTree, ...PointTree[]];
    return {
      claim: pointClaim,
      into: { claim, folder: `${folder}/staged` },
      include: group.map(({ pointFolder }) => pointFolder),
    };
  });
}

function shown(exchanged: Exchanged[]): ChangeResult[] {
  return exchanged.map(({ path, how, as, entries, milliseconds }) => ({
    path,
    how,
    as,
    entries,
    milliseconds,
  }));
}
