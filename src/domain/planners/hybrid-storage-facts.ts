import type {
  V1Deployment,
  V1PersistentVolumeClaim,
  V1PodDisruptionBudget,
  V1Service,
} from '@kubernetes/client-node';
import { digestOf } from '../digest.ts';
import type { TreeDigest } from '../wordpress.ts';

/** What two pods that mounted the same claim at the same time found out. */
export interface ShareProof {
  /** Each read what the other had written. */
  shared: boolean;
  /** Root may change owners. */
  chown: boolean;
  /** www-data may write in a folder made there. */
  writable: boolean;
  /** Files that www-data writes belong to it, so that WordPress may write without FTP (FS_METHOD direct). */
  direct: boolean;
  /** Why there is no proof, in one sentence. */
  why: string | null;
}

export interface DocrootEntry {
  path: string;
  kind: 'file' | 'folder';
  files: number;
  bytes: number;
}

/** An old document root beside the core of the image that is to serve it. */
export interface DocrootInspection {
  version: string | null;
  imageVersion: string | null;
  /** Entries of wp-content that are none of the known ones and not the image's, with content. */
  content: DocrootEntry[];
  /** Entries of the document root that core does not have. */
  beside: DocrootEntry[];
  core: Record<'changed' | 'missing' | 'added', { count: number; first: string[] }>;
}

/** The text of WORDPRESS_CONFIG_EXTRA and where it comes from. */
export interface ConfigExtra {
  text: string;
  source: 'none' | 'literal' | 'ConfigMap' | 'Secret';
}

/** What phase 1 needs to know of a site. Kubernetes objects are plain JSON and stay inside the activity: they may hold secrets. */
export interface HybridStorageFacts {
  kubernetes: { major: number; minor: number };
  /** Nodes that pods may be scheduled to. */
  nodes: number;
  deployment: V1Deployment | null;
  service: V1Service | null;
  /** Names of further Services that select the Deployment's pods. */
  otherServices: string[];
  /** Budgets that select the Deployment's pods. */
  disruptionBudgets: V1PodDisruptionBudget[];
  autoscalers: string[];
  /** Field managers of the pod template that apply it again from a source of their own: Argo CD, Flux, Helm. */
  templateManagers: string[];
  docrootClaim: V1PersistentVolumeClaim | null;
  sharedClaim: V1PersistentVolumeClaim | null;
  storageClasses: { name: string; isDefault: boolean }[];
  /** Null where it was not probed: the class is not installed yet, or the claim is in use already. */
  proof: ShareProof | null;
  /** VolumeSnapshotClass for the document root's claim. */
  snapshotClass: string | null;
  extra: ConfigExtra;
  /** Text in the ConfigMap that phase 1 makes, null when there is none. */
  configMapExtra: string | null;
  /** The Secret that phase 1 makes: its keys, and the fingerprint of its values. */
  saltsSecret: { keys: string[]; fingerprint: string | null } | null;
  /** WordPress as the serving pods see it; null when no pod answers. */
  wordpress: {
    version: string;
    multisite: boolean;
    saltsFingerprint: string | null;
    saltsFromEnvironment: boolean;
    fpmPort: number | null;
    activePlugins: string[];
  } | null;
  /** Why WordPress answered in no pod. */
  wordpressError: string | null;
  trees: { plugins: TreeDigest; themes: TreeDigest } | null;
  /** Null where nothing is left to inspect, or the inspection failed: then `inspectionError` says why. */
  inspection: DocrootInspection | null;
  inspectionError: string | null;
  /** Pods of the Deployment without and with the track label, terminating ones too. */
  pods: { old: number; new: number };
}

/** Stands for something that does not exist, in observations. */
export const absentDigest = digestOf(null);

/** Keys of what a plan of phase 1 observes. */
export function observationKeys(namespace: string, names: ObservedNames) {
  return {
    deployment: `deployment:${namespace}/${names.deployment}`,
    service: `service:${namespace}/${names.service}`,
    disruptionBudget: `pdb:${namespace}/${names.deployment}`,
    sharedClaim: `claim:${namespace}/${names.sharedClaim}`,
    configMap: `configmap:${namespace}/${names.configMap}`,
    saltsSecret: `secret:${namespace}/${names.saltsSecret}`,
    activePlugins: 'wordpress:active-plugins',
    plugins: 'tree:plugins',
    themes: 'tree:themes',
  } as const;
}

export interface ObservedNames {
  deployment: string;
  service: string;
  sharedClaim: string;
  configMap: string;
  saltsSecret: string;
}

/** Digests of the parts that matter; the same functions serve the plan and the later look for drift. */
export const observed = {
  deployment: (object: V1Deployment | null) => digestOf(object?.spec ?? null),
  service: (object: V1Service | null) =>
    digestOf(
      object === null ? null : { selector: object.spec?.selector, ports: object.spec?.ports },
    ),
  disruptionBudgets: (objects: V1PodDisruptionBudget[]) =>
    objects.length === 0
      ? absentDigest
      : digestOf(
          objects
            .map(({ metadata, spec }) => ({ name: metadata?.name ?? '', spec }))
            .sort((a, b) => (a.name < b.name ? -1 : 1)),
        ),
  sharedClaim: (object: V1PersistentVolumeClaim | null) =>
    digestOf(
      object === null
        ? null
        : { accessModes: object.spec?.accessModes, resources: object.spec?.resources },
    ),
  configMap: (extra: string | null) => digestOf(extra),
  saltsSecret: (secret: { keys: string[]; fingerprint: string | null } | null) => digestOf(secret),
  activePlugins: (files: string[]) => digestOf([...files].sort()),
  tree: (tree: TreeDigest) => digestOf(tree),
};
