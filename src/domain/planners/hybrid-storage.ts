import { hybridNames } from '../kubernetes/names.ts';
import type { Observation, Plan } from '../plan.ts';
import type { Site } from '../site/schema.ts';
import { hybridChanges } from './hybrid-storage-changes.ts';
import { absentDigest, observationKeys, observed } from './hybrid-storage-facts.ts';
import type { HybridStorageFacts } from './hybrid-storage-facts.ts';
import { hybridFindings } from './hybrid-storage-findings.ts';
import { situationOf } from './hybrid-storage-situation.ts';

/**
 * The plan of phase 1: what is left to do on a site. Pure. Nothing is left once everything is in place, and after an
 * operation that was killed midway only the rest is.
 */
export function planHybridStorage(
  site: Site,
  facts: HybridStorageFacts,
  context: { siteDigest: string },
): Plan {
  const situation = situationOf(site, facts);
  const findings = hybridFindings(site, facts, situation);
  // Without Deployment, Service or a known layout there is nothing that a change could be worked out from.
  const changes =
    situation === null || situation.layout.kind === 'unknown' ? [] : hybridChanges(situation);
  return {
    schema: 1,
    site: site.name,
    operation: 'hybridStorage',
    siteDigest: context.siteDigest,
    changes,
    observations: observationsOf(site, facts),
    findings,
  };
}

function observationsOf(site: Site, facts: HybridStorageFacts): Observation[] {
  const names = hybridNames(site);
  const { namespace, deployment, service } = site.cluster;
  const keys = observationKeys(namespace, { deployment, service, ...names });
  const { wordpress, trees } = facts;
  return [
    {
      key: keys.deployment,
      title: `Deployment ${namespace}/${deployment}`,
      digest: observed.deployment(facts.deployment),
    },
    {
      key: keys.service,
      title: `Service ${namespace}/${service}`,
      digest: observed.service(facts.service),
    },
    {
      key: keys.disruptionBudget,
      title: `PodDisruptionBudgets of ${namespace}/${deployment}`,
      digest: observed.disruptionBudgets(facts.disruptionBudgets),
    },
    {
      key: keys.sharedClaim,
      title: `PersistentVolumeClaim ${namespace}/${names.sharedClaim}`,
      digest: observed.sharedClaim(facts.sharedClaim),
    },
    {
      key: keys.configMap,
      title: `ConfigMap ${namespace}/${names.configMap}`,
      digest: observed.configMap(facts.configMapExtra),
    },
    {
      key: keys.saltsSecret,
      title: `Secret ${namespace}/${names.saltsSecret}`,
      digest: observed.saltsSecret(facts.saltsSecret),
    },
    {
      key: keys.activePlugins,
      title: 'Active plugins of WordPress',
      digest: wordpress === null ? absentDigest : observed.activePlugins(wordpress.activePlugins),
    },
    {
      key: keys.plugins,
      title: 'Files in wp-content/plugins',
      digest: trees === null ? absentDigest : observed.tree(trees.plugins),
    },
    {
      key: keys.themes,
      title: 'Files in wp-content/themes',
      digest: trees === null ? absentDigest : observed.tree(trees.themes),
    },
  ];
}
