import type { V1PersistentVolumeClaim, V1PodTemplateSpec } from '@kubernetes/client-node';
import { trimSlash } from '../kubernetes/layout.ts';
import type { ContentVolume } from './point.ts';

/**
 * The claims that a pod template mounts at or below the document root, that is all content of the site that a volume holds:
 * before phase 1 one with the whole document root, after it the shared one with plugins and themes and the old one with
 * uploads.
 *
 * @param claims the namespace's claims; their class, access modes and size are noted.
 * @throws TypeError for mounts of one claim that do not lie in it as they lie in the document root: what is restored from
 *   it could not be put in its place.
 */
export function contentVolumesOf(
  template: V1PodTemplateSpec,
  documentRoot: string,
  claims: V1PersistentVolumeClaim[],
): ContentVolume[] {
  const root = trimSlash(documentRoot);
  const byClaim = new Map<string, Mount[]>();
  for (const mount of mountsBelow(template, root)) {
    byClaim.set(mount.claim, [...(byClaim.get(mount.claim) ?? []), mount]);
  }
  return [...byClaim].map(([claim, mounts]) => {
    const paths = [...new Set(mounts.map(({ path }) => path))].sort();
    const provides = paths.filter(
      (path) => !paths.some((one) => one !== path && isWithin(path, one)),
    );
    const found = claims.find(({ metadata }) => metadata?.name === claim);
    return {
      claim,
      subPath: contentRoot(claim, mounts),
      provides,
      storageClass: found?.spec?.storageClassName ?? null,
      accessModes: found?.spec?.accessModes ?? [],
      size:
        found?.status?.capacity?.['storage'] ?? found?.spec?.resources?.requests?.['storage'] ?? '',
    };
  });
}

/**
 * Where a path below the document root is in a volume's content: `plugins` for `wp-content/plugins` of a volume that provides
 * `wp-content/plugins` and `wp-content/themes`; '' for its root; null when the volume does not hold it.
 */
export function folderIn(volume: ContentVolume, path: string): string | null {
  const provided = volume.provides.find((one) => isWithin(path, one));
  if (provided === undefined) return null;
  return below(path, commonFolder(volume.provides));
}

/** Folders of a volume's content that belong to the site; `['']` for all of it. */
export function contentFolders(volume: ContentVolume): string[] {
  const base = commonFolder(volume.provides);
  return volume.provides.map((path) => below(path, base));
}

/**
 * What of a volume is not copied, as paths in its content, for files and folders below the document root that the site file excludes.
 * A folder that holds the whole volume excludes each of its folders.
 */
export function excludedIn(volume: ContentVolume, excluded: string[]): string[] {
  const base = commonFolder(volume.provides);
  const paths = excluded
    .map((path) => path.replace(/^\/+|\/+$/g, ''))
    .filter((path) => path !== '');
  const found = paths.flatMap((path) => [
    ...volume.provides.filter((one) => isWithin(one, path)),
    ...(folderIn(volume, path) !== null ? [path] : []),
  ]);
  return [...new Set(found.map((path) => below(path, base)))].sort();
}

/**
 * Folder below the document root for the sentinel's file, null when nothing is copied. Uploads where they are: digests of
 * plugins and themes must not change by it.
 */
export function sentinelFolder(volumes: ContentVolume[], excluded: string[]): string | null {
  const provided = volumes.flatMap(({ provides }) => provides);
  const candidates = ['wp-content/uploads', ...provided];
  const copied = (path: string) =>
    volumes.some((volume) => folderIn(volume, path) !== null) &&
    !excluded.some((folder) => isWithin(path, folder.replace(/^\/+|\/+$/g, '')));
  return candidates.find(copied) ?? null;
}

interface Mount {
  claim: string;
  subPath: string;
  /** Below the document root; '' for it. */
  path: string;
}

function mountsBelow(template: V1PodTemplateSpec, root: string): Mount[] {
  const { initContainers = [], containers = [], volumes = [] } = template.spec ?? {};
  return [...containers, ...initContainers].flatMap(({ volumeMounts = [] }) =>
    volumeMounts.flatMap(({ name, mountPath, subPath = '' }) => {
      const at = trimSlash(mountPath);
      const volume = volumes.find((one) => one.name === name);
      const claim = volume?.persistentVolumeClaim?.claimName;
      if (claim === undefined || !isWithin(at, root)) return [];
      return [{ claim, subPath: trimSlash(subPath), path: below(at, root) }];
    }),
  );
}

/** The folder of the claim under which all mounts lie as they lie below the document root. */
function contentRoot(claim: string, mounts: Mount[]): string {
  const paths = mounts.map(({ path }) => path);
  const base = commonFolder(paths);
  const roots = mounts.map(({ path, subPath }) => {
    const inside = below(path, base);
    if (inside === '') return subPath;
    if (subPath === inside) return '';
    return subPath.endsWith(`/${inside}`) ? subPath.slice(0, -inside.length - 1) : null;
  });
  const [first = null] = roots;
  if (first === null || roots.some((one) => one !== first)) {
    throw new TypeError(
      `Claim ${claim} is mounted in folders that do not lie in it as below the document root: ${paths.join(', ')}`,
    );
  }
  return first;
}

/** The longest folder that all paths are in or are. */
function commonFolder(paths: string[]): string {
  const [first = '', ...others] = paths.map((path) => path.split('/'));
  const words = Array.isArray(first) ? first : [];
  const length = words.findIndex((word, at) => others.some((other) => other[at] !== word));
  return (length === -1 ? words : words.slice(0, length)).join('/');
}

function isWithin(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}

function below(path: string, folder: string): string {
  if (folder === '') return path.replace(/^\//, '');
  return path === folder ? '' : path.slice(folder.length + 1);
}
