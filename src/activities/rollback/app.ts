import type { V1ConfigMap, V1Deployment, V1DeploymentSpec } from '@kubernetes/client-node';
import { digestOf } from '../../domain/digest.ts';
import { FIELD_MANAGER } from '../../domain/identifiers.ts';
import { plain } from '../../domain/kubernetes/plain.ts';
import {
  desiredApp,
  desiredAppShown,
  type DesiredApp,
} from '../../domain/planners/rollback-app.ts';
import {
  restartAnnotations,
  withoutRestarts,
  type AppFacts,
} from '../../domain/planners/rollback-facts.ts';
import type { Json } from '../../domain/json.ts';
import type { AppPart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeInput, ChangeResult, RollbackActivities } from '../contracts.ts';
import { readDeployment, requireDeployment } from '../kubernetes/site-objects.ts';
import { readConfigMap } from '../hybrid-storage/config-source.ts';
import { deploymentRef } from '../hybrid-storage/rollout-changes.ts';
import { apply, mergePatch, read, replace } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling } from '../kubernetes/errors.ts';
import { failure } from '../failure.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster } from '../recovery/deps.ts';
import { contentOf, requireRecovery } from '../recovery/objects.ts';
import type { V1Secret } from '@kubernetes/client-node';
import type { RollbackDeps } from './deps.ts';
import { phpPods } from '../kubernetes/php-pods.ts';
import { awaitRollout, restartMark } from './pods.ts';

/**
 * The Deployment's template of the point, rolled out, or the whole Deployment where it is gone; and back to the one of before.
 */
export function createApp(
  deps: RollbackDeps,
): Pick<RollbackActivities, 'restoreApp' | 'returnApp'> {
  return {
    async restoreApp(input) {
      const { site, change } = input;
      const k = siteCluster(deps, site);
      const live = await readDeployment(k, site);
      const { configMap, desired, kept } = await approvedApp(deps, k, input, live);
      const mark = change.params['restart'] === true ? restartMark(input.operationId, 'app') : null;
      if (live === null || !isRolled(live, desired, mark)) {
        if (configMap !== null) await applyData(k, configMap);
        await (live === null ? create(k, kept, desired) : roll(k, live, desired, mark));
      }
      return settle(k, input);
    },

    async returnApp(input) {
      const { site } = input;
      const k = siteCluster(deps, site);
      const mark =
        input.change.params['restart'] === true ? restartMark(input.operationId, 'app-back') : null;
      if (input.change.before === null) return withoutPods(k, input);
      const live = await requireDeployment(k, site);
      const before = await requireRecovery(k, site, input.recoveryPoint);
      const spec = before.deployment?.spec;
      if (spec === undefined) {
        throw failure('PreconditionFailed', 'The recovery point holds no Deployment');
      }
      const wanted = { template: spec.template, replicas: spec.replicas ?? 1 };
      if (!isRolled(live, wanted, mark)) {
        if (before.configMap !== null) await applyData(k, before.configMap);
        await roll(k, live, wanted, mark);
      }
      if (input.change.params['stuck'] === true) {
        // It did not become ready before either: waiting for it would never end.
        return { rolledOut: false, why: 'this template was stuck before the rollback, too' };
      }
      return settle(k, input);
    },
  };
}

/** There was no Deployment. One that is there now stays, for the worker may not delete it, but no pod runs. */
async function withoutPods(k: KubernetesClients, input: ChangeInput): Promise<ChangeResult> {
  const { site } = input;
  if ((await readDeployment(k, site)) === null) {
    return { rolledOut: false, why: 'there is no Deployment, as before' };
  }
  await mergePatch(k, deploymentRef(site), { spec: { replicas: 0 } });
  return settle(k, input);
}

async function settle(k: KubernetesClients, { site }: ChangeInput): Promise<ChangeResult> {
  const { pods } = await awaitRollout(k, site);
  return { rolledOut: true, pods };
}

/**
 * What a person approved, computed again from the real objects: a plan holds them redacted.
 * @throws PlanMismatch when they are no longer what was approved.
 */
async function approvedApp(
  deps: RollbackDeps,
  k: KubernetesClients,
  input: ChangeInput,
  live: V1Deployment | null,
): Promise<{ desired: DesiredApp; configMap: V1ConfigMap | null; kept: V1Deployment }> {
  const { site, change } = input;
  const part = await partOf(deps, input);
  const facts = await appFacts(k, site, part, live);
  const pinned = (change.params['pinned'] ?? {}) as Record<string, string>;
  const desired = desiredApp(live, part, facts, pinned);
  const kept = facts.objects?.deployment ?? null;
  if (desired === null || kept === null) {
    throw failure('PreconditionFailed', `The Secret ${part.objectsSecret} is gone`);
  }
  if (live === null && change.before !== null) {
    throw failure('PlanMismatch', 'The Deployment is gone since this was approved');
  }
  // An earlier attempt may have put the ConfigMap in place already.
  const withMap = (change.after as { configMap?: Json } | null)?.configMap !== undefined;
  const configMap = withMap ? (facts.objects?.configMap ?? null) : null;
  if (digestOf(desiredAppShown({ ...desired, configMap })) !== digestOf(change.after)) {
    throw failure('PlanMismatch', 'The Deployment is not what it was when this was approved');
  }
  return { desired, configMap, kept };
}

type Wanted = Pick<DesiredApp, 'template' | 'replicas'>;

function isRolled(live: V1Deployment, wanted: Wanted, mark: string | null): boolean {
  const template = live.spec?.template;
  if (template === undefined || (live.spec?.replicas ?? 1) !== wanted.replicas) return false;
  const [annotation] = restartAnnotations;
  return (
    digestOf(plain(withoutRestarts(template))) ===
      digestOf(plain(withoutRestarts(wanted.template))) &&
    (mark === null || template.metadata?.annotations?.[annotation] === mark)
  );
}

/** Makes the Deployment as the point kept it. What the server gave the old one, and whoever owned it, stays behind. */
async function create(
  k: KubernetesClients,
  { metadata, spec }: V1Deployment,
  { template, replicas }: Wanted,
): Promise<void> {
  const { name, namespace = '', labels, annotations } = metadata ?? {};
  const body = plain({
    metadata: { name, namespace, labels, annotations },
    spec: { ...(spec as V1DeploymentSpec), template, replicas, paused: false },
  });
  delete body.metadata.annotations?.['deployment.kubernetes.io/revision'];
  await calling('create', `deployments ${namespace}/${name}`, () =>
    k.apps.createNamespacedDeployment({ namespace, body, fieldManager: FIELD_MANAGER }),
  );
}

/**
 * Puts template and replicas in the place of the live ones. With a mark every pod is a new one afterwards; without one, pods
 * of this template that still run are taken up again.
 */
async function roll(
  k: KubernetesClients,
  live: V1Deployment,
  wanted: Wanted,
  mark: string | null,
): Promise<void> {
  const next = plain(live);
  const template = plain(withoutRestarts(wanted.template));
  // The same restart marks as now, or pods that run this template already would not be taken up again.
  const marks = Object.entries(live.spec?.template.metadata?.annotations ?? {}).filter(([name]) =>
    (restartAnnotations as readonly string[]).includes(name),
  );
  const annotations = {
    ...template.metadata?.annotations,
    ...Object.fromEntries(marks),
    ...(mark !== null && { [restartAnnotations[0]]: mark }),
  };
  template.metadata = {
    ...template.metadata,
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
  next.spec = {
    ...(next.spec as V1DeploymentSpec),
    template,
    replicas: wanted.replicas,
    paused: false,
  };
  delete next.status;
  await replace(k, next);
}

async function applyData(k: KubernetesClients, map: V1ConfigMap): Promise<void> {
  const { name, namespace } = map.metadata ?? {};
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    data: map.data,
  };
  await apply(k, object, { force: true });
}

async function partOf(deps: RollbackDeps, { site, change }: ChangeInput): Promise<AppPart> {
  const { point: id } = change.params;
  if (typeof id !== 'string') throw failure('InvalidInput', 'The change names no recovery point');
  const catalogue = await openCatalogue(deps, site);
  try {
    const { app } = await catalogue.read(id);
    if (app === null) throw failure('NotFound', `Recovery point ${id} holds no Deployment`);
    return app;
  } finally {
    catalogue.close();
  }
}

/** What `desiredApp` needs: the objects that the point kept, and what runs now. */
export async function appFacts(
  k: KubernetesClients,
  site: Site,
  part: AppPart,
  live: V1Deployment | null,
): Promise<AppFacts> {
  const { namespace } = site.cluster;
  const secret = await read<V1Secret>(k, {
    apiVersion: 'v1',
    kind: 'Secret',
    namespace,
    name: part.objectsSecret,
  });
  const content = secret === null ? null : contentOf(secret);
  const configMap = content?.configMap?.metadata?.name;
  const missingSecrets: string[] = [];
  for (const reference of part.secrets) {
    const [space = '', name = ''] = reference.split('/');
    const found = await read(k, { apiVersion: 'v1', kind: 'Secret', namespace: space, name });
    if (found === null) missingSecrets.push(reference);
  }
  const pods = live === null ? [] : await phpPods(k, site);
  return {
    objects:
      content === null ? null : { deployment: content.deployment, configMap: content.configMap },
    configMap: configMap === undefined ? null : await readConfigMap(k, site, configMap),
    running: pods.filter(({ ready }) => ready).flatMap(({ running }) => running),
    missingSecrets,
  };
}
