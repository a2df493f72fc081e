import type { V1StorageClass } from '@kubernetes/client-node';
import type { Site } from '../site/schema.ts';
import type { ContentVolume } from './point.ts';

const defaultAnnotation = 'storageclass.kubernetes.io/is-default-class';

/** Class and access modes of a drill's own claim; or, as a sentence, why there is no class for it. */
export type DrillVolume =
  { storageClass: string; accessModes: string[]; unfit: null } | { unfit: string };

/**
 * Which class a drill takes for its copy of a volume: the one that the site file names; else the volume's own, when that makes
 * volumes by itself and deletes them again; else the cluster's default, when that does. A class that retains would leave a
 * whole copy of the site behind at every drill, so only a person chooses one. Pure.
 *
 * In a class of another kind the claim is for one node: the copy is one pod, and block storage can be no more.
 */
export function drillVolume(
  site: Site,
  volume: ContentVolume,
  classes: readonly V1StorageClass[],
): DrillVolume {
  const named = (name: string | null | undefined) =>
    classes.find(({ metadata }) => metadata?.name === name);
  const wanted = site.drill.storageClass;
  if (wanted !== undefined) {
    const chosen = named(wanted);
    if (chosen === undefined) return { unfit: `There is no StorageClass ${wanted}` };
    if (!makesVolumes(chosen)) {
      return { unfit: `StorageClass ${wanted} does not make volumes by itself` };
    }
    return fit(chosen, volume);
  }
  const standard = classes.find(
    ({ metadata }) => metadata?.annotations?.[defaultAnnotation] === 'true',
  );
  const own = volume.storageClass === null ? standard : named(volume.storageClass);
  const passing = [own, standard].find(
    (one) => one !== undefined && makesVolumes(one) && !retains(one),
  );
  if (passing !== undefined) return fit(passing, volume);
  return {
    unfit:
      `Claim ${volume.claim}: neither ${volume.storageClass ?? 'its StorageClass'} nor the cluster's default StorageClass` +
      ' makes volumes by itself and deletes them again. Name one that does as drill.storageClass in the site file',
  };
}

function fit(chosen: V1StorageClass, { storageClass, accessModes }: ContentVolume): DrillVolume {
  const name = chosen.metadata?.name ?? '';
  const same = storageClass === null || storageClass === name;
  return {
    storageClass: name,
    accessModes: same ? accessModes : ['ReadWriteOnce'],
    unfit: null,
  };
}

const makesVolumes = ({ provisioner }: V1StorageClass) =>
  provisioner !== 'kubernetes.io/no-provisioner';

const retains = ({ reclaimPolicy }: V1StorageClass) => reclaimPolicy === 'Retain';
