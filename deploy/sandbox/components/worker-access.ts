/** What the worker gets in the cluster: the namespaces, its ServiceAccount with deploy/rbac.yaml, and a kubeconfig. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { KubeConfig } from '@kubernetes/client-node';
import type { Component } from '../component.ts';
import { kube, parseObjects } from '../kube.ts';
import { kubernetesRequests } from '../kube-request.ts';
import { paths } from '../settings.ts';
import { writeKubeconfig } from './kubernetes-parts.ts';

const rightsFile = join(import.meta.dirname, '../../rbac.yaml');

const serviceAccount = { name: 'presslift-worker', namespace: 'presslift' };
const tokenSecret = { name: 'presslift-worker-token', namespace: serviceAccount.namespace };
const siteNamespaces = ['acme'];

const rbac = 'rbac.authorization.k8s.io';

/** Digest of the rights that the running cluster was given. */
const grantedFile = join(paths.kubeconfigs, 'worker-rights.sha256');

const rightsDigest = async (): Promise<string> =>
  createHash('sha256')
    .update(await readFile(rightsFile))
    .digest('hex');

/** One for every site: the same as the command at the top of deploy/rbac.yaml makes. */
const siteObjects = siteNamespaces.flatMap((namespace): KubernetesObject[] => [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'presslift-worker', namespace },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'presslift-site' },
    subjects: [{ kind: 'ServiceAccount', ...serviceAccount }],
  } as KubernetesObject,
]);

/** Kubernetes fills it with a token that does not expire: good enough for a cluster that is thrown away. */
const tokenObject: KubernetesObject & { type: string } = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: {
    ...tokenSecret,
    annotations: { 'kubernetes.io/service-account.name': serviceAccount.name },
  },
  type: 'kubernetes.io/service-account-token',
};

export const workerAccess: Component = {
  name: 'worker-access',
  title: "Worker's access to the cluster",
  needs: ['kube-apiserver', 'kube-controller-manager'],
  async start() {
    const { apply, get, waitFor } = await kube();
    await apply([...parseObjects(await readFile(rightsFile, 'utf8')), ...siteObjects]);
    await apply([tokenObject]);
    const readToken = async (): Promise<string | undefined> => {
      const { namespace, name } = tokenSecret;
      const secret = await get<TokenSecret>(`/api/v1/namespaces/${namespace}/secrets/${name}`);
      return secret.data?.['token'];
    };
    await waitFor(async () => (await readToken()) !== undefined, "the worker's token", 20_000);
    const token = Buffer.from((await readToken())!, 'base64').toString('utf8');
    await writeKubeconfig('worker', { token });
    await writeFile(grantedFile, await rightsDigest());
  },
  async ready() {
    // A changed deploy/rbac.yaml is granted by the next `up`.
    const granted = await readFile(grantedFile, 'utf8').catch(() => '');
    if (granted !== (await rightsDigest())) return false;
    // With the worker's own kubeconfig: an old token is told apart from one of this cluster.
    const config = new KubeConfig();
    config.loadFromFile(paths.workerKubeconfig);
    const requests = kubernetesRequests(config);
    for (const namespace of siteNamespaces) {
      await requests.get(`/api/v1/namespaces/${namespace}/persistentvolumeclaims?limit=1`);
    }
    return true;
  },
  stop: async () => undefined,
};

interface TokenSecret extends KubernetesObject {
  data?: Record<string, string>;
}
