/** Kubernetes' database. Every connection, also from this machine, needs a certificate of etcd's own authority. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../component.ts';
import type { CertificateFiles } from '../pki.ts';
import { ensureCertificateAuthority, issueCertificate } from '../pki.ts';
import { network, paths, ports } from '../settings.ts';
import { answersHealthy } from './kubernetes-parts.ts';

const dataDir = join(paths.kubernetes, 'etcd');
const clientUrl = `https://${network.loopback}:${ports.etcdClient}`;
const peerUrl = `https://${network.loopback}:${ports.etcdPeer}`;

/** Flags with which the API server gets in. */
export async function etcdClientFlags(): Promise<string[]> {
  const authority = await ensureCertificateAuthority('etcd-ca');
  const client = await etcdClient();
  return [
    `--etcd-servers=${clientUrl}`,
    `--etcd-cafile=${authority.certFile}`,
    `--etcd-certfile=${client.certFile}`,
    `--etcd-keyfile=${client.keyFile}`,
  ];
}

export const etcd: Component = {
  name: 'etcd',
  title: 'etcd',
  needs: [],
  programs: ['etcd'],
  packages: ['openssl'],
  async start(context) {
    const { certFile: authority } = await ensureCertificateAuthority('etcd-ca');
    const server = await issueCertificate({
      ca: 'etcd-ca',
      name: 'etcd-server',
      commonName: 'etcd',
      dnsNames: ['localhost'],
      ipAddresses: [network.loopback],
      // As a peer it is both.
      usages: ['server', 'client'],
    });
    await context.daemon('etcd', join(context.programDir('etcd'), 'etcd'), [
      ...['--name', 'sandbox', '--data-dir', dataDir, '--logger', 'zap', '--log-level', 'warn'],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ...['--initial-cluster', `sandbox=${peerUrl}`],
      ...['--cert-file', server.certFile, '--key-file', server.keyFile],
      ...['--peer-cert-file', server.certFile, '--peer-key-file', server.keyFile],
      ...['--client-cert-auth', '--trusted-ca-file', authority],
      ...['--peer-client-cert-auth', '--peer-trusted-ca-file', authority],
      // A power cut may cost this database; every write would else wait for the disk.
      '--unsafe-no-fsync',
    ]);
  },
  async ready(context) {
    if (!(await context.isRunning('etcd'))) return false;
    const { certFile } = await ensureCertificateAuthority('etcd-ca');
    return answersHealthy(`${clientUrl}/readyz`, certFile, await etcdClient());
  },
  stop: (context) => context.stopDaemon('etcd'),
  reset: () => rm(dataDir, { recursive: true, force: true }),
};

function etcdClient(): Promise<CertificateFiles> {
  return issueCertificate({
    ca: 'etcd-ca',
    name: 'etcd-client',
    commonName: 'kube-apiserver',
    usages: ['client'],
  });
}
