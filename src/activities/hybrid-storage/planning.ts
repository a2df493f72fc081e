import { digestOf } from '../../domain/digest.ts';
import { hybridNames, TRACK_LABEL } from '../../domain/kubernetes/names.ts';
import type { Drift } from '../../domain/plan.ts';
import { absentDigest, observed } from '../../domain/planners/hybrid-storage-facts.ts';
import { planHybridStorage } from '../../domain/planners/hybrid-storage.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { PlanningActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import {
  listPods,
  readClaim,
  readDeployment,
  readDisruptionBudgets,
  readService,
  requireDeployment,
  selectorOf,
  servingPod,
} from '../kubernetes/site-objects.ts';
import { readConfigMap } from './config-source.ts';
import { clusterOf, type HybridStorageDeps } from './deps.ts';
import { keptSalts } from './salts.ts';
import { observeHybridStorage } from './observe.ts';

/**
 * Looks again at one observed thing: its digest now, or null when it is gone. Registered under the part of the key before
 * the first colon.
 */
export type Observer = (site: Site, key: string) => Promise<string | null>;
export type ObserverRegistry = Record<string, Observer>;

/** The activity `planHybridStorage`. */
export function createHybridPlanning(
  deps: HybridStorageDeps,
): Pick<PlanningActivities, 'planHybridStorage'> {
  return {
    async planHybridStorage({ site, siteDigest, operationId }) {
      const facts = await observeHybridStorage(deps, site, operationId);
      const plan = planHybridStorage(site, facts, { siteDigest });
      return { plan, digest: digestOf(plan) };
    },
  };
}

/** Observers of everything that a plan of phase 1 observes. */
export function createHybridObservers(deps: HybridStorageDeps): ObserverRegistry {
  const tree = async (site: Site, folder: 'plugins' | 'themes') => {
    const digests = await deps.agent.treeDigests(site, await podOf(deps, site), [
      `wp-content/${folder}`,
    ]);
    const found = digests[`wp-content/${folder}`];
    return found === undefined ? null : observed.tree(found);
  };
  return {
    deployment: async (site) =>
      observed.deployment(await readDeployment(clusterOf(deps, site), site)),
    service: async (site) => observed.service(await readService(clusterOf(deps, site), site)),
    pdb: async (site) => {
      const k = clusterOf(deps, site);
      const deployment = await requireDeployment(k, site);
      const labels = deployment.spec?.template.metadata?.labels ?? {};
      return observed.disruptionBudgets(await readDisruptionBudgets(k, site, labels));
    },
    claim: async (site) =>
      observed.sharedClaim(
        await readClaim(clusterOf(deps, site), site, hybridNames(site).sharedClaim),
      ),
    configmap: async (site) => {
      const map = await readConfigMap(clusterOf(deps, site), site, hybridNames(site).configMap);
      return observed.configMap(map?.data?.['extra'] ?? null);
    },
    secret: async (site) => observed.saltsSecret(await keptSalts(clusterOf(deps, site), site)),
    wordpress: async (site) =>
      observed.activePlugins((await deps.agent.facts(site, await podOf(deps, site))).activePlugins),
    tree: async (site, key) => tree(site, key === 'tree:themes' ? 'themes' : 'plugins'),
  };
}

/** A pod that shows the site as visitors meet it. */
async function podOf(deps: HybridStorageDeps, site: Site): Promise<string> {
  const k = clusterOf(deps, site);
  const deployment = await requireDeployment(k, site);
  const service = await readService(k, site);
  const served = service?.spec?.selector?.[TRACK_LABEL] !== undefined;
  const pod = servingPod(await listPods(k, site, selectorOf(deployment)), served);
  if (pod === null) {
    const { namespace, deployment: name } = site.cluster;
    throw failure('Unavailable', `No pod of ${namespace}/${name} is ready`);
  }
  return pod.name;
}

/**
 * The activity `detectDrift` over all observers of the worker.
 * @throws InvalidInput for a key that nobody observes: what is not looked at must not count as unchanged.
 */
export function createDriftDetection(
  registry: ObserverRegistry,
): Pick<PlanningActivities, 'detectDrift'> {
  return {
    async detectDrift({ site, observations }) {
      const drifts: Drift[] = [];
      for (const { key, title, digest } of observations) {
        const observer = registry[key.split(':', 1)[0] ?? ''];
        if (observer === undefined) throw failure('InvalidInput', `Nothing observes ${key}`);
        const now = (await observer(site, key)) ?? absentDigest;
        if (now !== digest) {
          drifts.push({ key, title, approved: digest, found: now === absentDigest ? null : now });
        }
      }
      return drifts;
    },
  };
}
