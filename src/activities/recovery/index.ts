import type { KubernetesObject, V1Secret } from '@kubernetes/client-node';
import {
  hybridNames,
  managedLabels,
  nameFrom,
  OPERATION_LABEL,
  operationKey,
} from '../../domain/kubernetes/names.ts';
import { oldVolumeOf } from '../../domain/kubernetes/layout.ts';
import { plain } from '../../domain/kubernetes/plain.ts';
import { TRACK_LABEL } from '../../domain/kubernetes/names.ts';
import type { RecoveryPointRef } from '../../domain/operation.ts';
import type { Plan } from '../../domain/plan.ts';
import type { RulesCopy } from '../../domain/cdn/rules-copy.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { RecoveryActivities } from '../contracts.ts';
import { packedRules, rulesKey } from './packed-rules.ts';
import { apply, mergePatch, read } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import {
  listPods,
  readClaim,
  readDeployment,
  readDisruptionBudgets,
  readService,
  selectorOf,
  servingPod,
} from '../kubernetes/site-objects.ts';
import { readConfigMap } from '../hybrid-storage/config-source.ts';
import { clusterOf, type HybridStorageDeps } from '../hybrid-storage/deps.ts';
import { keptSalts } from '../hybrid-storage/salts.ts';
import { snapshotClassOf } from '../hybrid-storage/snapshot-class.ts';
import {
  readRecovery,
  recoveryIdAnnotation,
  recoveryKey,
  recoveryRole,
  recoverySecretName,
  type RecoveryContent,
} from './objects.ts';

export interface RecoveryDeps extends HybridStorageDeps {
  /**
   * Logs an administrator in and gives the values of the login cookies, or null when that is not possible now. They are
   * kept in the recovery point's Secret alone.
   */
  openSession(site: Site): Promise<string[] | null>;
  /** The rules of the site's zone at the CDN; null for a site without one. */
  readCdnRules(site: Site): Promise<RulesCopy | null>;
  now(): Date;
}

const snapshotTimeoutMs = 600_000;

/** `takeRecoveryPoint`: what every undo of an operation goes back to. */
export function createRecoveryActivities(deps: RecoveryDeps): RecoveryActivities {
  return {
    async takeRecoveryPoint({ site, id, operationId, plan }) {
      const k = clusterOf(deps, site);
      let content = await readRecovery(k, site, id);
      if (content === null) {
        // Files move in phase 1 alone; other operations need the objects only.
        const gathered = await gather(deps, k, site, id, plan);
        content = gathered.content;
        await apply(k, secretOf(site, id, operationId, gathered));
      }
      await noteNewest(k, site, operationId, id);
      if (content.snapshot !== null) await awaitSnapshot(k, site, content.snapshot);
      return { ...refOf(site, id, content), objectsSecret: recoverySecretName(id) };
    },
  };
}

interface Gathered {
  content: RecoveryContent;
  /** See packedRules. */
  cdnRules: Buffer | null;
}

async function gather(
  deps: RecoveryDeps,
  k: KubernetesClients,
  site: Site,
  id: string,
  plan: Plan | null,
): Promise<Gathered> {
  const withSnapshot = plan?.operation === 'hybridStorage';
  const names = hybridNames(site);
  const deployment = await readDeployment(k, site);
  const service = await readService(k, site);
  const template = deployment?.spec?.template;
  const labels = template?.metadata?.labels ?? {};
  const missing =
    plan === null ? [] : ['the database', 'files of plugins and themes on the shared volume'];

  const old = template ? oldVolumeOf(template, site.wordpress.documentRoot) : null;
  const claim = old === null ? null : await readClaim(k, site, old.claim);
  const snapshotClass = withSnapshot ? await snapshotClassOf(k, claim) : null;
  const snapshot = snapshotClass === null ? null : nameFrom('presslift-recovery', id);
  if (withSnapshot && snapshot === null) {
    missing.push('a snapshot of the document root (no VolumeSnapshotClass fits its volume)');
  }
  if (snapshot !== null && old !== null && snapshotClass !== null) {
    await apply(k, snapshotObject(site, snapshot, snapshotClass, old.claim) as KubernetesObject);
  }

  const wordpress = await lookInside(
    deps,
    k,
    site,
    deployment === null ? null : selectorOf(deployment),
    service?.spec?.selector?.[TRACK_LABEL] !== undefined,
  );
  if (wordpress === null) missing.push('the list of active plugins (WordPress answers in no pod)');
  const session = await deps.openSession(site);
  if (session === null) missing.push("an administrator's login (it failed)");
  const cdnRules = await keepCdnRules(deps, site, missing);
  const content: RecoveryContent = {
    takenAt: deps.now().toISOString(),
    deployment: stripped(deployment),
    service: stripped(service),
    disruptionBudgets:
      deployment === null
        ? []
        : (await readDisruptionBudgets(k, site, labels)).map((one) => stripped(one)),
    configMap: stripped(await readConfigMap(k, site, names.configMap)),
    saltsSecret: (await keptSalts(k, site)) !== null,
    claims: old === null ? [] : [old.claim],
    activePlugins: wordpress?.activePlugins ?? null,
    plugins: wordpress?.plugins ?? null,
    session,
    snapshot,
    cdnRules: cdnRules !== null,
    missing,
  };
  return { content, cdnRules };
}

/** A CDN that does not answer keeps nobody from taking a point; its rules are missing then. */
async function keepCdnRules(
  deps: RecoveryDeps,
  site: Site,
  missing: string[],
): Promise<Buffer | null> {
  try {
    const copy = await deps.readCdnRules(site);
    if (copy === null) return null;
    const packed = packedRules(copy);
    if (packed !== null) return packed;
    missing.push("a copy of the CDN's rules (they are too many): only the provider has them");
  } catch (error) {
    if (failureTypeOf(error) === null) throw error;
    missing.push(`a copy of the CDN's rules (${(error as Error).message})`);
  }
  return null;
}

async function lookInside(
  deps: RecoveryDeps,
  k: KubernetesClients,
  site: Site,
  selector: Record<string, string> | null,
  served: boolean,
) {
  if (selector === null) return null;
  const pod = servingPod(await listPods(k, site, selector), served);
  if (pod === null) return null;
  try {
    const { activePlugins, plugins } = await deps.agent.facts(site, pod.name);
    return { activePlugins, plugins: plugins.map(({ file, version }) => ({ file, version })) };
  } catch (error) {
    // A site that is broken already needs its recovery point before it is mended all the same.
    if (failureTypeOf(error) !== 'AgentFailed') throw error;
    return null;
  }
}

/** Without what the server adds and what no undo may write back. */
function stripped<T extends KubernetesObject | null>(object: T): T {
  if (object === null) return object;
  const copy = plain(object) as KubernetesObject & { status?: unknown };
  delete copy.status;
  if (copy.metadata !== undefined) {
    delete copy.metadata.managedFields;
    delete copy.metadata.creationTimestamp;
  }
  return copy as T;
}

function secretOf(
  site: Site,
  id: string,
  operationId: string,
  { content, cdnRules }: Gathered,
): V1Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: recoverySecretName(id),
      namespace: site.cluster.namespace,
      labels: {
        ...managedLabels(site, recoveryRole),
        [OPERATION_LABEL]: operationKey(operationId),
      },
      annotations: { [recoveryIdAnnotation]: id },
    },
    type: 'Opaque',
    data: {
      [recoveryKey]: Buffer.from(JSON.stringify(content)).toString('base64'),
      ...(cdnRules !== null && { [rulesKey]: cdnRules.toString('base64') }),
    },
  };
}

const snapshotApi = 'snapshot.storage.k8s.io/v1';

function snapshotObject(site: Site, name: string, className: string, claim: string) {
  return {
    apiVersion: snapshotApi,
    kind: 'VolumeSnapshot',
    metadata: {
      name,
      namespace: site.cluster.namespace,
      labels: managedLabels(site, recoveryRole),
    },
    spec: {
      volumeSnapshotClassName: className,
      source: { persistentVolumeClaimName: claim },
    },
  };
}

interface VolumeSnapshot extends KubernetesObject {
  status?: { readyToUse?: boolean; error?: { message?: string } };
}

async function awaitSnapshot(k: KubernetesClients, site: Site, name: string): Promise<void> {
  const { namespace } = site.cluster;
  await waitUntil({
    what: `VolumeSnapshot ${namespace}/${name} is ready`,
    timeoutMs: snapshotTimeoutMs,
    onTimeout: 'PreconditionFailed',
    check: async () => {
      const found = await read<VolumeSnapshot>(k, {
        apiVersion: snapshotApi,
        kind: 'VolumeSnapshot',
        namespace,
        name,
      });
      if (found === null) {
        throw failure('NotFound', `VolumeSnapshot ${namespace}/${name} is gone`);
      }
      if (found.status?.readyToUse === true) return { done: true };
      return { missing: found.status?.error?.message ?? 'it is being taken' };
    },
  });
}

function refOf(site: Site, id: string, content: RecoveryContent): RecoveryPointRef {
  const { namespace } = site.cluster;
  const named = (kind: string, name: string | undefined) => `${kind} ${namespace}/${name ?? '?'}`;
  return {
    id,
    takenAt: content.takenAt,
    contains: [
      ...(content.deployment ? [named('Deployment', content.deployment.metadata?.name)] : []),
      ...(content.service ? [named('Service', content.service.metadata?.name)] : []),
      ...content.disruptionBudgets.map((one) => named('PodDisruptionBudget', one.metadata?.name)),
      ...(content.configMap ? [named('ConfigMap', content.configMap.metadata?.name)] : []),
      ...content.claims.map((name) => `name of ${named('PersistentVolumeClaim', name)}`),
      ...(content.snapshot ? [named('VolumeSnapshot', content.snapshot)] : []),
      ...(content.activePlugins ? ['list of active plugins'] : []),
      ...(content.cdnRules ? ["the CDN's rules"] : []),
    ],
    missing: content.missing,
  };
}

const indexName = 'presslift-recovery-points';
const indexAnnotation = (operationId: string) =>
  `recovery.presslift.dev/${operationKey(operationId)}`;

/** Notes which recovery point an operation took last: verification asks by operation, and Secrets cannot be listed. */
async function noteNewest(
  k: KubernetesClients,
  site: Site,
  operationId: string,
  id: string,
): Promise<void> {
  await apply(
    k,
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: indexName, namespace: site.cluster.namespace },
    },
    {},
  );
  await mergePatch(
    k,
    { apiVersion: 'v1', kind: 'ConfigMap', namespace: site.cluster.namespace, name: indexName },
    { metadata: { annotations: { [indexAnnotation(operationId)]: id } } },
  );
}

/** The newest recovery point of an operation, or null. */
export async function newestRecovery(
  k: KubernetesClients,
  site: Site,
  operationId: string,
): Promise<RecoveryContent | null> {
  const index = await readConfigMap(k, site, indexName);
  const id = index?.metadata?.annotations?.[indexAnnotation(operationId)];
  return id === undefined ? null : readRecovery(k, site, id);
}
