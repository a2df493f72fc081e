/**
 * Holds deploy/rbac.yaml against the code: every right in a site's namespace has a place that uses it, and every typed call
 * of the API has its right. What goes by `read`, `apply`, `remove` and the like (any kind by name) is in the table by hand;
 * that the table is right where it matters is proved by the sandbox, whose worker has these rights and no others.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';

interface Role {
  kind: string;
  metadata: { name: string };
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

const documents = parseAllDocuments(readFileSync('deploy/rbac.yaml', 'utf8')).map(
  (document) => document.toJS() as Role,
);

/** `pods list`, `deployments.apps get`, … of one role. */
function rightsOf(role: string): string[] {
  const found = documents.find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === role,
  );
  const rules = found?.rules ?? [];
  return rules
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.map((verb) => `${resource}${group === '' ? '' : `.${group}`} ${verb}`),
        ),
      ),
    )
    .sort();
}

/** What a role's rights are for: the file below src/activities that needs each, and words of it that say so. */
type Uses = Record<string, Record<string, [file: string, words: string]>>;

const kube = 'kubernetes';
const site: Uses = {
  'deployments.apps': {
    get: [`${kube}/site-objects.ts`, "kind: 'Deployment'"],
    create: ['drill/boot.ts', 'createNamespacedDeployment'],
    patch: ['hybrid-storage/rollout-changes.ts', 'mergePatch'],
    update: ['hybrid-storage/rollout-changes.ts', 'replace('],
  },
  pods: {
    get: ['hybrid-storage/share-probe.ts', "kind: 'Pod'"],
    list: [`${kube}/site-objects.ts`, 'listNamespacedPod'],
    create: ['hybrid-storage/share-probe.ts', 'apply('],
    patch: ['hybrid-storage/share-probe.ts', 'apply('],
    delete: ['hybrid-storage/share-probe.ts', 'remove('],
  },
  'pods/eviction': { create: ['hybrid-storage/verify/plugin-lifecycle.ts', 'PodEviction'] },
  'pods/exec': {
    create: [`${kube}/exec.ts`, 'Exec'],
    get: [`${kube}/exec.ts`, 'Exec'],
  },
  'pods/log': { get: [`${kube}/jobs.ts`, 'readNamespacedPodLog'] },
  events: { list: ['drill/start.ts', 'listNamespacedEvent'] },
  services: {
    get: [`${kube}/site-objects.ts`, "kind: 'Service'"],
    list: ['hybrid-storage/observe.ts', 'listNamespacedService'],
    patch: ['hybrid-storage/rollout-changes.ts', "kind: 'Service'"],
  },
  'endpointslices.discovery.k8s.io': {
    list: ['hybrid-storage/rollout-waits.ts', 'listNamespacedEndpointSlice'],
  },
  persistentvolumeclaims: {
    get: [`${kube}/site-objects.ts`, "kind: 'PersistentVolumeClaim'"],
    list: ['backup/volumes.ts', 'listNamespacedPersistentVolumeClaim'],
    create: ['drill/restore.ts', 'createNamespacedPersistentVolumeClaim'],
    patch: ['hybrid-storage/storage-changes.ts', 'apply('],
    delete: ['backup/files.ts', 'remove('],
  },
  'jobs.batch': {
    get: [`${kube}/jobs.ts`, 'read<V1Job>'],
    list: ['backup/leftovers.ts', 'listNamespacedJob'],
    create: [`${kube}/jobs.ts`, 'apply('],
    patch: [`${kube}/jobs.ts`, 'apply('],
    delete: [`${kube}/jobs.ts`, 'remove('],
  },
  configmaps: {
    get: ['hybrid-storage/config-source.ts', "kind: 'ConfigMap'"],
    create: ['drill/boot.ts', 'createNamespacedConfigMap'],
    patch: ['hybrid-storage/settings-changes.ts', 'apply('],
    delete: ['hybrid-storage/settings-changes.ts', 'remove('],
  },
  secrets: {
    get: ['secrets/resolver.ts', "'Secret'"],
    create: ['drill/place.ts', 'createNamespacedSecret'],
    patch: ['prerequisites/key-changes.ts', 'objects.patch'],
    delete: ['prerequisites/key-changes.ts', 'objects.delete'],
  },
  'poddisruptionbudgets.policy': {
    get: ['hybrid-storage/settings-changes.ts', "kind: 'PodDisruptionBudget'"],
    list: [`${kube}/site-objects.ts`, 'listNamespacedPodDisruptionBudget'],
    create: ['hybrid-storage/settings-changes.ts', 'apply('],
    patch: ['hybrid-storage/settings-changes.ts', 'apply('],
    delete: ['hybrid-storage/settings-changes.ts', 'remove('],
  },
  'volumesnapshots.snapshot.storage.k8s.io': {
    get: ['backup/snapshots-csi.ts', 'read'],
    list: ['backup/snapshots-csi.ts', 'listNamespacedCustomObject'],
    create: ['backup/snapshots-csi.ts', 'apply('],
    patch: ['backup/snapshots-csi.ts', 'apply('],
    delete: ['backup/snapshots-csi.ts', 'remove('],
  },
  'ingresses.networking.k8s.io': { list: ['hostnames/observe.ts', "'Ingress', namespace"] },
  'httproutes.gateway.networking.k8s.io': { list: ['hostnames/observe.ts', "'HTTPRoute'"] },
  'certificates.cert-manager.io': { list: ['hostnames/observe.ts', "'Certificate', namespace"] },
  'issuers.cert-manager.io': {
    get: ['hostnames/observe.ts', "cert-manager.io/v1', kind, namespace"],
  },
  'horizontalpodautoscalers.autoscaling': {
    list: ['hybrid-storage/observe.ts', 'listNamespacedHorizontalPodAutoscaler'],
  },
  'networkpolicies.networking.k8s.io': {
    create: ['drill/place.ts', 'createNamespacedNetworkPolicy'],
  },
};

const source = (file: string) => readFileSync(`src/activities/${file}`, 'utf8');

describe("the rights in a site's namespace", () => {
  test('are those that the code uses', () => {
    const used = Object.entries(site).flatMap(([resource, verbs]) =>
      Object.keys(verbs).map((verb) => `${resource} ${verb}`),
    );
    expect(rightsOf('presslift-site')).toEqual(used.sort());
  });

  test.each(
    Object.entries(site).flatMap(([resource, verbs]) =>
      Object.entries(verbs).map(([verb, [file, words]]) => ({ resource, verb, file, words })),
    ),
  )('$verb $resource is for $file', ({ file, words }) => {
    expect(source(file)).toContain(words);
  });
});

/** Names of typed calls that the resource's own name does not follow from. */
const special: Record<string, string> = {
  listNamespacedCustomObject: 'volumesnapshots.snapshot.storage.k8s.io list',
  listClusterCustomObject: 'volumesnapshotclasses.snapshot.storage.k8s.io list',
  createNamespacedPodEviction: 'pods/eviction create',
  readNamespacedPodLog: 'pods/log get',
};

/** A call of one of the clients in src/activities/kubernetes/clients.ts, or of one made like those. */
const typedCall =
  /\b(?:core|apps|batch|policy|storage|discovery|networking|autoscaling|custom|rbac)\.((?:list|read|create|delete|patch|replace)[A-Z]\w+)\(/g;

const plural = (kind: string) =>
  /(y|s)$/.test(kind) ? kind.replace(/y$/, 'ie').replace(/s$/, 'se') + 's' : `${kind}s`;

test('every typed call of the API has its right, and nothing is watched', () => {
  const files = readdirSync('src/activities', { recursive: true, encoding: 'utf8' });
  const calls = new Set(
    files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [...source(file).matchAll(typedCall)])
      .map(([, name = '']) => name),
  );
  const granted = [
    ...rightsOf('presslift-site'),
    ...rightsOf('presslift-cluster'),
    ...rightsOf('presslift-drills'),
  ].map((right) => right.replace(/\.[\w.]+ /, ' '));
  const verbs = { list: 'list', read: 'get', create: 'create', delete: 'delete' } as const;
  for (const name of calls) {
    const [, verb = '', kind = ''] = /^([a-z]+)(?:Namespaced)?(\w+)$/.exec(name) ?? [];
    const wanted =
      special[name]?.replace(/\.[\w.]+ /, ' ') ??
      `${plural(kind.toLowerCase())} ${verbs[verb as keyof typeof verbs]}`;
    expect(granted, name).toContain(wanted);
  }
  expect(calls.size).toBeGreaterThan(15);
  expect(granted.filter((right) => right.endsWith(' watch'))).toEqual([]);
});
