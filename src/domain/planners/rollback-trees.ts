import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { trimSlash } from '../kubernetes/layout.ts';

/** Folders below the document root that the layer `plugins-themes` is. */
export const extensionFolders = ['wp-content/plugins', 'wp-content/themes'] as const;

/** Where pods have a folder of the document root from. */
export interface LiveTree {
  folder: string;
  claim: string;
  /** Path of the folder on the claim; '' when the claim is the folder. */
  path: string;
  /**
   * Pods mount the folder itself and not one above it: a pod that runs keeps the folder that it mounted at its start, under
   * whatever name it goes by later, and sees another one only after a restart.
   */
  mounted: boolean;
}

/**
 * Where plugins and themes are, by the mounts of the container that runs PHP. A folder that is on no claim (part of the
 * image, an emptyDir) is left out.
 */
export function liveTrees(
  template: V1PodTemplateSpec,
  container: string,
  documentRoot: string,
  folders: readonly string[] = extensionFolders,
): LiveTree[] {
  const { initContainers = [], containers = [], volumes = [] } = template.spec ?? {};
  const php = [...containers, ...initContainers].find(({ name }) => name === container);
  const root = trimSlash(documentRoot);
  return folders.flatMap((folder) => {
    const full = `${root}/${folder}`;
    const [mount] = (php?.volumeMounts ?? [])
      .filter(({ mountPath }) => `${full}/`.startsWith(`${trimSlash(mountPath)}/`))
      .sort((a, b) => trimSlash(b.mountPath).length - trimSlash(a.mountPath).length);
    const volume = volumes.find(({ name }) => name === mount?.name);
    const claim = volume?.persistentVolumeClaim?.claimName;
    if (mount === undefined || claim === undefined) return [];
    const rest = full.slice(trimSlash(mount.mountPath).length + 1);
    const path = [trimSlash(mount.subPath ?? ''), rest].filter((part) => part !== '').join('/');
    return [{ folder, claim, path: path.replace(/^\/+/, ''), mounted: rest === '' }];
  });
}
