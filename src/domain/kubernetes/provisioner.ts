import type { KubernetesObject, V1PodSpec } from '@kubernetes/client-node';
import type { Site } from '../site/schema.ts';
import { hybridNames, managedLabels, nameFrom } from './names.ts';

/** Namespace of the NFS server and its provisioner: one for all sites of a cluster. */
export const provisionerNamespace = 'presslift-storage';

const serverName = 'nfs-server';
const provisionerName = 'nfs-subdir-provisioner';
const driver = 'presslift.dev/nfs-subdir';

const serverImage = 'registry.k8s.io/volume-nfs:0.8';
const provisionerImage = 'registry.k8s.io/sig-storage/nfs-subdir-external-provisioner:v4.0.2';

/** Hard mounts wait for a server that restarts; soft ones would give WordPress I/O errors in the middle of a write. */
const mountOptions = ['hard', 'nfsvers=4.1', 'noatime'];

/** The storage class that the site's provisioner makes; undefined when the site asks for none. */
export function provisionedClass(site: Site): string | undefined {
  switch (site.storage.provisioner?.kind) {
    case 'nfs-server':
      return 'presslift-nfs';
    case 'digitalocean-nfs':
      return 'presslift-digitalocean-nfs';
    case undefined:
      return undefined;
  }
}

/** Name of the PersistentVolume that the claim must bind to, where the volume is not made on demand. */
export function staticVolumeName(site: Site): string | null {
  return site.storage.provisioner?.kind === 'digitalocean-nfs'
    ? nameFrom('presslift', `${site.cluster.namespace}-${hybridNames(site).sharedClaim}`)
    : null;
}

/**
 * The Kubernetes objects of the provisioner that the site asks for, in the order in which they are applied; none when it
 * asks for none.
 *
 * `nfs-server`: an NFS server on a block volume, and the nfs-subdir provisioner that makes one folder of it a volume.
 * The server is one pod: while its node is replaced, plugins and themes are not readable for a minute or two.
 * `digitalocean-nfs`: one static volume on DigitalOcean Network File Storage, bound to this site's claim alone.
 */
export function provisionerObjects(site: Site): KubernetesObject[] {
  const provisioner = site.storage.provisioner;
  if (provisioner === undefined) return [];
  const className = site.storage.sharedClaim.storageClass ?? provisionedClass(site);
  if (provisioner.kind === 'digitalocean-nfs') {
    return [
      storageClass(site, className, 'kubernetes.io/no-provisioner', {}),
      object('v1', 'PersistentVolume', site, staticVolumeName(site) ?? '', undefined, {
        spec: {
          capacity: { storage: site.storage.sharedClaim.size },
          accessModes: ['ReadWriteMany'],
          persistentVolumeReclaimPolicy: 'Retain',
          storageClassName: className,
          mountOptions,
          claimRef: {
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            namespace: site.cluster.namespace,
            name: hybridNames(site).sharedClaim,
          },
          nfs: { server: provisioner.server, path: provisioner.path },
        },
      }),
    ];
  }
  return [
    object('v1', 'Namespace', site, provisionerNamespace, undefined, {}),
    object('v1', 'PersistentVolumeClaim', site, serverName, provisionerNamespace, {
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: provisioner.backingClass,
        resources: { requests: { storage: provisioner.size } },
      },
    }),
    object('v1', 'Service', site, serverName, provisionerNamespace, {
      spec: {
        selector: { app: serverName },
        ports: [{ name: 'nfs', port: 2049, protocol: 'TCP' }],
      },
    }),
    deployment(site, serverName, serverPod()),
    object('v1', 'ServiceAccount', site, provisionerName, provisionerNamespace, {}),
    object('rbac.authorization.k8s.io/v1', 'ClusterRole', site, clusterRole, undefined, {
      rules: provisionerRules,
    }),
    object('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', site, clusterRole, undefined, {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: clusterRole },
      subjects: [
        { kind: 'ServiceAccount', name: provisionerName, namespace: provisionerNamespace },
      ],
    }),
    deployment(site, provisionerName, provisionerPod()),
    storageClass(site, className, driver, {
      archiveOnDelete: 'true',
      pathPattern: '${.PVC.namespace}/${.PVC.name}',
    }),
  ];
}

const clusterRole = `presslift-${provisionerName}`;

const provisionerRules = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  {
    apiGroups: [''],
    resources: ['persistentvolumes'],
    verbs: ['get', 'list', 'watch', 'create', 'delete'],
  },
  {
    apiGroups: [''],
    resources: ['persistentvolumeclaims'],
    verbs: ['get', 'list', 'watch', 'update'],
  },
  { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'update', 'patch'] },
  {
    apiGroups: [''],
    resources: ['endpoints'],
    verbs: ['get', 'list', 'watch', 'create', 'update', 'patch'],
  },
];

function serverPod(): V1PodSpec {
  return {
    terminationGracePeriodSeconds: 30,
    containers: [
      {
        name: 'server',
        image: serverImage,
        ports: [{ name: 'nfs', containerPort: 2049 }],
        // The kernel's NFS server is loaded and exported from inside this container.
        securityContext: { privileged: true },
        readinessProbe: { tcpSocket: { port: 2049 }, periodSeconds: 5 },
        volumeMounts: [{ name: 'exports', mountPath: '/exports' }],
      },
    ],
    volumes: [{ name: 'exports', persistentVolumeClaim: { claimName: serverName } }],
  };
}

function provisionerPod(): V1PodSpec {
  // The node mounts the export, and the node's resolver knows no Service names: hence the cluster's full name, which
  // works where the node uses cluster DNS; installProvisioner puts the Service's address in its place.
  const server = `${serverName}.${provisionerNamespace}.svc.cluster.local`;
  return {
    serviceAccountName: provisionerName,
    containers: [
      {
        name: 'provisioner',
        image: provisionerImage,
        env: [
          { name: 'PROVISIONER_NAME', value: driver },
          { name: 'NFS_SERVER', value: server },
          { name: 'NFS_PATH', value: '/' },
        ],
        volumeMounts: [{ name: 'root', mountPath: '/persistentvolumes' }],
      },
    ],
    volumes: [{ name: 'root', nfs: { server, path: '/' } }],
  };
}

/** The same objects with the NFS server's cluster address in the place of its name, which nodes cannot resolve. */
export function withServerAddress(
  objects: KubernetesObject[],
  address: string,
): KubernetesObject[] {
  const name = `${serverName}.${provisionerNamespace}.svc.cluster.local`;
  return JSON.parse(JSON.stringify(objects).replaceAll(name, address)) as KubernetesObject[];
}

/** Name and namespace of the NFS server's Service and of the Deployments that must be available. */
export const provisionerParts = {
  service: { namespace: provisionerNamespace, name: serverName },
  deployments: [serverName, provisionerName],
} as const;

function deployment(site: Site, name: string, pod: V1PodSpec): KubernetesObject {
  return object('apps/v1', 'Deployment', site, name, provisionerNamespace, {
    spec: {
      replicas: 1,
      // Two NFS servers on one block volume would corrupt it.
      strategy: { type: 'Recreate' },
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: pod },
    },
  });
}

function storageClass(
  site: Site,
  name: string | undefined,
  provisioner: string,
  parameters: Record<string, string>,
): KubernetesObject {
  return object('storage.k8s.io/v1', 'StorageClass', site, name ?? '', undefined, {
    provisioner,
    parameters,
    reclaimPolicy: 'Retain',
    mountOptions,
  });
}

function object(
  apiVersion: string,
  kind: string,
  site: Site,
  name: string,
  namespace: string | undefined,
  rest: Record<string, unknown>,
): KubernetesObject {
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      labels: managedLabels(site, 'provisioner'),
    },
    ...rest,
  };
}
