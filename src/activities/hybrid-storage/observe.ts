import type { V1Deployment } from '@kubernetes/client-node';
import { inspectionJob } from '../../domain/kubernetes/jobs.ts';
import { layoutOf } from '../../domain/kubernetes/layout.ts';
import { hybridNames, operationKey, TRACK_LABEL } from '../../domain/kubernetes/names.ts';
import { plain } from '../../domain/kubernetes/plain.ts';
import { sharedClass } from '../../domain/kubernetes/shared-claim.ts';
import { staticVolumeName } from '../../domain/kubernetes/provisioner.ts';
import type {
  DocrootInspection,
  HybridStorageFacts,
  ShareProof,
} from '../../domain/planners/hybrid-storage-facts.ts';
import type { Site } from '../../domain/site/schema.ts';
import { heartbeat } from '../activity-context.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling, callingOrNull } from '../kubernetes/errors.ts';
import { runJob } from '../kubernetes/jobs.ts';
import { jobPaths } from '../../domain/kubernetes/jobs.ts';
import { agentAnswer, agentCode } from '../wordpress/agent.ts';
import {
  listPods,
  readClaim,
  readDeployment,
  readDisruptionBudgets,
  readService,
  selectorOf,
  servingPod,
} from '../kubernetes/site-objects.ts';
import { readConfigExtra, readConfigMap } from './config-source.ts';
import { clusterOf, type HybridStorageDeps } from './deps.ts';
import { keptSalts } from './salts.ts';
import { proveSharing } from './share-probe.ts';
import { snapshotClassOf } from './snapshot-class.ts';

/** Folders below the document root whose content is compared. */
export const extensionFolders = ['wp-content/plugins', 'wp-content/themes'] as const;

/**
 * Looks at everything that phase 1 depends on. Changes nothing that is the site's: probe claim, probe pods and the
 * inspection Job are removed before it returns.
 */
export async function observeHybridStorage(
  deps: HybridStorageDeps,
  site: Site,
  operationId: string,
): Promise<HybridStorageFacts> {
  const k = clusterOf(deps, site);
  const names = hybridNames(site);
  const [deployment, service, sharedClaim, cluster] = await Promise.all([
    readDeployment(k, site),
    readService(k, site),
    readClaim(k, site, names.sharedClaim),
    observeCluster(k),
  ]);
  const selector = deployment === null ? null : selectorOf(deployment);
  const labels = deployment?.spec?.template.metadata?.labels ?? {};
  const served = service?.spec?.selector?.[TRACK_LABEL] !== undefined;
  const layout =
    deployment?.spec === undefined
      ? null
      : layoutOf(deployment.spec.template, site.wordpress.documentRoot);
  const pods = selector === null ? [] : await listPods(k, site, selector);
  const pod = servingPod(pods, served);
  heartbeat('cluster observed');

  const docroot = layout?.kind === 'docroot-claim' ? await readClaim(k, site, layout.claim) : null;
  const seen =
    pod === null ? noWordPress('no pod is ready') : await observePod(deps, site, pod.name);
  heartbeat('WordPress observed');
  // Without a site nothing is worth a probe, and once pods use the volume it is proved by them.
  const proof =
    served || layout === null || layout.kind === 'unknown' || service === null
      ? null
      : await observeProof(
          k,
          site,
          cluster,
          sharedClaim?.spec?.storageClassName ?? null,
          sharedClaim !== null,
        );
  heartbeat('storage proved');
  const inspected =
    layout?.kind === 'docroot-claim' && !served && selector !== null
      ? await inspect(k, site, operationId, layout, selector)
      : { inspection: null, inspectionError: null };

  const configMap = await readConfigMap(k, site, names.configMap);
  return {
    ...cluster,
    deployment: deployment === null ? null : withoutStatus(deployment),
    service,
    otherServices: await otherServices(k, site, labels),
    disruptionBudgets: deployment === null ? [] : await readDisruptionBudgets(k, site, labels),
    autoscalers: await autoscalers(k, site),
    templateManagers: deployment === null ? [] : templateManagers(deployment),
    docrootClaim: docroot,
    sharedClaim,
    proof,
    snapshotClass: await snapshotClassOf(k, docroot),
    extra:
      deployment?.spec === undefined
        ? { text: '', source: 'none' }
        : await readConfigExtra(k, site, deployment.spec.template),
    configMapExtra: configMap?.data?.['extra'] ?? null,
    saltsSecret: await keptSalts(k, site),
    ...seen,
    ...inspected,
    pods: {
      old: pods.filter(({ tracked }) => !tracked).length,
      new: pods.filter(({ tracked }) => tracked).length,
    },
  };
}

type ClusterFacts = Pick<HybridStorageFacts, 'kubernetes' | 'nodes' | 'storageClasses'>;

async function observeCluster(k: KubernetesClients): Promise<ClusterFacts> {
  const version = await calling('get', 'version', () => k.version.getCode());
  const nodes = await calling('list', 'nodes', () => k.core.listNode());
  const classes = await calling('list', 'storageclasses', () => k.storage.listStorageClass());
  const annotation = 'storageclass.kubernetes.io/is-default-class';
  return {
    kubernetes: {
      major: Number.parseInt(version.major, 10),
      minor: Number.parseInt(version.minor, 10),
    },
    nodes: nodes.items.filter(
      ({ spec }) =>
        spec?.unschedulable !== true &&
        !(spec?.taints ?? []).some(
          ({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute',
        ),
    ).length,
    storageClasses: classes.items.map(({ metadata }) => ({
      name: metadata?.name ?? '',
      isDefault: metadata?.annotations?.[annotation] === 'true',
    })),
  };
}

async function observeProof(
  k: KubernetesClients,
  site: Site,
  { storageClasses, nodes }: ClusterFacts,
  claimClass: string | null,
  claimExists: boolean,
): Promise<ShareProof | null> {
  const name =
    claimClass ?? sharedClass(site) ?? storageClasses.find(({ isDefault }) => isDefault)?.name;
  if (!storageClasses.some((one) => one.name === name)) return null;
  // A static volume has no second one to try: the claim itself is tried, once it exists.
  if (staticVolumeName(site) !== null) {
    if (!claimExists) return null;
    return proveSharing(k, site, {
      storageClass: name,
      claim: hybridNames(site).sharedClaim,
      nodes,
    });
  }
  return proveSharing(k, site, { storageClass: name, claim: null, nodes });
}

type PodFacts = Pick<HybridStorageFacts, 'wordpress' | 'wordpressError' | 'trees'>;

function noWordPress(why: string): PodFacts {
  return { wordpress: null, wordpressError: why, trees: null };
}

async function observePod(deps: HybridStorageDeps, site: Site, pod: string): Promise<PodFacts> {
  try {
    const facts = await deps.agent.facts(site, pod);
    const digests = await deps.agent.treeDigests(site, pod, [...extensionFolders]);
    const [plugins, themes] = extensionFolders.map((folder) => digests[folder]);
    const { version, multisite, saltsFingerprint, saltsFromEnvironment, fpmPort, activePlugins } =
      facts;
    return {
      wordpress: {
        version,
        multisite,
        saltsFingerprint,
        saltsFromEnvironment,
        fpmPort,
        activePlugins,
      },
      wordpressError: null,
      trees: plugins && themes ? { plugins, themes } : null,
    };
  } catch (error) {
    if ((error as { type?: string }).type !== 'AgentFailed') throw error;
    return noWordPress((error as Error).message);
  }
}

async function inspect(
  k: KubernetesClients,
  site: Site,
  operationId: string,
  layout: { claim: string; subPath: string },
  selector: Record<string, string>,
): Promise<Pick<HybridStorageFacts, 'inspection' | 'inspectionError'>> {
  const root = site.wordpress.documentRoot;
  const agent = agentCode(
    site,
    'inspect',
    { cores: ['/usr/src/wordpress', root] },
    { root: jobPaths.old, keepUser: true },
  );
  try {
    const { log } = await runJob(
      k,
      inspectionJob({
        site,
        operation: operationKey(operationId),
        old: layout,
        sameNodeAs: selector,
        agent,
      }),
      { timeoutMs: 300_000 },
    );
    const inspection = agentAnswer(log, 'the inspection Job') as unknown as DocrootInspection;
    return { inspection, inspectionError: null };
  } catch (error) {
    const type = (error as { type?: string }).type;
    if (type !== 'AgentFailed' && type !== 'JobFailed') throw error;
    return { inspection: null, inspectionError: (error as Error).message };
  }
}

async function otherServices(k: KubernetesClients, site: Site, labels: Record<string, string>) {
  const { namespace, service } = site.cluster;
  const list = await calling('list', `services in ${namespace}`, () =>
    k.core.listNamespacedService({ namespace }),
  );
  return list.items
    .filter(({ metadata, spec }) => {
      const wanted = Object.entries(spec?.selector ?? {});
      return (
        metadata?.name !== service &&
        wanted.length > 0 &&
        wanted.every(([name, value]) => labels[name] === value)
      );
    })
    .map(({ metadata }) => metadata?.name ?? '');
}

async function autoscalers(k: KubernetesClients, site: Site): Promise<string[]> {
  const { namespace, deployment } = site.cluster;
  const list = await callingOrNull('list', `horizontalpodautoscalers in ${namespace}`, () =>
    k.autoscaling.listNamespacedHorizontalPodAutoscaler({ namespace }),
  );
  return (list?.items ?? [])
    .filter(({ spec }) => {
      return spec?.scaleTargetRef.kind === 'Deployment' && spec.scaleTargetRef.name === deployment;
    })
    .map(({ metadata }) => metadata?.name ?? '');
}

/** Field managers that put the template back from a source of their own when somebody else changes it. */
function templateManagers(deployment: V1Deployment): string[] {
  const continuous = /argocd|kustomize-controller|helm-controller|flux|fleet/i;
  const managers = (deployment.metadata?.managedFields ?? [])
    .filter(({ manager, fieldsV1 }) => {
      return (
        continuous.test(manager ?? '') && JSON.stringify(fieldsV1 ?? {}).includes('f:template')
      );
    })
    .map(({ manager }) => manager ?? '');
  return [...new Set(managers)];
}

function withoutStatus(deployment: V1Deployment): V1Deployment {
  const copy = plain(deployment);
  delete copy.status;
  return copy;
}
