/** The Kubernetes API. Who may do what is decided by certificates and ServiceAccount tokens; nobody is anonymous. */
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { ensureCertificateAuthority, ensureKeyPair, issueCertificate } from '../pki.ts';
import { endpoints, network, ports } from '../settings.ts';
import { etcdClientFlags } from './etcd.ts';
import { answersHealthy, clusterDomain, ensureKubeconfig } from './kubernetes-parts.ts';

export const kubeApiserver: Component = {
  name: 'kube-apiserver',
  title: 'Kubernetes API server',
  needs: ['etcd', 'node-network'],
  programs: ['kubernetes'],
  packages: ['openssl'],
  async start(context) {
    const authority = await ensureCertificateAuthority('kubernetes-ca');
    const frontProxyAuthority = await ensureCertificateAuthority('front-proxy-ca');
    const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
    const server = await issueCertificate({
      ca: 'kubernetes-ca',
      name: 'kube-apiserver',
      commonName: 'kube-apiserver',
      dnsNames: ['localhost', ...service, `kubernetes.default.svc.${clusterDomain}`],
      ipAddresses: [network.loopback, network.nodeAddress, network.kubernetesServiceAddress],
      usages: ['server'],
    });
    const kubeletClient = await issueCertificate({
      ca: 'kubernetes-ca',
      name: 'kube-apiserver-kubelet-client',
      commonName: 'kube-apiserver-kubelet-client',
      organization: 'system:masters',
      usages: ['client'],
    });
    const frontProxyClient = await issueCertificate({
      ca: 'front-proxy-ca',
      name: 'front-proxy-client',
      commonName: 'front-proxy-client',
      usages: ['client'],
    });
    const tokens = await ensureKeyPair('service-account');
    await ensureKubeconfig('admin');
    await context.daemon(
      'kube-apiserver',
      join(context.programDir('kubernetes'), 'kube-apiserver'),
      [
        ...(await etcdClientFlags()),
        // Programs of this machine come by the loopback address, pods by the bridge's; see PRESSLIFT-INPUT.
        '--bind-address=0.0.0.0',
        `--secure-port=${ports.kubernetesApi}`,
        `--advertise-address=${network.nodeAddress}`,
        `--tls-cert-file=${server.certFile}`,
        `--tls-private-key-file=${server.keyFile}`,
        `--client-ca-file=${authority.certFile}`,
        '--anonymous-auth=false',
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        '--allow-privileged=true',
        `--service-cluster-ip-range=${network.serviceCidr}`,
        `--service-account-issuer=https://kubernetes.default.svc.${clusterDomain}`,
        `--service-account-key-file=${tokens.publicKeyFile}`,
        `--service-account-signing-key-file=${tokens.privateKeyFile}`,
        `--kubelet-client-certificate=${kubeletClient.certFile}`,
        `--kubelet-client-key=${kubeletClient.keyFile}`,
        `--kubelet-certificate-authority=${authority.certFile}`,
        '--kubelet-preferred-address-types=InternalIP',
        `--requestheader-client-ca-file=${frontProxyAuthority.certFile}`,
        '--requestheader-allowed-names=front-proxy-client',
        '--requestheader-username-headers=X-Remote-User',
        '--requestheader-group-headers=X-Remote-Group',
        '--requestheader-extra-headers-prefix=X-Remote-Extra-',
        `--proxy-client-cert-file=${frontProxyClient.certFile}`,
        `--proxy-client-key-file=${frontProxyClient.keyFile}`,
        '--endpoint-reconciler-type=lease',
        '--profiling=false',
      ],
    );
  },
  async ready(context) {
    if (!(await context.isRunning('kube-apiserver'))) return false;
    const { certFile } = await ensureCertificateAuthority('kubernetes-ca');
    const client = await issueCertificate({
      ca: 'kubernetes-ca',
      name: 'kube-apiserver-kubelet-client',
      commonName: 'kube-apiserver-kubelet-client',
      organization: 'system:masters',
      usages: ['client'],
    });
    return answersHealthy(`${endpoints.kubernetesApi}/readyz`, certFile, client);
  },
  // It lets open watches run for a while; whoever watches has been stopped by now, or can watch again.
  stop: (context) => context.stopDaemon('kube-apiserver', { timeoutMs: 4_000 }),
};
