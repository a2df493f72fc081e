import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { createCertificate } from '../../src/activities/database/x509.ts';
import type { KubernetesClients } from '../../src/activities/kubernetes/clients.ts';
import { toolboxRoot } from './toolbox-image.ts';

export interface ToolboxNode {
  /** Folder of the machine behind a claim; made at its first use. The claim `tmpfs-2m` is empty and 2 MiB large. */
  claim(name: string): Promise<string>;
  /** Pods that have run so far. */
  started(): string[];
  stop(): Promise<void>;
}

const nodeName = 'toolbox-node';

interface RunningPod {
  child: ChildProcess;
  folder: string;
  ended: Promise<number>;
  deleted: boolean;
}

/**
 * A node for toolbox Jobs of a test's control plane: their scripts really run, as root and first process of a pid namespace,
 * in the toolbox image's files, with their Secrets, claims and environment where Kubernetes puts them, and end as it ends
 * them: SIGTERM, and SIGKILL when the grace period is over. Its network is the machine's.
 */
export async function startToolboxNode(
  k: KubernetesClients,
  namespace: string,
): Promise<ToolboxNode> {
  if (process.getuid?.() !== 0) throw new Error('A toolbox node mounts folders: run it as root');
  const root = await toolboxRoot();
  const base = await mkdtemp(join(tmpdir(), 'presslift-node-'));
  const pods = new Map<string, RunningPod>();
  const started: string[] = [];
  const logs = await serveLogs((pod) => join(base, pod, 'log'));
  await createNode(k, (logs.address() as AddressInfo).port);
  let running = true;

  const claim = async (name: string) => {
    const folder = join(base, 'claims', name);
    await mkdir(folder, { recursive: true });
    return folder;
  };

  async function look(pod: V1Pod): Promise<void> {
    const name = pod.metadata?.name ?? '';
    const known = pods.get(name);
    if (pod.metadata?.deletionTimestamp !== undefined) {
      if (known !== undefined && !known.deleted) {
        known.deleted = true;
        const grace = pod.metadata.deletionGracePeriodSeconds ?? 30;
        signal(known, 'SIGTERM');
        const timer = setTimeout(() => signal(known, 'SIGKILL'), grace * 1000);
        void known.ended.then(() => clearTimeout(timer));
      }
      if (known === undefined || (await hasEnded(known))) {
        await k.core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 });
      }
      return;
    }
    if (pod.spec?.nodeName === undefined) {
      const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
      await k.core.createNamespacedPodBinding({
        name,
        namespace,
        body: { metadata: { name }, target },
      });
    } else if (known === undefined) {
      const made = await startPod(k, pod, { root, base, claim });
      pods.set(name, made);
      started.push(name);
      await report(k, pod, { running: { startedAt: new Date() } }, 'Running');
      void made.ended.then(async (exitCode) => {
        const path = join(made.folder, 'termination-log');
        const message = (await readFile(path)).subarray(0, 4096).toString('utf8');
        const ended = { exitCode, message, startedAt: new Date(), finishedAt: new Date() };
        await report(k, pod, { terminated: ended }, exitCode === 0 ? 'Succeeded' : 'Failed').catch(
          () => undefined,
        );
      });
    }
  }

  const loop = (async () => {
    while (running) {
      try {
        const { items } = await k.core.listNamespacedPod({ namespace });
        for (const pod of items) await look(pod);
      } catch {
        // Deleted between the list and what was done with it.
      }
      await delay(50);
    }
  })();

  return {
    claim,
    started: () => [...started],
    async stop() {
      running = false;
      await loop;
      for (const pod of pods.values()) {
        signal(pod, 'SIGKILL');
        await pod.ended;
      }
      logs.closeAllConnections();
      logs.close();
      await rm(base, { recursive: true, force: true });
    },
  };
}

const hasEnded = (pod: RunningPod) =>
  Promise.race([pod.ended.then(() => true), delay(10).then(() => false)]);

/** To the first process inside: that of `unshare` itself only waits for it. */
function signal(pod: RunningPod, name: NodeJS.Signals): void {
  if (pod.child.exitCode !== null || pod.child.signalCode !== null) return;
  spawn('pkill', [`-${name.slice(3)}`, '--parent', String(pod.child.pid)], { stdio: 'ignore' });
}

const setUp = `
exec >> "$POD/log" 2>&1
set -euo pipefail
mapfile -t pod_env < "$POD/env"
hostname "$(cat "$POD/hostname")"
mount --make-rprivate /
mount --bind "$ROOT" "$POD/root"
mount -t tmpfs tmpfs "$POD/root/presslift"
mount -t tmpfs tmpfs "$POD/root/tmp"
mount -t tmpfs tmpfs "$POD/root/dev"
mount -t proc proc "$POD/root/proc"
for device in null zero full random urandom; do touch "$POD/root/dev/$device"; mount --bind "/dev/$device" "$POD/root/dev/$device"; done
ln -s /proc/self/fd "$POD/root/dev/fd"
touch "$POD/root/dev/termination-log"
mount --bind "$POD/termination-log" "$POD/root/dev/termination-log"
mount --bind /etc/hosts "$POD/root/etc/hosts" 2> /dev/null || true
while read -r from to; do case $from in */tmpfs-2m) mount -t tmpfs -o size=2m tmpfs "$from" ;; esac; mkdir -p "$POD/root$to"; mount --bind "$from" "$POD/root$to"; done < "$POD/mounts"
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "\${pod_env[@]}" chroot "$POD/root" bash -c "$(cat "$POD/script")"
`;

async function startPod(
  k: KubernetesClients,
  pod: V1Pod,
  { root, base, claim }: { root: string; base: string; claim: ToolboxNode['claim'] },
): Promise<RunningPod> {
  const name = pod.metadata?.name ?? '';
  const namespace = pod.metadata?.namespace ?? '';
  const folder = join(base, name);
  const file = (path: string) => join(folder, path);
  await mkdir(file('root'), { recursive: true });
  const container = pod.spec?.containers[0];
  const mounts: string[] = [];
  for (const { name: volumeName, mountPath, subPath } of container?.volumeMounts ?? []) {
    const volume = pod.spec?.volumes?.find((one) => one.name === volumeName);
    const claimName = volume?.persistentVolumeClaim?.claimName;
    const from =
      claimName === undefined
        ? file(`volumes/${volumeName}`)
        : join(await claim(claimName), subPath ?? '');
    await mkdir(from, { recursive: true });
    if (volume?.secret !== undefined) {
      const secret = await k.core.readNamespacedSecret({
        name: volume.secret.secretName ?? '',
        namespace,
      });
      for (const { key, path, mode } of volume.secret.items ?? []) {
        const content = Buffer.from(secret.data?.[key] ?? '', 'base64');
        await writeFile(join(from, path), content, { mode });
      }
    }
    mounts.push(`${from} ${mountPath}`);
  }
  await writeFile(file('hostname'), (pod.spec?.hostname ?? name).slice(0, 63));
  await writeFile(file('mounts'), `${mounts.join('\n')}\n`);
  const env = (container?.env ?? []).map((one) => `${one.name}=${one.value ?? ''}`);
  const script = container?.command?.[2] ?? '';
  await writeFile(file('script'), script);
  await writeFile(file('env'), env.join('\n'));
  await writeFile(file('termination-log'), '');
  await writeFile(file('log'), '');
  const child = spawn(
    'unshare',
    ['--mount', '--uts', '--pid', '--fork', '--kill-child', 'bash', '-c', setUp],
    { env: { ...process.env, ROOT: root, POD: folder }, stdio: 'ignore' },
  );
  const ended = new Promise<number>((resolve) =>
    child.once('exit', (code) => resolve(code ?? 137)),
  );
  return { child, folder, ended, deleted: false };
}

async function report(
  k: KubernetesClients,
  pod: V1Pod,
  state: object,
  phase: string,
): Promise<void> {
  const name = pod.metadata?.name ?? '';
  const namespace = pod.metadata?.namespace ?? '';
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const now = await k.core.readNamespacedPod({ name, namespace });
    const container = now.spec?.containers[0];
    try {
      await k.core.replaceNamespacedPodStatus({
        name,
        namespace,
        body: {
          ...now,
          status: {
            ...now.status,
            phase,
            podIP: '10.98.0.1',
            podIPs: [{ ip: '10.98.0.1' }],
            containerStatuses: [
              {
                name: container?.name ?? '',
                image: container?.image ?? '',
                imageID: '',
                ready: false,
                restartCount: 0,
                state,
              },
            ],
          },
        },
      });
      return;
    } catch {
      await delay(50);
    }
  }
}

async function createNode(k: KubernetesClients, port: number): Promise<void> {
  await k.core.createNode({ body: { metadata: { name: nodeName } } });
  const node = await k.core.readNode({ name: nodeName });
  await k.core.replaceNodeStatus({
    name: nodeName,
    body: {
      ...node,
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    },
  });
}

/** The part of a kubelet's API that logs are read from. */
async function serveLogs(pathOf: (pod: string) => string): Promise<Server> {
  const { certificate, privateKey } = createCertificate({
    commonName: 'node',
    issuer: createCertificate({ commonName: 'node CA' }),
    ipAddresses: ['127.0.0.1'],
  });
  const server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    const url = new URL(request.url ?? '/', 'https://node');
    const [, kind, , pod] = url.pathname.split('/');
    void readFile(pathOf(pod ?? ''), 'utf8').then(
      (log) => {
        const tail = url.searchParams.get('tailLines');
        const limit = url.searchParams.get('limitBytes');
        const lines = log.split(/(?<=\n)/);
        response.statusCode = kind === 'containerLogs' ? 200 : 404;
        const asked = tail === null ? log : lines.slice(-Number(tail)).join('');
        response.end(limit === null ? asked : Buffer.from(asked).subarray(0, Number(limit)));
      },
      () => {
        response.statusCode = 404;
        response.end();
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
