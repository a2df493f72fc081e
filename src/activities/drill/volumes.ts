import type { V1PersistentVolume } from '@kubernetes/client-node';
import { drillVolume } from '../../domain/recovery/drill-volumes.ts';
import type { ContentVolume } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { failure, failureTypeOf } from '../failure.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';

/**
 * Class and access modes of a drill's claims, by the claim that was backed up.
 * @throws PreconditionFailed when there is no class for one of them, with what to set
 */
export async function drillVolumes(
  k: KubernetesClients,
  site: Site,
  volumes: readonly ContentVolume[],
): Promise<Map<string, { storageClass: string; accessModes: string[] }>> {
  if (volumes.length === 0) return new Map();
  const { items } = await calling('list', 'storageclasses', () => k.storage.listStorageClass());
  return new Map(
    volumes.map((volume) => {
      const found = drillVolume(site, volume, items);
      if (found.unfit !== null) throw failure('PreconditionFailed', found.unfit);
      const { storageClass, accessModes } = found;
      return [volume.claim, { storageClass, accessModes }] as const;
    }),
  );
}

/** Volumes that the cluster still has for claims in these namespaces that are gone. */
async function volumesOf(
  k: KubernetesClients,
  isOne: (namespace: string) => boolean,
): Promise<V1PersistentVolume[]> {
  const { items } = await calling('list', 'persistentvolumes', () => k.core.listPersistentVolume());
  return items.filter(
    ({ spec, status }) => status?.phase !== 'Bound' && isOne(spec?.claimRef?.namespace ?? ''),
  );
}

const retained = ({ spec }: V1PersistentVolume) => spec?.persistentVolumeReclaimPolicy === 'Retain';

/**
 * Volumes that stay although the claims in these namespaces are gone, for a person to delete; a driver gets a moment for those
 * that it deletes itself.
 */
export async function remainingVolumes(
  k: KubernetesClients,
  isOne: (namespace: string) => boolean,
  patienceMs = 120_000,
): Promise<string[]> {
  try {
    await waitUntil({
      what: 'the volumes of the drill are gone',
      timeoutMs: patienceMs,
      onTimeout: 'PreconditionFailed',
      check: async () => {
        const deleting = (await volumesOf(k, isOne)).filter((one) => !retained(one));
        const names = deleting.map(({ metadata }) => metadata?.name ?? '').join(', ');
        return deleting.length === 0 ? { done: true } : { missing: `${names} is being deleted` };
      },
    });
  } catch (error) {
    if (failureTypeOf(error) !== 'PreconditionFailed') throw error;
  }
  return (await volumesOf(k, isOne)).map((one) => {
    const { metadata, spec } = one;
    const why = retained(one) ? 'its class retains volumes' : 'its driver has not deleted it yet';
    return `PersistentVolume ${metadata?.name ?? ''} (${spec?.storageClassName ?? 'no class'}): ${why}`;
  });
}
