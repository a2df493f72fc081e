import type {
  RbacV1Subject,
  V1Deployment,
  V1Namespace,
  V1NetworkPolicy,
  V1PersistentVolumeClaim,
  V1PodTemplateSpec,
  V1RoleBinding,
  V1Secret,
} from '@kubernetes/client-node';
import { ROLE_LABEL } from '../kubernetes/names.ts';
import type { Site } from '../site/schema.ts';
import { drillAnnotations, drillLabels } from './drill-place.ts';
import { sealFolder, sealSecret } from './drill-template.ts';
import type { ContentVolume } from './point.ts';

/** Name of the copy's Deployment; its pods carry the same as role. */
export const copyName = 'presslift-drill-site';

/** Name of the binding that gives the worker its rights in a drill's namespace. */
const bindingName = 'presslift-worker';
export const siteRole = 'presslift-site';

const podSecurity = /^pod-security\.kubernetes\.io\//;

/** @param liveLabels labels of the live site's namespace: what it asks of pods holds for the copy too. */
export function drillNamespace(
  site: Site,
  input: {
    name: string;
    drill: string;
    operationId: string;
    liveLabels: Record<string, string>;
  },
): V1Namespace {
  const kept = Object.entries(input.liveLabels).filter(([name]) => podSecurity.test(name));
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: input.name,
      labels: { ...Object.fromEntries(kept), ...drillLabels(site) },
      annotations: {
        [drillAnnotations.drill]: input.drill,
        [drillAnnotations.operation]: input.operationId,
      },
    },
  };
}

/** The worker's rights in the namespace. @param username as the API server knows the worker */
export function workerBinding(site: Site, namespace: string, username: string): V1RoleBinding {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: bindingName, namespace, labels: drillLabels(site) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: siteRole },
    subjects: [subjectOf(username)],
  };
}

function subjectOf(username: string): RbacV1Subject {
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username);
  return account === null
    ? { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: username }
    : { kind: 'ServiceAccount', namespace: account[1] ?? '', name: account[2] ?? '' };
}

/**
 * What pods of a drill may reach, where the cluster's network enforces it: WordPress names and the database, nothing else;
 * nobody comes in but the Job that asks for pages. Jobs restore from the repository, so their way out stays open.
 */
export function drillNetworkPolicies(site: Site, namespace: string): V1NetworkPolicy[] {
  const policy = (name: string, spec: V1NetworkPolicy['spec']): V1NetworkPolicy => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels: drillLabels(site) },
    spec,
  });
  const job = { matchLabels: { [ROLE_LABEL]: 'job' } };
  const notJob = { matchExpressions: [{ key: ROLE_LABEL, operator: 'NotIn', values: ['job'] }] };
  return [
    policy('presslift-drill-site', {
      podSelector: notJob,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ _from: [{ podSelector: job }] }],
      egress: [
        {
          ports: [
            { protocol: 'UDP', port: 53 },
            { protocol: 'TCP', port: 53 },
          ],
        },
        { ports: [{ protocol: 'TCP', port: site.database.port }] },
      ],
    }),
    policy('presslift-drill-jobs', { podSelector: job, policyTypes: ['Ingress'] }),
  ];
}

/** What every PHP of the copy reads before it does anything: its own database and host, and what it must not do. */
export function sealObject(
  site: Site,
  input: {
    namespace: string;
    database: string;
    host: string;
    password: string;
    seal: string;
    /** The fixed program scripts/seal.php. */
    program: string;
  },
): V1Secret {
  const { namespace, database, host, password, seal, program } = input;
  const settings = {
    host,
    seal,
    database: {
      name: database,
      user: database,
      password,
      host: `${site.database.host}:${site.database.port}`,
    },
  };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: sealSecret, namespace, labels: drillLabels(site) },
    type: 'Opaque',
    stringData: {
      username: database,
      password,
      'seal.json': JSON.stringify(settings),
      'seal.php': program,
      'zz-presslift-drill.ini': [
        `auto_prepend_file = ${sealFolder}/seal.php`,
        // Or else a .user.ini of the restored document root, as firewall plugins write it, puts another file in its place.
        'user_ini.filename =',
        'sendmail_path = /bin/true',
        'display_errors = Off',
        '',
      ].join('\n'),
    },
  };
}

/** An empty claim for what was backed up. @param place as `drillVolume` chose it */
export function drillClaim(
  site: Site,
  namespace: string,
  volume: ContentVolume,
  place: { storageClass: string; accessModes: string[] },
): V1PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: volume.claim, namespace, labels: drillLabels(site) },
    spec: {
      accessModes: place.accessModes,
      resources: { requests: { storage: volume.size } },
      storageClassName: place.storageClass,
    },
  };
}

/** One pod of the copy, replaced and never doubled: its volumes may be ones of a single node. */
export function drillDeployment(
  site: Site,
  namespace: string,
  template: V1PodTemplateSpec,
): V1Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: copyName, namespace, labels: drillLabels(site) },
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      revisionHistoryLimit: 0,
      selector: { matchLabels: { [ROLE_LABEL]: copyName } },
      template,
    },
  };
}

/** Labels of the copy's pods: none of the live site's, whatever selects those. */
export function copyLabels(site: Site): Record<string, string> {
  return { ...drillLabels(site), [ROLE_LABEL]: copyName };
}
