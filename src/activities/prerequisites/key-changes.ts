import { PatchStrategy, type V1Secret } from '@kubernetes/client-node';
import { FIELD_MANAGER } from '../../domain/identifiers.ts';
import type { Site } from '../../domain/site/schema.ts';
import { bucketKeyName } from '../../domain/storage-providers.ts';
import { heartbeat, pause } from '../activity-context.ts';
import type { ChangeInput, PrerequisiteActivities } from '../contracts.ts';
import type { DigitalOcean } from '../digitalocean/client.ts';
import { failure } from '../failure.ts';
import { calling, callingOrNull } from '../kubernetes/errors.ts';
import { storageKeys } from '../object-storage/client.ts';
import { proveUse } from '../object-storage/proof.ts';
import { readObject, type KubernetesObjects } from '../secrets/kubernetes-objects.ts';
import { parseSecretReference } from '../secrets/reference.ts';
import type { Secret } from '../secrets/secret.ts';
import { digitalOceanOf, objectsOf, openStorage, type PrerequisiteDeps } from './deps.ts';

type KeyChanges = Pick<PrerequisiteActivities, 'createBucketKeys' | 'deleteBucketKeys'>;

const managedBy = 'app.kubernetes.io/managed-by';
const operationAnnotation = 'presslift/operation';

/** How long a new key may take until it works: providers spread them with a delay. */
const SETTLE_MS = 60_000;

/** The keys for the bucket alone: from the provider's API straight into the Kubernetes Secret of the site file. */
export function createKeyChanges(deps: PrerequisiteDeps): KeyChanges {
  return {
    async createBucketKeys(input) {
      const { site } = input;
      const target = secretOf(site);
      const objects = objectsOf(deps, site);
      const api = await digitalOceanOf(deps, site);
      const name = approvedName(input);
      const issued = await api.spacesKeys({ name });
      const found = await readSecret(objects, target);
      const kept = found ? valueOf(found, 'accessKeyId') : null;
      if (kept !== null && issued.some(({ accessKey }) => accessKey === kept)) {
        await untilUsable(deps, site);
        return { key: name, created: false, secret: site.storage.objects.credentials };
      }
      if (found && kept !== null) {
        throw failure(
          'PreconditionFailed',
          `Secret ${target.namespace}/${target.name} holds keys that the provider did not issue for Presslift`,
        );
      }
      // The secret part of a key is shown once: a key of our name that is not in the Secret was cut off midway.
      for (const { accessKey } of issued) await api.deleteSpacesKey(accessKey);
      const { bucket } = site.storage.objects;
      const made = await api.createSpacesKey({ name, bucket, permission: 'readwrite' });
      try {
        await applySecret(objects, target, input, made);
      } catch (error) {
        await api.deleteSpacesKey(made.accessKey).catch(() => undefined);
        throw error;
      }
      await untilUsable(deps, site);
      return { key: name, created: true, secret: site.storage.objects.credentials };
    },

    async deleteBucketKeys(input) {
      const { site } = input;
      const target = secretOf(site);
      const objects = objectsOf(deps, site);
      const api = await digitalOceanOf(deps, site);
      const found = await readSecret(objects, target);
      if (found && !isOurs(found, input)) {
        throw failure(
          'PreconditionFailed',
          `Secret ${target.namespace}/${target.name} was not made by ${input.operationId}`,
        );
      }
      const deleted = await deleteIssued(api, approvedName(input));
      if (found) {
        await callingOrNull('delete', `Secret ${target.namespace}/${target.name}`, () =>
          objects.delete({ apiVersion: 'v1', kind: 'Secret', metadata: target }),
        );
      }
      return { deletedKeys: deleted, deletedSecret: found !== null };
    },
  };

  /** Waits until the keys in the Secret put, get and delete an object. */
  async function untilUsable(dependencies: PrerequisiteDeps, site: Site): Promise<void> {
    const { bucket, credentials } = site.storage.objects;
    const until = Date.now() + SETTLE_MS;
    for (;;) {
      const storage = openStorage(
        dependencies,
        site,
        await storageKeys(dependencies.secrets, credentials),
      );
      const made = await proveUse(storage, bucket).finally(() => storage.close());
      const failed = made.find(({ ok }) => ok !== true);
      if (!failed) return;
      if (Date.now() > until) {
        throw failure(
          'Unavailable',
          `The new keys cannot ${failed.action} an object in ${bucket}: ${failed.seen}`,
        );
      }
      heartbeat();
      await pause(1_000);
    }
  }
}

async function deleteIssued(api: DigitalOcean, name: string): Promise<number> {
  const issued = await api.spacesKeys({ name });
  for (const { accessKey } of issued) await api.deleteSpacesKey(accessKey);
  return issued.length;
}

function approvedName({ site, change }: ChangeInput): string {
  const name = bucketKeyName(site.name, site.storage.objects.bucket);
  const approved = (change.after as { name?: unknown } | null)?.name;
  if (approved !== name) {
    throw failure('PlanMismatch', `Keys named ${String(approved)} were approved, not ${name}`);
  }
  return name;
}

function secretOf(site: Site): { namespace: string; name: string } {
  const reference = parseSecretReference(site.storage.objects.credentials);
  if (reference.store !== 'kubernetes' || reference.key !== null) {
    throw failure(
      'InvalidSite',
      'storage.objects.credentials must name a whole Kubernetes Secret for keys to be created',
    );
  }
  return { namespace: reference.namespace, name: reference.name };
}

function readSecret(objects: KubernetesObjects, target: { namespace: string; name: string }) {
  return readObject<V1Secret>(objects, 'v1', 'Secret', target.namespace, target.name);
}

function valueOf(secret: V1Secret, key: string): string | null {
  const value = secret.data?.[key];
  return value ? Buffer.from(value, 'base64').toString('utf8') : null;
}

function isOurs(secret: V1Secret, { operationId }: ChangeInput): boolean {
  return (
    secret.metadata?.labels?.[managedBy] === 'presslift' &&
    secret.metadata.annotations?.[operationAnnotation] === operationId
  );
}

async function applySecret(
  objects: KubernetesObjects,
  target: { namespace: string; name: string },
  { site, operationId }: ChangeInput,
  key: { accessKey: string; secretKey: Secret },
): Promise<void> {
  const encode = (value: string) => Buffer.from(value).toString('base64');
  const secret: V1Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      ...target,
      labels: { [managedBy]: 'presslift', 'presslift/site': site.name },
      annotations: { [operationAnnotation]: operationId },
    },
    type: 'Opaque',
    data: { accessKeyId: encode(key.accessKey), secretAccessKey: encode(key.secretKey.reveal()) },
  };
  await calling('patch', `Secret ${target.namespace}/${target.name}`, () =>
    objects.patch(
      secret,
      undefined,
      undefined,
      FIELD_MANAGER,
      false,
      PatchStrategy.ServerSideApply,
    ),
  );
}
