import type {
  V1Affinity,
  V1Container,
  V1PodSpec,
  V1PodTemplateSpec,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
import type { Site } from '../site/schema.ts';
import { httpContainer, layoutOf, trimSlash, type Layout } from './layout.ts';
import { HYBRID_TRACK, hybridNames, TRACK_LABEL } from './names.ts';
import { permissionsScript } from './permissions-script.ts';
import { plain } from './plain.ts';
import { fpmStartupProbe, httpProbes, raiseProbe, startupFloor } from './probes.ts';

/** Folders of `wp-content` that every pod shares; each is a folder of the same name at the root of the shared claim. */
export const sharedFolders = ['plugins', 'themes', 'upgrade', 'upgrade-temp-backup'] as const;

export const uploadsPath = 'wp-content/uploads';

export interface HybridTemplateOptions {
  /** Target port of the Service that visitors come through. */
  servicePort: string | number;
  /** Labels that select the Deployment's pods, old and new. */
  selector: Record<string, string>;
  /** Whether the volume lets root change owners; without it the folders must be writable as they are. */
  chown: boolean;
  /** Whether the salts come from the Secret that phase 1 makes; false where the site has them in its environment. */
  saltsFromSecret: boolean;
  /** Port on which PHP-FPM listens in its container, null when PHP answers HTTP itself or on a socket. */
  fpmPort: number | null;
  /** Whether the old volume can be mounted by one node only, so that all pods must share a node until phase 2. */
  sameNode: boolean;
  /** Further paths below the document root that the old volume keeps providing: `wp-content/mu-plugins`. */
  keptPaths: string[];
}

const sharedVolume = 'presslift-shared';
const coreVolume = 'core';
const sharedMountPath = '/presslift/shared';
const uploadsMountPath = '/presslift/uploads';
const preStopSeconds = 8;
const gracePeriodSeconds = 60;

/**
 * The pod template after phase 1, made from the live one: core from the image, plugins and themes from the shared claim,
 * uploads still from the old one. Everything else of the template stays. A template that is hybrid already is returned
 * as it is.
 *
 * @throws TypeError when the layout is not one that it knows; planners check with `layoutOf` before.
 */
export function hybridPodTemplate(
  existing: V1PodTemplateSpec,
  site: Site,
  options: HybridTemplateOptions,
): V1PodTemplateSpec {
  const template = plain(existing);
  const layout = layoutOf(template, site.wordpress.documentRoot);
  if (layout.kind === 'hybrid') return template;
  if (layout.kind === 'unknown') throw new TypeError(`Unknown layout: ${layout.why}`);
  const spec = template.spec as V1PodSpec;

  const root = trimSlash(site.wordpress.documentRoot);
  const php = spec.containers.find(({ name }) => name === site.cluster.container);
  if (php === undefined) throw new TypeError(`No container ${site.cluster.container}`);
  const oldImage = php.image;
  const web = httpContainer(template, options.servicePort);
  const rebuilt = spec.containers.map((container) => {
    const image = container.image === oldImage ? site.wordpress.image : container.image;
    return layout.containers.includes(container.name) ? { ...container, image } : container;
  });
  const images = new Set(
    rebuilt.filter(({ name }) => layout.containers.includes(name)).map(({ image }) => image),
  );
  const shareCore = images.size > 1;

  const mounts = contentMounts(layout, root, options, shareCore);
  const containers = rebuilt.map((container) => {
    let next: V1Container = layout.containers.includes(container.name)
      ? withMounts(container, mounts, root)
      : container;
    if (container.name === php.name) next = withSettings(next, site, options);
    if (container.name === web) next = withoutLostRequests(next, options.servicePort);
    return next;
  });
  const sidecar = web !== null && web !== php.name;
  const phpContainer = containers.find(({ name }) => name === php.name) as V1Container;

  template.metadata = {
    ...template.metadata,
    labels: { ...template.metadata?.labels, [TRACK_LABEL]: HYBRID_TRACK },
  };
  template.spec = {
    ...spec,
    terminationGracePeriodSeconds: Math.max(
      spec.terminationGracePeriodSeconds ?? 30,
      gracePeriodSeconds,
    ),
    initContainers: [
      permissionsContainer(site, layout, options),
      ...(spec.initContainers ?? []).filter(({ name }) => !layout.initContainers.includes(name)),
      ...(sidecar ? [asSidecar(phpContainer, options)] : []),
    ],
    containers: sidecar ? containers.filter(({ name }) => name !== php.name) : containers,
    volumes: volumes(spec, site, shareCore),
    ...(options.sameNode && { affinity: onSameNode(spec.affinity, options.selector) }),
  };
  return template;
}

type DocrootLayout = Extract<Layout, { kind: 'docroot-claim' }>;

/** Path on the old claim of something below the document root. */
function oldPath(layout: DocrootLayout, path: string): string {
  return layout.subPath === '' ? path : `${layout.subPath}/${path}`;
}

function contentMounts(
  layout: DocrootLayout,
  root: string,
  options: HybridTemplateOptions,
  shareCore: boolean,
): V1VolumeMount[] {
  const kept = [uploadsPath, ...options.keptPaths.filter((path) => path !== uploadsPath)];
  return [
    ...(shareCore ? [{ name: coreVolume, mountPath: root }] : []),
    ...sharedFolders.map((folder) => ({
      name: sharedVolume,
      mountPath: `${root}/wp-content/${folder}`,
      subPath: folder,
    })),
    ...kept.map((path) => ({
      name: layout.volume,
      mountPath: `${root}/${path}`,
      subPath: oldPath(layout, path),
    })),
  ];
}

/** The mounts in the place of the document root's; a container that had it read-only gets them read-only. */
function withMounts(container: V1Container, mounts: V1VolumeMount[], root: string): V1Container {
  const old = container.volumeMounts ?? [];
  const docroot = old.find(({ mountPath }) => trimSlash(mountPath) === root);
  const own = docroot?.readOnly ? mounts.map((mount) => ({ ...mount, readOnly: true })) : mounts;
  return { ...container, volumeMounts: [...own, ...old.filter((mount) => mount !== docroot)] };
}

/** Salts and settings for the container that runs PHP. */
function withSettings(
  container: V1Container,
  site: Site,
  options: HybridTemplateOptions,
): V1Container {
  const names = hybridNames(site);
  const extra = {
    name: 'WORDPRESS_CONFIG_EXTRA',
    valueFrom: { configMapKeyRef: { name: names.configMap, key: 'extra' } },
  };
  const env = container.env ?? [];
  const at = env.findIndex(({ name }) => name === extra.name);
  return {
    ...container,
    env: at === -1 ? [...env, extra] : env.with(at, extra),
    ...(options.saltsFromSecret && {
      envFrom: [...(container.envFrom ?? []), { secretRef: { name: names.saltsSecret } }],
    }),
  };
}

/**
 * What keeps a visitor's request alive while a pod ends: it goes on serving until every proxy has noticed that it is no
 * endpoint any more.
 */
function withoutLostRequests(container: V1Container, port: string | number): V1Container {
  const preStop = container.lifecycle?.preStop;
  const seconds = Math.max(preStop?.sleep?.seconds ?? 0, preStopSeconds);
  const keepsOwn = preStop !== undefined && preStop.sleep === undefined;
  return {
    ...container,
    ...httpProbes(container, port),
    lifecycle: {
      ...container.lifecycle,
      preStop: keepsOwn ? preStop : { sleep: { seconds } },
    },
  };
}

/** PHP as native sidecar: started before the web server, ended after it. */
function asSidecar(container: V1Container, { fpmPort }: HybridTemplateOptions): V1Container {
  const own = container.startupProbe;
  return {
    ...container,
    restartPolicy: 'Always',
    ...(own !== undefined && { startupProbe: raiseProbe(own, startupFloor) }),
    ...(own === undefined && fpmPort !== null && { startupProbe: fpmStartupProbe(fpmPort) }),
  };
}

function permissionsContainer(
  site: Site,
  layout: DocrootLayout,
  options: HybridTemplateOptions,
): V1Container {
  return {
    name: 'presslift-permissions',
    image: site.wordpress.image,
    command: ['sh', '-c', permissionsScript],
    env: [
      { name: 'PRESSLIFT_SHARED', value: sharedMountPath },
      { name: 'PRESSLIFT_FOLDERS', value: sharedFolders.join(' ') },
      { name: 'PRESSLIFT_UPLOADS', value: uploadsMountPath },
      { name: 'PRESSLIFT_USER', value: String(site.wordpress.user) },
      { name: 'PRESSLIFT_CHOWN', value: options.chown ? 'yes' : 'no' },
    ],
    ...(options.chown && { securityContext: { runAsUser: 0, runAsNonRoot: false } }),
    volumeMounts: [
      { name: sharedVolume, mountPath: sharedMountPath },
      { name: layout.volume, mountPath: uploadsMountPath, subPath: oldPath(layout, uploadsPath) },
    ],
  };
}

function volumes(spec: V1PodSpec, site: Site, shareCore: boolean): V1Volume[] {
  return [
    ...(spec.volumes ?? []),
    {
      name: sharedVolume,
      persistentVolumeClaim: { claimName: hybridNames(site).sharedClaim },
    },
    ...(shareCore ? [{ name: coreVolume, emptyDir: {} }] : []),
  ];
}

function onSameNode(affinity: V1Affinity | undefined, labels: Record<string, string>): V1Affinity {
  const required = affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  return {
    ...affinity,
    podAffinity: {
      ...affinity?.podAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: [
        ...required,
        { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' },
      ],
    },
  };
}
