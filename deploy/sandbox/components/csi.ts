/**
 * Volumes: our own driver (deploy/sandbox/csi) in the node's mount namespace, and upstream's provisioner, snapshotter
 * and snapshot controller as programs of this machine.
 */
import { access, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { Component } from '../component.ts';
import { driverName } from '../csi/names.ts';
import { kube, waitFor } from '../kube.ts';
import { paths } from '../settings.ts';
import { csiObjects } from './csi-objects.ts';
import { ensureKubeconfig, nodeName } from './kubernetes-parts.ts';
import { nodePaths } from './node-files.ts';

const driverProgram = join(import.meta.dirname, '../csi/main.ts');
const dataDir = join(paths.state, 'volumes');
const socket = join(nodePaths.kubeletRoot, 'plugins', driverName, 'csi.sock');
const registrationSocket = join(
  nodePaths.kubeletRoot,
  'plugins_registry',
  `${driverName}-reg.sock`,
);

const daemonNames = ['csi-driver', 'snapshot-controller', 'csi-snapshotter', 'csi-provisioner'];

/** Enough for a burst of claims; the defaults are meant for large clusters. */
const requestRates = ['--kube-api-qps=50', '--kube-api-burst=100'];

export const csi: Component = {
  name: 'csi',
  title: 'Volumes and snapshots (CSI)',
  needs: ['node'],
  programs: ['csi-protos', 'csi-provisioner', 'snapshot'],
  packages: ['util-linux', 'mount', 'coreutils'],
  async start(context) {
    const { apply } = await kube();
    await Promise.all([
      (async () => {
        // All of them: the controller waits half a minute for one that is missing.
        await apply(await snapshotDefinitions(context.programDir('snapshot')));
        await apply(csiObjects);
      })(),
      (async () => {
        await mkdir(dataDir, { recursive: true });
        await context.daemon(
          'csi-driver',
          process.execPath,
          [
            driverProgram,
            ...['--protos', context.programDir('csi-protos'), '--data', dataDir],
            ...['--node', nodeName, '--socket', socket],
            ...['--registration-socket', registrationSocket],
          ],
          { inNode: true },
        );
        await waitFor(() => exists(socket), "the driver's socket", 20_000);
      })(),
    ]);
    const kubeconfig = `--kubeconfig=${await ensureKubeconfig('csi')}`;
    const address = `--csi-address=${socket}`;
    const snapshotDir = context.programDir('snapshot');
    const provisionerDir = context.programDir('csi-provisioner');
    await Promise.all([
      context.daemon('snapshot-controller', join(snapshotDir, 'snapshot-controller'), [
        kubeconfig,
        ...requestRates,
      ]),
      context.daemon('csi-snapshotter', join(snapshotDir, 'csi-snapshotter'), [
        kubeconfig,
        address,
        ...requestRates,
      ]),
      context.daemon('csi-provisioner', join(provisionerDir, 'csi-provisioner'), [
        kubeconfig,
        address,
        '--extra-create-metadata',
        '--retry-interval-start=500ms',
        ...requestRates,
      ]),
    ]);
  },
  async ready(context) {
    for (const name of daemonNames) if (!(await context.isRunning(name))) return false;
    if (!(await exists(socket))) return false;
    const { get } = await kube();
    const registered = await get<CsiNode>(`/apis/storage.k8s.io/v1/csinodes/${nodeName}`);
    return registered.spec.drivers?.some(({ name }) => name === driverName) ?? false;
  },
  async stop(context) {
    const stop = (name: string) => context.stopDaemon(name, { timeoutMs: 3_000 });
    await Promise.all(daemonNames.filter((name) => name !== 'csi-driver').map(stop));
    await stop('csi-driver');
    for (const each of [socket, registrationSocket]) await rm(each, { force: true });
  },
  reset: () => rm(dataDir, { recursive: true, force: true }),
};

interface CsiNode extends KubernetesObject {
  spec: { drivers?: { name: string }[] };
}

async function snapshotDefinitions(dir: string): Promise<string> {
  const folder = join(dir, 'crds');
  const files = (await readdir(folder)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.join('\n---\n');
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
