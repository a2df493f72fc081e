import type { V1Container, V1PodTemplateSpec } from '@kubernetes/client-node';
import { HYBRID_TRACK, TRACK_LABEL } from './names.ts';

/** Where a pod template keeps WordPress. */
export type Layout =
  | {
      /** The whole document root is on one claim: what phase 1 starts from. */
      kind: 'docroot-claim';
      volume: string;
      claim: string;
      /** Folder of the claim that is mounted as the document root; '' for its root. */
      subPath: string;
      /** Containers that mount it, in the template's order. */
      containers: string[];
      /** Init containers that mount it: they prepare a document root that the new layout does not have. */
      initContainers: string[];
    }
  | { kind: 'hybrid' }
  | { kind: 'unknown'; why: string };

/** Reads the layout of a template. Pure. */
export function layoutOf(template: V1PodTemplateSpec, documentRoot: string): Layout {
  if (template.metadata?.labels?.[TRACK_LABEL] === HYBRID_TRACK) return { kind: 'hybrid' };
  const root = trimSlash(documentRoot);
  const containers = template.spec?.containers ?? [];
  const mounting = containers.flatMap((container) => docrootMount(container, root) ?? []);
  const first = mounting[0];
  if (first === undefined) {
    return { kind: 'unknown', why: `no container mounts a volume at ${root}` };
  }
  if (mounting.some(({ name, subPath }) => name !== first.name || subPath !== first.subPath)) {
    return { kind: 'unknown', why: `containers mount different volumes at ${root}` };
  }
  const volume = template.spec?.volumes?.find(({ name }) => name === first.name);
  const claim = volume?.persistentVolumeClaim?.claimName;
  if (claim === undefined) {
    return { kind: 'unknown', why: `the volume at ${root} is not a PersistentVolumeClaim` };
  }
  const nested = containers.flatMap((container) =>
    (container.volumeMounts ?? []).filter(({ mountPath }) =>
      trimSlash(mountPath).startsWith(`${root}/wp-content`),
    ),
  );
  if (nested.length > 0) {
    const paths = [...new Set(nested.map(({ mountPath }) => mountPath))];
    return { kind: 'unknown', why: `other volumes are mounted at ${paths.join(', ')}` };
  }
  return {
    kind: 'docroot-claim',
    volume: first.name,
    claim,
    subPath: first.subPath,
    containers: containers.filter((c) => docrootMount(c, root)).map(({ name }) => name),
    initContainers: (template.spec?.initContainers ?? [])
      .filter((c) => c.volumeMounts?.some(({ name }) => name === first.name))
      .map(({ name }) => name),
  };
}

/** The container that answers the Service, or null when the template does not tell. */
export function httpContainer(
  template: V1PodTemplateSpec,
  targetPort: string | number | null,
): string | null {
  const containers = template.spec?.containers ?? [];
  const byPort = containers.find((container) =>
    container.ports?.some(
      ({ name, containerPort }) =>
        targetPort !== null && (name === targetPort || containerPort === targetPort),
    ),
  );
  if (byPort !== undefined) return byPort.name;
  const byProbe = containers.find(
    ({ readinessProbe }) => targetPort !== null && readinessProbe?.httpGet?.port === targetPort,
  );
  if (byProbe !== undefined) return byProbe.name;
  return containers.length === 1 ? (containers[0]?.name ?? null) : null;
}

function docrootMount(container: V1Container, root: string) {
  const mount = container.volumeMounts?.find(({ mountPath }) => trimSlash(mountPath) === root);
  return mount === undefined
    ? undefined
    : { name: mount.name, subPath: trimSlash(mount.subPath ?? '') };
}

/** `a/b/` and `/a/b/` without the slash at the end. */
export function trimSlash(path: string): string {
  return path.replace(/\/+$/, '');
}

/** The volume that held, and for uploads still holds, the document root; null when the template does not tell. */
export function oldVolumeOf(
  template: V1PodTemplateSpec,
  documentRoot: string,
): { claim: string; subPath: string } | null {
  const layout = layoutOf(template, documentRoot);
  if (layout.kind === 'docroot-claim') return { claim: layout.claim, subPath: layout.subPath };
  if (layout.kind === 'unknown') return null;
  const uploads = `${trimSlash(documentRoot)}/wp-content/uploads`;
  const all = [...(template.spec?.initContainers ?? []), ...(template.spec?.containers ?? [])];
  const mount = all
    .flatMap(({ volumeMounts }) => volumeMounts ?? [])
    .find(({ mountPath }) => trimSlash(mountPath) === uploads);
  const volume = template.spec?.volumes?.find(({ name }) => name === mount?.name);
  const claim = volume?.persistentVolumeClaim?.claimName;
  if (claim === undefined) return null;
  return { claim, subPath: trimSlash((mount?.subPath ?? '').replace(/wp-content\/uploads$/, '')) };
}
