import type { V1Pod } from '@kubernetes/client-node';
import type { CriterionResult } from '../../../domain/criterion.ts';
import type { Json } from '../../../domain/json.ts';
import { definedConstants } from '../../../domain/kubernetes/config-extra.ts';
import { keepsOnePod } from '../../../domain/kubernetes/disruption-budget.ts';
import { hybridNames } from '../../../domain/kubernetes/names.ts';
import { selectorText } from '../../../domain/kubernetes/rollout.ts';
import { observed } from '../../../domain/planners/hybrid-storage-facts.ts';
import type { Site } from '../../../domain/site/schema.ts';
import type { VerifyInput } from '../../contracts.ts';
import { calling } from '../../kubernetes/errors.ts';
import { newestRecovery } from '../../recovery/index.ts';
import {
  readClaim,
  readDisruptionBudgets,
  requireDeployment,
  selectorOf,
} from '../../kubernetes/site-objects.ts';
import { readConfigMap } from '../config-source.ts';
import { readSharedVolume } from '../copy.ts';
import { clusterOf } from '../deps.ts';
import { extensionFolders } from '../observe.ts';
import { allSame, criterion, type Measurement } from './criteria.ts';
import { factsOfEveryPod, fromEveryPod, type VerificationDeps } from './deps.ts';

/** Every pod: mounts, constants, tree hashes; no file missing; active plugins as before; pods and their budget. */
export async function verifySharedStorage(
  deps: VerificationDeps,
  input: VerifyInput,
): Promise<CriterionResult[]> {
  const { site } = input;
  const { replicas } = site.wordpress;
  return [
    await criterion(
      'extensions-on-shared-volume',
      'Every pod has plugins and themes from the shared volume, and core from the image',
      'all pods',
      () => measureMounts(deps, site),
    ),
    await criterion(
      'same-extensions-on-every-pod',
      'Plugins and themes are the same files on every pod',
      'one digest',
      async () => {
        const digests = await fromEveryPod(deps, site, async (pod) => {
          const trees = await deps.agent.treeDigests(site, pod, [...extensionFolders]);
          return extensionFolders.map((folder) => trees[folder]?.digest ?? null);
        });
        const different = new Set(Object.values(digests).map((one) => JSON.stringify(one))).size;
        return { measured: different, pass: allSame(digests), evidence: digests };
      },
    ),
    await criterion(
      'constants-on-every-pod',
      'Every pod has the constants of phase 1, as WordPress sees them',
      { DISALLOW_FILE_EDIT: true, WP_AUTO_UPDATE_CORE: false },
      () => measureConstants(deps, site),
    ),
    await criterion(
      'no-file-missing',
      'No file of the old plugins and themes is missing on the shared volume',
      0,
      () => measureMissing(deps, input),
    ),
    await criterion(
      'active-plugins-as-before',
      'The same plugins are active as before',
      'the same list',
      () => measureActivePlugins(deps, input),
    ),
    await criterion(
      'pods-ready',
      `At least ${replicas} pods are ready, and a budget keeps one of them`,
      replicas,
      () => measureReplicas(deps, site),
    ),
  ];
}

async function measureMounts(deps: VerificationDeps, site: Site): Promise<Measurement> {
  const k = clusterOf(deps, site);
  const { namespace } = site.cluster;
  const name = hybridNames(site).sharedClaim;
  const selector = selectorOf(await requireDeployment(k, site));
  const claim = await readClaim(k, site, name);
  const list = await calling('list', `pods in ${namespace}`, () =>
    k.core.listNamespacedPod({ namespace, labelSelector: selectorText(selector) }),
  );
  const pods = list.items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  const wrong = pods.filter((pod) => !sharesExtensions(pod, site, name));
  const modes = claim?.spec?.accessModes ?? [];
  return {
    measured: `${pods.length - wrong.length} of ${pods.length} pods`,
    pass: pods.length > 0 && wrong.length === 0 && modes.includes('ReadWriteMany'),
    evidence: {
      pods: pods.map(({ metadata }) => metadata?.name ?? ''),
      wrong: wrong.map(({ metadata }) => metadata?.name ?? ''),
      claim: { name, accessModes: modes },
    },
  };
}

function sharesExtensions(pod: V1Pod, site: Site, claim: string): boolean {
  const root = site.wordpress.documentRoot;
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const php = all.find(({ name }) => name === site.cluster.container);
  const claimAt = (path: string) => {
    const mount = php?.volumeMounts?.find(({ mountPath }) => mountPath === path);
    const volume = pod.spec?.volumes?.find(({ name }) => name === mount?.name);
    return volume?.persistentVolumeClaim?.claimName ?? null;
  };
  return (
    extensionFolders.every((folder) => claimAt(`${root}/${folder}`) === claim) &&
    claimAt(root) === null
  );
}

async function measureConstants(deps: VerificationDeps, site: Site): Promise<Measurement> {
  const k = clusterOf(deps, site);
  const map = await readConfigMap(k, site, hybridNames(site).configMap);
  const direct = definedConstants(map?.data?.['extra'] ?? '').includes('FS_METHOD');
  const facts = await factsOfEveryPod(deps, site);
  const seen = Object.fromEntries(
    Object.entries(facts).map(([pod, { constants }]) => [pod, constants]),
  );
  const right = Object.values(seen).filter(
    (constants) =>
      constants['DISALLOW_FILE_EDIT'] === true &&
      constants['WP_AUTO_UPDATE_CORE'] === false &&
      (!direct || constants['FS_METHOD'] === 'direct'),
  );
  const pods = Object.keys(seen).length;
  return {
    measured: `${right.length} of ${pods} pods`,
    pass: right.length === pods,
    evidence: seen,
  };
}

async function measureMissing(deps: VerificationDeps, input: VerifyInput): Promise<Measurement> {
  const { site, operationId, plan } = input;
  const { manifest } = await readSharedVolume(clusterOf(deps, site), site, operationId, 'verify');
  if (manifest === null) {
    return {
      measured: null,
      pass: false,
      evidence: 'the shared volume holds no manifest of a copy',
    };
  }
  // Right after the copy nothing may be missing. Long afterwards administrators have deleted whole plugins, which is
  // theirs to do: then only files that plugins and themes lost count.
  const copied = plan.changes.some(({ id }) => id === 'copy-extensions' || id === 'start-new-pods');
  const measured = copied ? manifest.missing : manifest.lost;
  return { measured, pass: measured === 0, evidence: manifest as unknown as Json };
}

async function measureActivePlugins(
  deps: VerificationDeps,
  input: VerifyInput,
): Promise<Measurement> {
  const { site, operationId, plan } = input;
  const facts = Object.values(await factsOfEveryPod(deps, site));
  const now = facts[0]?.activePlugins ?? [];
  const everywhere = facts.every((one) => one.activePlugins.join() === now.join());
  const before =
    plan.changes.length === 0
      ? null
      : ((await newestRecovery(clusterOf(deps, site), site, operationId))?.activePlugins ?? null);
  const approved = plan.observations.find(({ key }) => key === 'wordpress:active-plugins')?.digest;
  const same =
    before === null ? observed.activePlugins(now) === approved : before.join() === now.join();
  return {
    measured: now,
    pass: everywhere && same,
    evidence: { before, comparedWith: before === null ? 'the plan' : 'the recovery point' },
  };
}

async function measureReplicas(deps: VerificationDeps, site: Site): Promise<Measurement> {
  const k = clusterOf(deps, site);
  const deployment = await requireDeployment(k, site);
  const labels = deployment.spec?.template.metadata?.labels ?? {};
  const budgets = await readDisruptionBudgets(k, site, labels);
  const ready = deployment.status?.readyReplicas ?? 0;
  const wanted = deployment.spec?.replicas ?? 0;
  const [budget] = budgets;
  const kept =
    budgets.length === 1 && budget?.spec !== undefined && keepsOnePod(budget.spec, wanted);
  return {
    measured: ready,
    pass: ready >= site.wordpress.replicas && kept,
    evidence: {
      wanted,
      budgets: budgets.map(({ metadata, spec, status }) => ({
        name: metadata?.name ?? '',
        minAvailable: spec?.minAvailable ?? null,
        maxUnavailable: spec?.maxUnavailable ?? null,
        disruptionsAllowed: status?.disruptionsAllowed ?? null,
      })),
    },
  };
}
