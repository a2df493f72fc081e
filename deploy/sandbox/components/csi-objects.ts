/** Objects of the cluster that belong to the sandbox's volumes. */
import { accessModesParameter, driverName } from '../csi/names.ts';

function storageClass(name: string, accessModes: 'single' | 'shared', isDefault: boolean) {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name,
      annotations: { 'storageclass.kubernetes.io/is-default-class': String(isDefault) },
    },
    provisioner: driverName,
    parameters: { [accessModesParameter]: accessModes },
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'Immediate',
  };
}

/** Rights of the provisioner, the snapshotter and the snapshot controller, as upstream grants them. */
const rules = [
  rule('', 'persistentvolumes', 'get list watch create patch delete'),
  rule('', 'persistentvolumeclaims', 'get list watch update patch'),
  rule('', 'persistentvolumeclaims/status', 'update patch'),
  rule('', 'events', 'get list watch create update patch'),
  rule('', 'nodes', 'get list watch'),
  rule('', 'namespaces', 'get list watch'),
  rule('storage.k8s.io', 'storageclasses csinodes volumeattachments', 'get list watch'),
  rule('storage.k8s.io', 'volumeattributesclasses csidrivers', 'get list watch'),
  rule('snapshot.storage.k8s.io', 'volumesnapshotclasses', 'get list watch'),
  rule('snapshot.storage.k8s.io', 'volumesnapshots', 'get list watch update patch delete'),
  rule('snapshot.storage.k8s.io', 'volumesnapshots/status', 'update patch'),
  rule(
    'snapshot.storage.k8s.io',
    'volumesnapshotcontents',
    'create get list watch update patch delete',
  ),
  rule('snapshot.storage.k8s.io', 'volumesnapshotcontents/status', 'update patch'),
  // Nobody takes group snapshots here, but the controller lists them before it begins.
  rule(
    'groupsnapshot.storage.k8s.io',
    'volumegroupsnapshotclasses volumegroupsnapshots volumegroupsnapshotcontents',
    'get list watch',
  ),
];

const rbac = 'rbac.authorization.k8s.io';

export const csiObjects = [
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: 'presslift-csi' },
    rules,
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'presslift-csi' },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'presslift-csi' },
    subjects: [{ kind: 'User', apiGroup: rbac, name: 'presslift:csi' }],
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: driverName },
    spec: {
      attachRequired: false,
      podInfoOnMount: false,
      fsGroupPolicy: 'File',
      volumeLifecycleModes: ['Persistent'],
    },
  },
  storageClass('presslift-rwo', 'single', true),
  storageClass('presslift-rwx', 'shared', false),
  {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshotClass',
    metadata: { name: 'presslift' },
    driver: driverName,
    deletionPolicy: 'Delete',
  },
];

function rule(apiGroup: string, resources: string, verbs: string) {
  return { apiGroups: [apiGroup], resources: resources.split(' '), verbs: verbs.split(' ') };
}
