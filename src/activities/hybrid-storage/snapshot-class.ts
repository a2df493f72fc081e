import type {
  KubernetesListObject,
  KubernetesObject,
  V1PersistentVolume,
  V1PersistentVolumeClaim,
} from '@kubernetes/client-node';
import { read } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { callingOrNull } from '../kubernetes/errors.ts';

interface SnapshotClass extends KubernetesObject {
  driver: string;
}

const defaultAnnotation = 'snapshot.storage.kubernetes.io/is-default-class';

/** The VolumeSnapshotClass of the driver behind a claim, the default one first; null where there is none. */
export async function snapshotClassOf(
  k: KubernetesClients,
  claim: V1PersistentVolumeClaim | null,
): Promise<string | null> {
  const volumeName = claim?.spec?.volumeName;
  if (volumeName === undefined) return null;
  const volume = await read<V1PersistentVolume>(k, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    name: volumeName,
  });
  const driver = volume?.spec?.csi?.driver;
  if (driver === undefined) return null;
  // A cluster without the snapshot API answers 404.
  const list = await callingOrNull('list', 'volumesnapshotclasses', async () => {
    const found: unknown = await k.custom.listClusterCustomObject({
      group: 'snapshot.storage.k8s.io',
      version: 'v1',
      plural: 'volumesnapshotclasses',
    });
    return found as KubernetesListObject<SnapshotClass>;
  });
  const fitting = (list?.items ?? []).filter((one) => one.driver === driver);
  const preferred = fitting.find(
    ({ metadata }) => metadata?.annotations?.[defaultAnnotation] === 'true',
  );
  return (preferred ?? fitting[0])?.metadata?.name ?? null;
}
