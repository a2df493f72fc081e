import type { V1ConfigMap, V1Secret } from '@kubernetes/client-node';
import { drillLabels } from '../../domain/recovery/drill-place.ts';
import type { RecoveryPoint } from '../../domain/recovery/point.ts';
import type { DrillInput } from '../contracts.ts';
import { failure } from '../failure.ts';
import { read } from '../kubernetes/apply.ts';
import { opened, outputKey } from '../recovery/encrypted-output.ts';
import type { RecoveryContent } from '../recovery/objects.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { runToolboxJob } from '../recovery/toolbox.ts';
import { clusterOf, scripts, type DrillDeps } from './deps.ts';
import { created } from './place.ts';

/** The part of a point's objects that a copy of the site is made from. */
export interface PointObjects extends Pick<RecoveryContent, 'deployment' | 'service'> {
  /** Those that the template reads, as they were then. */
  configMaps?: V1ConfigMap[];
}

const secretName = 'presslift-drill-objects';
const secretKey = 'objects.json';

/**
 * The Kubernetes objects of the point, from the repository and not from the cluster, which may be lost in earnest. Read once
 * a drill and kept in its namespace.
 *
 * @throws NotFound (the point has no files), JobFailed, RepositoryRefused, Unauthorized, RestoreDiffers
 */
export async function pointObjects(
  deps: DrillDeps,
  input: DrillInput,
  point: RecoveryPoint,
): Promise<PointObjects> {
  const { site, place, operationId } = input;
  const k = clusterOf(deps, site);
  const ref = { apiVersion: 'v1', kind: 'Secret', namespace: place.namespace, name: secretName };
  const kept = await read<V1Secret>(k, ref);
  if (kept !== null) return parsed(Buffer.from(kept.data?.[secretKey] ?? '', 'base64'));
  if (point.files === null) throw failure('NotFound', `Recovery point ${point.id} has no files`);
  const repository = await repositoryOf(deps, site);
  const key = objectsKey();
  const outcome = await runToolboxJob(k, site, {
    namespace: place.namespace,
    name: 'drill-objects',
    operationId,
    script: scripts.readObjects,
    env: { ...repository.env, SNAPSHOT: point.files.snapshotId },
    secretFiles: { ...repository.secretFiles, key },
    timeoutMs: 600_000,
  });
  const { objects } = lastLine<{ objects: string }>(outcome.log, `the objects of ${point.id}`);
  return keepObjects(deps, input, objects, key);
}

/** A key for one Job. */
export const objectsKey = outputKey;

/**
 * Decrypts what a Job read with `encrypt` and keeps it in the drill's namespace.
 * @throws Unavailable when the Job was one of an earlier attempt, with that attempt's key; it is gone now.
 */
export async function keepObjects(
  deps: DrillDeps,
  { site, place }: DrillInput,
  encrypted: string,
  key: string,
): Promise<PointObjects> {
  const { namespace } = place;
  const text = opened(encrypted, key, `The objects of ${place.point}`);
  const objects = parsed(text);
  const body: V1Secret = {
    metadata: { name: secretName, namespace, labels: drillLabels(site) },
    data: { [secretKey]: text.toString('base64') },
  };
  await created('secrets', `${namespace}/${secretName}`, () =>
    clusterOf(deps, site).core.createNamespacedSecret({ namespace, body }),
  );
  return objects;
}

/** The document that a Job printed last. @throws JobFailed when there is none */
export function lastLine<T>(log: string, what: string): T {
  try {
    return JSON.parse(log.trim().split('\n').at(-1) ?? '') as T;
  } catch {
    throw failure('JobFailed', `The Job for ${what} ended without a result`);
  }
}

function parsed(text: Buffer): PointObjects {
  try {
    return JSON.parse(text.toString('utf8')) as PointObjects;
  } catch {
    throw failure('RestoreDiffers', "The recovery point's Kubernetes objects are no JSON");
  }
}
