import { readFile } from 'node:fs/promises';
import { issueCertificate } from '../pki.ts';
import { writeKubeconfig } from './kubernetes-parts.ts';

/**
 * A kubeconfig for a program outside the cluster: a client certificate whose common name is the user's name, to which
 * a ClusterRoleBinding gives its rights. Returns the file's path.
 */
export async function serviceKubeconfig(name: string, user: string): Promise<string> {
  const client = await issueCertificate({
    ca: 'kubernetes-ca',
    name: `client-${name}`,
    commonName: user,
    usages: ['client'],
  });
  const base64 = async (file: string) => (await readFile(file)).toString('base64');
  return writeKubeconfig(name, {
    'client-certificate-data': await base64(client.certFile),
    'client-key-data': await base64(client.keyFile),
  });
}

/** A rule of a ClusterRole. */
export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

/** ClusterRole and binding of one user, both with the user's name. */
export function clusterRights(user: string, rules: readonly Rule[]) {
  const group = 'rbac.authorization.k8s.io';
  const apiVersion = `${group}/v1`;
  const metadata = { name: user };
  return [
    { apiVersion, kind: 'ClusterRole', metadata, rules },
    {
      ...{ apiVersion, kind: 'ClusterRoleBinding', metadata },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: user },
      subjects: [{ kind: 'User', apiGroup: group, name: user }],
    },
  ];
}
