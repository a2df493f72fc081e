/** kube-controller-manager and kube-scheduler, alike in all but a few flags. */
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { healthPorts } from '../listeners.ts';
import { ensureCertificateAuthority, ensureKeyPair, issueCertificate } from '../pki.ts';
import { network, paths } from '../settings.ts';
import { answersHealthy, ensureKubeconfig } from './kubernetes-parts.ts';

interface ControllerSettings {
  name: 'kube-controller-manager' | 'kube-scheduler';
  title: string;
  port: number;
  flags: () => Promise<string[]>;
}

/** Volume plugins are not looked for in the system's folders. */
export const volumePluginDir = join(paths.kubernetes, 'volume-plugins');

export const kubeControllerManager = controller({
  name: 'kube-controller-manager',
  title: 'Kubernetes controller manager',
  port: healthPorts.controllerManager,
  async flags() {
    const authority = await ensureCertificateAuthority('kubernetes-ca');
    const tokens = await ensureKeyPair('service-account');
    return [
      `--service-account-private-key-file=${tokens.privateKeyFile}`,
      `--root-ca-file=${authority.certFile}`,
      `--cluster-signing-cert-file=${authority.certFile}`,
      `--cluster-signing-key-file=${authority.keyFile}`,
      '--use-service-account-credentials=true',
      `--flex-volume-plugin-dir=${volumePluginDir}`,
    ];
  },
});

export const kubeScheduler = controller({
  name: 'kube-scheduler',
  title: 'Kubernetes scheduler',
  port: healthPorts.scheduler,
  flags: async () => [],
});

function controller({ name, title, port, flags }: ControllerSettings): Component {
  return {
    name,
    title,
    needs: ['kube-apiserver'],
    programs: ['kubernetes'],
    packages: ['openssl'],
    async start(context) {
      const server = await issueCertificate({
        ca: 'kubernetes-ca',
        name,
        commonName: name,
        ipAddresses: [network.loopback],
        usages: ['server'],
      });
      await context.daemon(name, join(context.programDir('kubernetes'), name), [
        `--kubeconfig=${await ensureKubeconfig(name)}`,
        // There is no second one to take turns with.
        '--leader-elect=false',
        `--bind-address=${network.loopback}`,
        `--secure-port=${port}`,
        `--tls-cert-file=${server.certFile}`,
        `--tls-private-key-file=${server.keyFile}`,
        ...(await flags()),
      ]);
    },
    async ready(context) {
      if (!(await context.isRunning(name))) return false;
      const { certFile } = await ensureCertificateAuthority('kubernetes-ca');
      return answersHealthy(`https://${network.loopback}:${port}/healthz`, certFile);
    },
    stop: (context) => context.stopDaemon(name, { timeoutMs: 3_000 }),
  };
}
