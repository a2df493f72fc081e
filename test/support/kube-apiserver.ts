import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { buildGoPrograms, defaultCacheDir } from '../../deploy/sandbox/build/go-programs.ts';
import { clientsOf, type KubernetesClients } from '../../src/activities/kubernetes/clients.ts';

/** A control plane of its own: etcd, API server and the controllers of Deployments, Jobs and EndpointSlices. No nodes. */
export interface ControlPlane {
  /** May do everything. */
  admin: KubernetesClients;
  /** May do nothing but what a test grants to the user `nobody`. */
  nobody: KubernetesClients;
  stop(): Promise<void>;
}

/**
 * Starts a control plane on free ports of the loopback address, from the binaries that the sandbox uses (built on the
 * first call). Nodes are missing on purpose: a test says itself what becomes of a pod.
 */
export async function startControlPlane(): Promise<ControlPlane> {
  const { etcd, kubernetes } = await buildGoPrograms({
    names: ['etcd', 'kubernetes'],
    cacheDir: defaultCacheDir(),
  });
  const folder = await mkdtemp(join(tmpdir(), 'presslift-api-'));
  const file = (name: string) => join(folder, name);
  const [clientPort, peerPort, apiPort, managerPort] = await Promise.all(
    Array.from({ length: 4 }, freePort),
  );
  const tokens = {
    admin: randomBytes(16).toString('hex'),
    nobody: randomBytes(16).toString('hex'),
  };
  await writeFile(
    file('tokens.csv'),
    `${tokens.admin},admin,admin,"system:masters"\n${tokens.nobody},nobody,nobody\n`,
  );
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(file('sa.key'), keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(file('sa.pub'), keys.publicKey.export({ type: 'spki', format: 'pem' }));

  const processes: ChildProcess[] = [];
  const start = (name: string, program: string, args: string[]) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(file(`${name}.log`));
    child.stdout?.pipe(log);
    child.stderr?.pipe(log);
    processes.push(child);
  };
  const stop = async () => {
    // The controllers first: they would log errors about a server that is gone.
    for (const child of processes.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
  };

  try {
    start('etcd', join(etcd, 'etcd'), [
      '--name=test',
      `--data-dir=${file('etcd')}`,
      `--listen-client-urls=http://127.0.0.1:${clientPort}`,
      `--advertise-client-urls=http://127.0.0.1:${clientPort}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-cluster=test=http://127.0.0.1:${peerPort}`,
      '--unsafe-no-fsync',
    ]);
    start('kube-apiserver', join(kubernetes, 'kube-apiserver'), [
      `--etcd-servers=http://127.0.0.1:${clientPort}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${apiPort}`,
      `--cert-dir=${file('certs')}`,
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.97.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${file('sa.pub')}`,
      `--service-account-signing-key-file=${file('sa.key')}`,
      '--disable-admission-plugins=ServiceAccount',
      '--profiling=false',
    ]);
    const ca = await untilDone('the API server answers', processes, async () => {
      const certificate = await readFile(file('certs/apiserver.crt'));
      const clients = clientsFor(apiPort ?? 0, certificate, tokens.admin);
      await clients.core.listNamespace();
      return certificate;
    });
    const admin = clientsFor(apiPort ?? 0, ca, tokens.admin);
    await writeFile(file('admin.yaml'), admin.config.exportConfig());
    start('kube-controller-manager', join(kubernetes, 'kube-controller-manager'), [
      `--kubeconfig=${file('admin.yaml')}`,
      `--secure-port=${managerPort}`,
      '--bind-address=127.0.0.1',
      '--leader-elect=false',
      '--controllers=deployment-controller,replicaset-controller,job-controller,endpointslice-controller,garbage-collector-controller,namespace-controller,disruption-controller',
    ]);
    const nobody = clientsFor(apiPort ?? 0, ca, tokens.nobody);
    // The default roles come a moment after the server.
    await untilDone('everybody may discover', processes, () => nobody.core.getAPIResources());
    return { admin, nobody, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function clientsFor(port: number, ca: Buffer, token: string): KubernetesClients {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [
      { name: 'test', server: `https://127.0.0.1:${port}`, caData: ca.toString('base64') },
    ],
    users: [{ name: 'user', token }],
    contexts: [{ name: 'test', cluster: 'test', user: 'user' }],
    currentContext: 'test',
  });
  return clientsOf(config);
}

async function untilDone<T>(
  what: string,
  processes: ChildProcess[],
  attempt: () => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const dead = processes.find(({ exitCode }) => exitCode !== null);
      if (dead !== undefined || Date.now() > deadline) {
        throw new Error(`Gave up waiting until ${what}`, { cause: error });
      }
      await delay(200);
    }
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
