import type {
  V1Container,
  V1EnvVar,
  V1PodSpec,
  V1PodTemplateSpec,
  V1Probe,
  V1Volume,
} from '@kubernetes/client-node';
import { trimSlash } from '../kubernetes/layout.ts';
import { plain } from '../kubernetes/plain.ts';
import type { Site } from '../site/schema.ts';

/** The Secret with what seals the copy off, mounted in every container that runs PHP. */
export const sealSecret = 'presslift-drill';
export const sealFolder = '/presslift/drill';

export interface DrillTemplateInput {
  site: Site;
  /** The template as the recovery point keeps it. */
  template: V1PodTemplateSpec;
  /** Image of each container by name, with digest. */
  images: Record<string, string>;
  /** Claims that were restored; other volumes of the template become empty ones. */
  claims: string[];
  database: string;
  host: string;
  labels: Record<string, string>;
}

/** Names of what a template reads, for copies of them. */
export interface References {
  configMaps: string[];
  secrets: string[];
}

export interface DrillTemplate {
  template: V1PodTemplateSpec;
  references: References;
  /** Volumes that the copy has empty, because the point does not hold them or because they are shared with the live site. */
  emptied: string[];
  images: string[];
}

const databaseVariables = ['NAME', 'USER', 'PASSWORD', 'HOST'].map(
  (name) => `WORDPRESS_DB_${name}`,
);

/**
 * The pod template of the copy: the point's own, with its own database and host, sealed off from the world, and without what
 * ties pods to the live site. Pure.
 */
export function drillTemplate(input: DrillTemplateInput): DrillTemplate {
  const source = plain(input.template);
  const spec = source.spec as V1PodSpec;
  const emptied: string[] = [];
  const volumes = (spec.volumes ?? []).map((volume) => {
    const kept = keptVolume(volume, input.claims);
    if (kept !== volume) emptied.push(volume.name);
    return kept;
  });
  const container = (one: V1Container) => drillContainer(one, input);
  const containers = spec.containers.map(container);
  const initContainers = (spec.initContainers ?? []).map(container);
  const template: V1PodTemplateSpec = {
    metadata: { labels: input.labels },
    spec: {
      containers,
      ...(initContainers.length > 0 && { initContainers }),
      volumes: [
        ...volumes,
        // Readable for PHP's workers, which do not run as root.
        { name: sealSecret, secret: { secretName: sealSecret, defaultMode: 0o444 } },
      ],
      ...pick(spec, [
        'securityContext',
        'imagePullSecrets',
        'nodeSelector',
        'tolerations',
        'dnsConfig',
      ]),
      // Other pods of the live site are not in this namespace; where nodes differ, the choice of nodes stays.
      ...(spec.affinity?.nodeAffinity && {
        affinity: { nodeAffinity: spec.affinity.nodeAffinity },
      }),
      ...(spec.hostAliases && { hostAliases: spec.hostAliases }),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
    },
  };
  return {
    template,
    references: referencesOf(template),
    emptied,
    images: [...initContainers, ...containers].map(({ image }) => image ?? ''),
  };
}

function pick<K extends keyof V1PodSpec>(spec: V1PodSpec, names: K[]): Partial<V1PodSpec> {
  return Object.fromEntries(
    names.filter((name) => spec[name] !== undefined).map((name) => [name, spec[name]]),
  );
}

/** Restored claims, and what is made anew for every pod. A share or folder of the node would be the live site's own. */
function keptVolume(volume: V1Volume, claims: string[]): V1Volume {
  const { configMap, secret, emptyDir, projected, downwardAPI, persistentVolumeClaim } = volume;
  if (persistentVolumeClaim !== undefined && claims.includes(persistentVolumeClaim.claimName)) {
    return volume;
  }
  if (configMap ?? secret ?? emptyDir ?? projected ?? downwardAPI) return volume;
  return { name: volume.name, emptyDir: {} };
}

function drillContainer(container: V1Container, input: DrillTemplateInput): V1Container {
  const { site, images, host } = input;
  const image = images[container.name] ?? container.image;
  // `Always`: an image that a node still has, but the registry has not, would be missing on a new cluster.
  const common = { ...container, image, imagePullPolicy: 'Always' };
  delete common.lifecycle;
  const probes = Object.fromEntries(
    (['readinessProbe', 'livenessProbe', 'startupProbe'] as const)
      .filter((name) => common[name] !== undefined)
      .map((name) => [name, drillProbe(common[name] as V1Probe, site, host)]),
  );
  const own = { ...common, ...probes };
  return runsWordPress(container, site) ? sealedOff(own, input) : own;
}

/** Containers that could reach the database or the content: they get the copy's settings. */
function runsWordPress(container: V1Container, site: Site): boolean {
  const root = trimSlash(site.wordpress.documentRoot);
  return (
    container.name === site.cluster.container ||
    (container.env ?? []).some(({ name }) => name.startsWith('WORDPRESS_')) ||
    (container.envFrom ?? []).length > 0 ||
    (container.volumeMounts ?? []).some(({ mountPath }) => trimSlash(mountPath).startsWith(root))
  );
}

function sealedOff(container: V1Container, { database, site }: DrillTemplateInput): V1Container {
  const fromSeal = (name: string, key: string): V1EnvVar => ({
    name,
    valueFrom: { secretKeyRef: { name: sealSecret, key } },
  });
  const scan = container.env?.find(({ name }) => name === 'PHP_INI_SCAN_DIR')?.value ?? '';
  const own: V1EnvVar[] = [
    { name: 'WORDPRESS_DB_NAME', value: database },
    fromSeal('WORDPRESS_DB_USER', 'username'),
    fromSeal('WORDPRESS_DB_PASSWORD', 'password'),
    { name: 'WORDPRESS_DB_HOST', value: `${site.database.host}:${site.database.port}` },
    // An empty first part stands for the folder that PHP was built with.
    { name: 'PHP_INI_SCAN_DIR', value: `${scan}:${sealFolder}` },
    // For plugins that use curl themselves: nothing listens there.
    ...['http_proxy', 'https_proxy', 'all_proxy', 'HTTPS_PROXY'].map((name) => ({
      name,
      value: 'http://127.0.0.1:9',
    })),
    { name: 'no_proxy', value: 'localhost,127.0.0.1' },
  ];
  const replaced = new Set([
    ...own.map(({ name }) => name),
    ...databaseVariables.map((name) => `${name}_FILE`),
  ]);
  return {
    ...container,
    env: [...(container.env ?? []).filter(({ name }) => !replaced.has(name)), ...own],
    volumeMounts: [
      ...(container.volumeMounts ?? []),
      { name: sealSecret, mountPath: sealFolder, readOnly: true },
    ],
  };
}

/** A probe that names the live host gets the copy's: or else WordPress sends it away. */
function drillProbe(probe: V1Probe, site: Site, host: string): V1Probe {
  const headers = probe.httpGet?.httpHeaders;
  if (probe.httpGet === undefined || headers === undefined) return probe;
  return {
    ...probe,
    httpGet: {
      ...probe.httpGet,
      httpHeaders: headers.map((header) =>
        header.name.toLowerCase() === 'host' && site.hosts.names.includes(header.value)
          ? { ...header, value: host }
          : header,
      ),
    },
  };
}

/** Every ConfigMap and Secret that the pods of a template read, ours apart. */
export function referencesOf(template: V1PodTemplateSpec): References {
  const configMaps = new Set<string | undefined>();
  const secrets = new Set<string | undefined>();
  const spec = template.spec;
  for (const { env, envFrom } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
    for (const { valueFrom } of env ?? []) {
      configMaps.add(valueFrom?.configMapKeyRef?.name);
      secrets.add(valueFrom?.secretKeyRef?.name);
    }
    for (const { configMapRef, secretRef } of envFrom ?? []) {
      configMaps.add(configMapRef?.name);
      secrets.add(secretRef?.name);
    }
  }
  for (const { configMap, secret, projected } of spec?.volumes ?? []) {
    configMaps.add(configMap?.name);
    secrets.add(secret?.secretName);
    for (const source of projected?.sources ?? []) {
      configMaps.add(source.configMap?.name);
      secrets.add(source.secret?.name);
    }
  }
  for (const { name } of spec?.imagePullSecrets ?? []) secrets.add(name);
  const names = (set: Set<string | undefined>) =>
    [...set].filter((name): name is string => name !== undefined && name !== sealSecret).sort();
  return { configMaps: names(configMaps), secrets: names(secrets) };
}
