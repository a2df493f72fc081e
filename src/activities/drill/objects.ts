import { createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { V1Secret } from '@kubernetes/client-node';
import { drillLabels } from '../../domain/recovery/drill-place.ts';
import type { RecoveryPoint } from '../../domain/recovery/point.ts';
import type { DrillInput } from '../contracts.ts';
import { failure } from '../failure.ts';
import { read } from '../kubernetes/apply.ts';
import type { RecoveryContent } from '../recovery/objects.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { runToolboxJob } from '../recovery/toolbox.ts';
import { clusterOf, scripts, type DrillDeps } from './deps.ts';
import { created } from './place.ts';

/** The part of a point's objects that a copy of the site is made from. */
export type PointObjects = Pick<RecoveryContent, 'deployment' | 'service'>;

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
  const key = randomBytes(32).toString('hex');
  const outcome = await runToolboxJob(k, site, {
    namespace: place.namespace,
    name: 'drill-objects',
    operationId,
    script: scripts.readObjects,
    env: { ...repository.env, SNAPSHOT: point.files.snapshotId },
    secretFiles: { ...repository.secretFiles, key },
    timeoutMs: 600_000,
  });
  const line = outcome.log.trim().split('\n').at(-1) ?? '';
  let text: Buffer;
  try {
    const { objects } = JSON.parse(line) as { objects: string };
    text = gunzipSync(decrypted(Buffer.from(objects, 'base64'), key));
  } catch {
    // The Job of an earlier attempt answered with that attempt's key; it is gone now, and the next one has a new key.
    throw failure('Unavailable', `The objects of ${point.id} could not be read`);
  }
  const objects = parsed(text);
  const body: V1Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secretName, namespace: place.namespace, labels: drillLabels(site) },
    data: { [secretKey]: text.toString('base64') },
  };
  await created('secrets', `${place.namespace}/${secretName}`, () =>
    k.core.createNamespacedSecret({ namespace: place.namespace, body }),
  );
  return objects;
}

function parsed(text: Buffer): PointObjects {
  try {
    return JSON.parse(text.toString('utf8')) as PointObjects;
  } catch {
    throw failure('RestoreDiffers', "The recovery point's Kubernetes objects are no JSON");
  }
}

/** What `openssl enc -aes-256-cbc -pbkdf2 -iter 10000 -md sha256` wrote: `Salted__`, eight bytes of salt, the rest. */
function decrypted(data: Buffer, password: string): Buffer {
  const derived = pbkdf2Sync(password, data.subarray(8, 16), 10_000, 48, 'sha256');
  const decipher = createDecipheriv('aes-256-cbc', derived.subarray(0, 32), derived.subarray(32));
  return Buffer.concat([decipher.update(data.subarray(16)), decipher.final()]);
}
