import type {
  V1ConfigMap,
  V1Container,
  V1PodTemplateSpec,
  V1Secret,
} from '@kubernetes/client-node';
import type { CriterionResult } from '../../domain/criterion.ts';
import type { JsonObject } from '../../domain/json.ts';
import { drillCriterion, noneMeasured } from '../../domain/recovery/drill-criteria.ts';
import { copyLabels, copyName, drillDeployment } from '../../domain/recovery/drill-objects.ts';
import { drillLabels } from '../../domain/recovery/drill-place.ts';
import { drillTemplate, type DrillTemplate } from '../../domain/recovery/drill-template.ts';
import type { DrillStage, RecoveryPoint } from '../../domain/recovery/point.ts';
import type { DrillActivities, DrillFindings, DrillInput } from '../contracts.ts';
import { failure } from '../failure.ts';
import { read } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { askCopy } from './agent.ts';
import { clusterOf, pointOf, timed, type DrillDeps } from './deps.ts';
import { findingsOf } from './failures.ts';
import { pointObjects, type PointObjects } from './objects.ts';
import { created } from './place.ts';
import { awaitCopy, startCriteria } from './start.ts';

const bootCriteria = ['image', 'boot'] as const;
const hostCriteria = ['serialized-data', 'host-replaced'] as const;

/** The activity `bootDrillSite`. */
export function createBootDrillSite(deps: DrillDeps): Pick<DrillActivities, 'bootDrillSite'> {
  return {
    async bootDrillSite(input) {
      const stages: DrillStage[] = [];
      try {
        return await booted(deps, input, stages);
      } catch (error) {
        const stage = { byDefault: 'boot', criteria: [...bootCriteria, ...hostCriteria] } as const;
        return { criteria: findingsOf(error, stage), stages, usable: false };
      }
    },
  };
}

async function booted(
  deps: DrillDeps,
  input: DrillInput,
  stages: DrillStage[],
): Promise<DrillFindings> {
  const { site, place } = input;
  const k = clusterOf(deps, site);
  const point = await pointOf(deps, input);
  const start = await timed(deps, stages, 'start', async () => {
    const objects = await pointObjects(deps, input, point);
    const made = templateOf(input, point, objects);
    await copyReferences(k, input, made, objects.configMaps ?? []);
    const body = drillDeployment(site, place.namespace, made.template);
    await created('deployments', `${place.namespace}/${copyName}`, () =>
      k.apps.createNamespacedDeployment({ namespace: place.namespace, body }),
    );
    return { made, seen: await awaitCopy(k, place, site.cluster.container) };
  });
  const { made, seen } = start;
  const criteria: CriterionResult[] = startCriteria(seen, made);
  if (!seen.running) {
    const why = 'WordPress does not run on what was restored';
    return { criteria: [...criteria, ...noneMeasured(hostCriteria, why)], stages, usable: false };
  }
  try {
    const moved = await timed(deps, stages, 'host', () =>
      askCopy(k, site, place, 'drill-replace', {
        database: place.database,
        hosts: site.hosts.names,
        host: place.host,
      }),
    );
    criteria.push(...hostMoved(moved as unknown as HostMove));
    return { criteria, stages, usable: true };
  } catch (error) {
    const stage = { byDefault: 'host-replaced', criteria: hostCriteria } as const;
    return { criteria: [...criteria, ...findingsOf(error, stage)], stages, usable: false };
  }
}

/** What the agent's `drill-replace` tells. */
interface HostMove {
  before: SerializedCheck;
  changed: { tables: number; values: number };
  after: SerializedCheck;
  left: { values: number; first: string[] };
  address: { siteurl: string | null; home: string | null };
}

interface SerializedCheck {
  values: number;
  broken: number;
  first: string[];
}

function hostMoved({ before, changed, after, left, address }: HostMove): CriterionResult[] {
  const check = ({ values, broken }: SerializedCheck): JsonObject => ({ values, broken });
  return [
    drillCriterion('serialized-data', {
      pass: before.broken === 0 && after.broken === 0 && after.values === before.values,
      measured: { before: check(before), after: check(after) },
      target: { broken: 0 },
      evidence: { broken: [...new Set([...before.first, ...after.first])].slice(0, 20) },
    }),
    drillCriterion('host-replaced', {
      pass: left.values === 0,
      measured: left.values,
      target: 0,
      evidence: { changed, left: left.first, address },
    }),
  ];
}

function templateOf(
  { site, place }: DrillInput,
  point: RecoveryPoint,
  { deployment }: PointObjects,
): DrillTemplate {
  const template = deployment?.spec?.template;
  if (template?.spec === undefined) {
    throw failure('BackupIncomplete', `Recovery point ${point.id} holds no Deployment`);
  }
  const claims = point.files?.volumes.map(({ claim }) => claim) ?? [];
  return drillTemplate({
    site,
    template,
    images: imagesOf(template, point.app?.images ?? {}),
    claims,
    database: place.database,
    host: place.host,
    labels: copyLabels(site),
  });
}

/** The point notes what serving containers ran; an init container of the same image gets the same digest. */
function imagesOf(
  template: V1PodTemplateSpec,
  known: Record<string, string>,
): Record<string, string> {
  const all: V1Container[] = [
    ...(template.spec?.initContainers ?? []),
    ...(template.spec?.containers ?? []),
  ];
  const byImage = new Map(
    all.flatMap(({ name, image }) => {
      const exact = known[name];
      return exact === undefined || image === undefined ? [] : [[image, exact] as const];
    }),
  );
  const found = all.flatMap(({ name, image = '' }) => {
    const exact = known[name] ?? byImage.get(image);
    return exact === undefined ? [] : [[name, exact] as const];
  });
  return Object.fromEntries(found);
}

/**
 * Copies of the ConfigMaps and Secrets that the template reads: ConfigMaps as the point has them, values of Secrets from the live
 * namespace, because no backup holds them.
 */
async function copyReferences(
  k: KubernetesClients,
  { site, place }: DrillInput,
  { references }: DrillTemplate,
  kept: V1ConfigMap[],
): Promise<void> {
  const { namespace } = place;
  const live = site.cluster.namespace;
  const metadata = (name: string) => ({ name, namespace, labels: drillLabels(site) });
  for (const name of references.configMaps) {
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: live, name };
    const found =
      kept.find(({ metadata: its }) => its?.name === name) ?? (await read<V1ConfigMap>(k, ref));
    // One that is optional may be missing; one that is not keeps the pod from starting, and that is told.
    if (found === null) continue;
    const { data, binaryData } = found;
    await created('configmaps', `${namespace}/${name}`, () =>
      k.core.createNamespacedConfigMap({
        namespace,
        body: { metadata: metadata(name), data, binaryData },
      }),
    );
  }
  for (const name of references.secrets) {
    const found = await read<V1Secret>(k, {
      apiVersion: 'v1',
      kind: 'Secret',
      namespace: live,
      name,
    });
    if (found === null || found.type === 'kubernetes.io/service-account-token') continue;
    const { data, type } = found;
    await created('secrets', `${namespace}/${name}`, () =>
      k.core.createNamespacedSecret({ namespace, body: { metadata: metadata(name), data, type } }),
    );
  }
}
