/**
 * cert-manager, outside the cluster as two programs of the machine (controllers and admission webhook), and the
 * ClusterIssuer `presslift-ca`, which signs with the sandbox's authority.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { Component, ComponentContext } from '../component.ts';
import type { ConditionedObject } from '../kube.ts';
import { hasCondition, kube, parseObjects } from '../kube.ts';
import { ensureCertificateAuthority, issueCertificate } from '../pki.ts';
import { network, ports } from '../settings.ts';
import { answersPlain } from './kubernetes-parts.ts';
import type { Rule } from './service-kubeconfig.ts';
import { clusterRights, serviceKubeconfig } from './service-kubeconfig.ts';

const namespace = 'cert-manager';
const issuerName = 'presslift-ca';
const webhookHealthPort = 10261;

const users = {
  controller: 'presslift:cert-manager',
  webhook: 'presslift:cert-manager-webhook',
} as const;

const group = 'cert-manager.io';
const read = ['get', 'list', 'watch'];
const write = ['create', 'delete', 'patch', 'update'];

/** What the controllers that are linked into the program need: issuers, certificates, Ingress annotations, approval. */
const controllerRules: Rule[] = [
  { apiGroups: [group], resources: ['issuers', 'clusterissuers'], verbs: [...read, 'update'] },
  {
    apiGroups: [group],
    resources: ['certificates', 'certificaterequests'],
    verbs: [...read, ...write],
  },
  {
    apiGroups: [group],
    resources: [
      'certificaterequests/finalizers',
      'certificaterequests/status',
      'certificates/finalizers',
      'certificates/status',
      'clusterissuers/status',
      'issuers/status',
    ],
    verbs: ['patch', 'update'],
  },
  {
    apiGroups: [group],
    resources: ['signers'],
    resourceNames: [`issuers.${group}/*`, `clusterissuers.${group}/*`],
    verbs: ['approve'],
  },
  { apiGroups: [`acme.${group}`], resources: ['challenges', 'orders'], verbs: read },
  { apiGroups: [''], resources: ['secrets'], verbs: [...read, ...write] },
  { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: read },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses/finalizers'], verbs: ['update'] },
];

/** The webhook asks the API server whether an approver may approve. */
const webhookRules: Rule[] = [
  {
    apiGroups: ['authorization.k8s.io'],
    resources: ['subjectaccessreviews'],
    verbs: ['create'],
  },
];

async function definitions(context: ComponentContext): Promise<KubernetesObject[]> {
  const folder = join(context.programDir('cert-manager'), 'crds');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap(parseObjects);
}

async function base64(file: string): Promise<string> {
  return (await readFile(file)).toString('base64');
}

/** The API server calls the webhook by address, as it is no Service. */
async function webhookConfigurations(): Promise<KubernetesObject[]> {
  const { certFile } = await ensureCertificateAuthority('kubernetes-ca');
  const caBundle = await base64(certFile);
  const webhook = (path: string) => ({
    name: `webhook.${group}`,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    timeoutSeconds: 10,
    clientConfig: {
      url: `https://${network.loopback}:${ports.certManagerWebhook}/${path}`,
      caBundle,
    },
  });
  const admission = { apiVersion: 'admissionregistration.k8s.io/v1' };
  const metadata = { name: 'cert-manager-webhook' };
  const validating = {
    ...{ ...admission, kind: 'ValidatingWebhookConfiguration', metadata },
    webhooks: [
      {
        ...webhook('validate'),
        rules: [
          {
            apiGroups: [group, `acme.${group}`],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['*/*'],
          },
        ],
      },
    ],
  };
  const mutating = {
    ...{ ...admission, kind: 'MutatingWebhookConfiguration', metadata },
    webhooks: [
      {
        ...webhook('mutate'),
        rules: [
          {
            apiGroups: [group],
            apiVersions: ['v1'],
            operations: ['CREATE'],
            resources: ['certificaterequests'],
          },
        ],
      },
    ],
  };
  return [validating, mutating];
}

/** The sandbox's authority as a Secret of the namespace where ClusterIssuers look, and the issuer that uses it. */
async function issuer(): Promise<KubernetesObject[]> {
  const authority = await ensureCertificateAuthority('sandbox-ca');
  const secret = {
    ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls' },
    metadata: { name: issuerName, namespace },
    data: {
      'tls.crt': await base64(authority.certFile),
      'tls.key': await base64(authority.keyFile),
    },
  };
  const clusterIssuer = {
    ...{ apiVersion: `${group}/v1`, kind: 'ClusterIssuer', metadata: { name: issuerName } },
    spec: { ca: { secretName: issuerName } },
  };
  return [secret, clusterIssuer];
}

export const certManager: Component = {
  name: 'cert-manager',
  title: 'cert-manager',
  needs: ['kube-apiserver'],
  programs: ['cert-manager'],
  async start(context) {
    const { apply } = await kube();
    await apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      ...clusterRights(users.controller, controllerRules),
      ...clusterRights(users.webhook, webhookRules),
      ...(await definitions(context)),
    ]);
    const program = join(context.programDir('cert-manager'), 'cert-manager');
    const serving = await issueCertificate({
      ca: 'kubernetes-ca',
      name: 'cert-manager-webhook',
      commonName: 'cert-manager-webhook',
      ipAddresses: [network.loopback],
      usages: ['server'],
    });
    await context.daemon('cert-manager-webhook', program, [
      'webhook',
      ...['--kubeconfig', await serviceKubeconfig('cert-manager-webhook', users.webhook)],
      ...['--tls-cert-file', serving.certFile, '--tls-private-key-file', serving.keyFile],
      ...['--secure-port', String(ports.certManagerWebhook)],
      ...['--healthz-port', String(webhookHealthPort)],
    ]);
    await context.daemon('cert-manager', program, [
      'controller',
      ...['--kubeconfig', await serviceKubeconfig('cert-manager', users.controller)],
      ...['--cluster-resource-namespace', namespace],
    ]);
    await apply([...(await webhookConfigurations()), ...(await issuer())]);
  },
  async ready(context) {
    for (const name of ['cert-manager', 'cert-manager-webhook']) {
      if (!(await context.isRunning(name))) return false;
    }
    if (!(await answersPlain(`http://${network.loopback}:${webhookHealthPort}/healthz`)))
      return false;
    const { get } = await kube();
    const path = `/apis/${group}/v1/clusterissuers/${issuerName}`;
    return hasCondition(await get<ConditionedObject>(path), 'Ready');
  },
  async stop(context) {
    await context.stopDaemon('cert-manager');
    await context.stopDaemon('cert-manager-webhook');
  },
};
