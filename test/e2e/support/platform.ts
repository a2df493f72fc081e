/**
 * What end-to-end tests may use to look at the platform: kubectl, SQL, HTTP, the `temporal` CLI and `presslift` as a user
 * would type them. Nothing here asks the worker what it believes.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { readEnvironment } from '../../../deploy/sandbox/environment.ts';
import { paths } from '../../../deploy/sandbox/settings.ts';

const execute = promisify(execFile);

export interface CommandResult {
  stdout: string;
  stderr: string;
  status: number;
}

/** Runs a program to its end; a status other than 0 is a result, not an error. */
export async function command(
  file: string,
  args: string[],
  options: { input?: string; timeoutMs?: number; env?: Record<string, string> } = {},
): Promise<CommandResult> {
  const running = execute(file, args, {
    env: { ...process.env, ...readEnvironment(), ...options.env },
    timeout: options.timeoutMs ?? 120_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  running.child.stdin?.end(options.input ?? '');
  try {
    const { stdout, stderr } = await running;
    return { stdout, stderr, status: 0 };
  } catch (error) {
    const failed = error as { stdout?: string; stderr?: string; code?: number | string };
    if (typeof failed.code !== 'number') throw error;
    return { stdout: failed.stdout ?? '', stderr: failed.stderr ?? '', status: failed.code };
  }
}

/** Runs a program and returns its output; its words are the error when it fails. */
export async function succeed(file: string, args: string[], input?: string): Promise<string> {
  const { stdout, stderr, status } = await command(file, args, { input });
  if (status !== 0) {
    throw new Error(`${file} ${args.join(' ')} ended with ${status}: ${stderr || stdout}`);
  }
  return stdout;
}

/** kubectl as the cluster's administrator, not as the worker. */
export const kubectl = (args: string[], input?: string) =>
  succeed(
    join(paths.state, 'bin', 'kubectl'),
    ['--kubeconfig', paths.adminKubeconfig, ...args],
    input,
  );

export const kubectlJson = async <T>(args: string[]): Promise<T> =>
  JSON.parse(await kubectl([...args, '-o', 'json'])) as T;

export const temporalCli = join(paths.state, 'bin', 'temporal');

export const temporal = (args: string[]) => succeed(temporalCli, args);

export const presslift = (args: string[], options?: { timeoutMs?: number }) =>
  command(process.execPath, ['src/client/main.ts', ...args], options);

export interface WorkerProcess {
  /** SIGKILL: the worker has no chance to say goodbye. */
  kill(): Promise<void>;
  /** SIGTERM and a wait. */
  stop(): Promise<void>;
}

/**
 * Starts the worker as a host process with the rights of its ServiceAccount; output goes to the sandbox's logs. Like a
 * kubelet it starts a worker that ended by itself again, for example while Temporal was away.
 */
export async function startWorker(
  extraEnv: Record<string, string> = {},
  nodeArgs: string[] = [],
): Promise<WorkerProcess> {
  const log = openSync(join(paths.logs, 'e2e-worker.log'), 'a');
  let wanted = true;
  let child: ChildProcess;
  let ended: Promise<void>;
  const spawnWorker = () => {
    child = spawn(process.execPath, [...nodeArgs, 'src/worker.ts'], {
      env: { ...process.env, ...readEnvironment(), ...extraEnv },
      stdio: ['ignore', log, log],
    });
    ended = new Promise((resolve) => child.on('exit', () => resolve()));
    child.on('exit', () => {
      if (wanted) setTimeout(() => wanted && spawnWorker(), 1_000);
    });
  };
  const end = async (signal: NodeJS.Signals) => {
    wanted = false;
    child.kill(signal);
    await Promise.race([ended, sleep(45_000)]);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  };
  spawnWorker();
  return { kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

/** A worker that is killed at the end of every activity before anybody hears of it; see loses-answers.ts. */
export const startWorkerThatLosesAnswers = (ledger: string) =>
  startWorker({ PRESSLIFT_E2E_KILLS: ledger }, ['--import', './test/e2e/support/loses-answers.ts']);

/** Asks again and again until the answer is not undefined; the last error goes into the message. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + (options.timeoutMs ?? 120_000);
  let last = 'no answer yet';
  while (Date.now() < deadline) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await sleep(options.everyMs ?? 500);
  }
  throw new Error(`waited in vain for: ${what} (${last})`);
}

export interface PodView {
  metadata: { name: string; labels?: Record<string, string>; deletionTimestamp?: string };
  spec: { initContainers?: { name: string }[]; containers: { name: string }[] };
  status: {
    phase: string;
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: { name: string; imageID: string }[];
    initContainerStatuses?: { name: string; imageID: string }[];
  };
}

/** WordPress pods of acme that are ready and not on their way out. */
export async function readyPods(): Promise<PodView[]> {
  const list = await kubectlJson<{ items: PodView[] }>(['get', 'pods', '-n', 'acme']);
  return list.items.filter(
    (pod) =>
      pod.metadata.name.startsWith('wordpress-') &&
      pod.metadata.deletionTimestamp === undefined &&
      pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
}

/** The images that containers and sidecars of ready pods really run, by digest. */
export async function runningImages(): Promise<string[]> {
  const images = (await readyPods()).flatMap(({ status }) =>
    [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])].map(
      ({ name, imageID }) => `${name} ${imageID}`,
    ),
  );
  return [...new Set(images)].sort();
}

/** Runs a program in a pod's php container, as the image's root. */
export const inPod = (pod: string, args: string[], input?: string) =>
  kubectl(['exec', '-i', '-n', 'acme', pod, '-c', 'php', '--', ...args], input);

/** `sha256  path` of every file of a folder in a pod, sorted by path. */
export async function fileHashes(pod: string, folder: string): Promise<string[]> {
  const out = await inPod(pod, ['find', folder, '-type', 'f', '-exec', 'sha256sum', '{}', '+']);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1));
}

export const documentRoot = '/var/www/html';
export const wpContent = `${documentRoot}/wp-content`;

/** Plugins and themes of one pod, file by file. */
export async function extensionHashes(pod: string): Promise<string[]> {
  return [
    ...(await fileHashes(pod, `${wpContent}/plugins`)),
    ...(await fileHashes(pod, `${wpContent}/themes`)),
  ];
}

interface Listed {
  kind: string;
  metadata: {
    name: string;
    uid: string;
    labels?: Record<string, string>;
    ownerReferences?: { kind: string; uid: string }[];
  };
  spec?: unknown;
  data?: unknown;
}

/** Kept between operations: what the probe of a StorageClass found, so that not every plan probes again. */
const probeResults = 'ConfigMap/presslift-probes';

/**
 * What stands in the site's namespace, without status and without the results of probes: two fingerprints are equal when
 * nobody changed anything there. Secrets enter as hashes.
 */
export async function namespaceFingerprint(): Promise<Record<string, string>> {
  const kinds =
    'deployments,services,configmaps,secrets,persistentvolumeclaims,jobs,poddisruptionbudgets,ingresses,pods';
  const list = await kubectlJson<{ items: Listed[] }>(['get', kinds, '-n', 'acme']);
  // Pods whose Job is gone already follow it within a second.
  const jobs = new Set(
    list.items.filter(({ kind }) => kind === 'Job').map((job) => job.metadata.uid),
  );
  const staying = list.items.filter(
    ({ metadata }) =>
      !metadata.ownerReferences?.some(({ kind, uid }) => kind === 'Job' && !jobs.has(uid)),
  );
  const hashes = staying.map((item) => {
    const { name, labels } = item.metadata;
    const content = JSON.stringify([labels, item.spec, item.data]);
    return [`${item.kind}/${name}`, createHash('sha256').update(content).digest('hex')] as const;
  });
  return Object.fromEntries(hashes.filter(([name]) => name !== probeResults));
}
