/** What the Kubernetes components share: certificates by role, kubeconfigs and requests to their health checks. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import type { CertificateFiles } from '../pki.ts';
import { ensureCertificateAuthority, issueCertificate } from '../pki.ts';
import { endpoints, paths } from '../settings.ts';

/** Name of the only node. */
export const nodeName = 'sandbox';

/** Address ranges and names that the API server's certificate is for. */
export const clusterDomain = 'cluster.local';

/** Who the programs are to the API server: certificate subject to rights, all but the last built into Kubernetes. */
const identities = {
  admin: { organization: 'system:masters', commonName: 'presslift-sandbox-admin' },
  'kube-controller-manager': { commonName: 'system:kube-controller-manager' },
  'kube-scheduler': { commonName: 'system:kube-scheduler' },
  kubelet: { organization: 'system:nodes', commonName: `system:node:${nodeName}` },
  'kube-proxy': { commonName: 'system:kube-proxy' },
  coredns: { commonName: 'system:coredns' },
  csi: { commonName: 'presslift:csi' },
} as const;

export type Identity = keyof typeof identities;

/** A kubeconfig with a client certificate; its path. */
export async function ensureKubeconfig(identity: Identity): Promise<string> {
  const client = await issueCertificate({
    ca: 'kubernetes-ca',
    name: `client-${identity}`,
    ...identities[identity],
    usages: ['client'],
  });
  return writeKubeconfig(identity, {
    'client-certificate-data': await base64(client.certFile),
    'client-key-data': await base64(client.keyFile),
  });
}

/** Writes `paths.kubeconfigs/<name>.yaml` for a user of the sandbox's cluster; its path. Unchanged files stay. */
export async function writeKubeconfig(
  name: string,
  user: Readonly<Record<string, string>>,
): Promise<string> {
  const authority = await ensureCertificateAuthority('kubernetes-ca');
  const cluster = {
    server: endpoints.kubernetesApi,
    'certificate-authority-data': await base64(authority.certFile),
  };
  // JSON is YAML.
  const text = JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'sandbox', cluster }],
      users: [{ name, user }],
      contexts: [{ name: 'sandbox', context: { cluster: 'sandbox', user: name } }],
      'current-context': 'sandbox',
    },
    null,
    2,
  );
  const file = join(paths.kubeconfigs, `${name}.yaml`);
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return file;
  await mkdir(paths.kubeconfigs, { recursive: true, mode: 0o700 });
  await writeFile(`${file}.${process.pid}`, text, { mode: 0o600 });
  await rename(`${file}.${process.pid}`, file);
  return file;
}

/** Whether an HTTPS health check answers 200, with its certificate verified against the authority. */
export async function answersHealthy(
  url: string,
  authority: string,
  client?: CertificateFiles,
): Promise<boolean> {
  const options = {
    ca: await readFile(authority),
    cert: client && (await readFile(client.certFile)),
    key: client && (await readFile(client.keyFile)),
    timeout: 3_000,
    agent: false as const,
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    sent.on('timeout', () => sent.destroy(new Error(`No answer from ${url}`)));
    sent.on('error', reject);
    sent.end();
  });
}

/** Whether an HTTP health check on the loopback interface answers 200. */
export async function answersPlain(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(3_000) });
  await response.body?.cancel();
  return response.status === 200;
}

/** Writes a file when its text is another one; whole or not at all. */
export async function writeWhenChanged(file: string, text: string): Promise<void> {
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return;
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(`${file}.${process.pid}`, text);
  await rename(`${file}.${process.pid}`, file);
}

async function base64(file: string): Promise<string> {
  return (await readFile(file)).toString('base64');
}
