/** What must be there before anything is built: every missing thing at once, each with the command that gets it. */
import { access, readFile, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Component } from './component.ts';
import { CommandError, runCommand } from './command.ts';
import { isFree, listeners, whoListens } from './listeners.ts';
import { installCommand, installPackages, missingPackages } from './packages.ts';
import { network, paths } from './settings.ts';

/** Something is missing, and what to do about it. */
export interface PreflightProblem {
  missing: string;
  fix: string;
}

/** The machine lacks something; the message lists every problem with its remedy. */
export class PreflightError extends Error {
  override name = 'PreflightError';
  readonly problems: readonly PreflightProblem[];

  constructor(problems: readonly PreflightProblem[]) {
    const lines = problems.map(({ missing, fix }) => `- ${missing}\n    ${fix}`);
    super(`The sandbox cannot run here yet:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

export interface PreflightOptions {
  /** Components that are to be started. */
  components: readonly Component[];
  /** Those of them that have a process already: their ports are their own. */
  running: ReadonlySet<string>;
  /** Whether they run Go programs: the compiler also says which finished ones are current. */
  needsGo: boolean;
  /** Whether one of those must still be compiled. */
  mustCompile: boolean;
  install: boolean;
  progress: (state: 'checking' | 'installing', line: string) => void;
  signal: AbortSignal;
}

/** The programs' own `go` lines ask for it. */
const goVersion = { major: 1, minor: 26 };
const diskBytes = { withBuild: 20e9, without: 3e9 };
/** `sun_path` of a UNIX socket holds 108 bytes with the closing zero. */
const longestSocket = 107;

/** Checks, and installs Debian packages when asked to. Rejects with `PreflightError`. */
export async function preflight(options: PreflightOptions): Promise<void> {
  const { components, install, progress, signal } = options;
  progress('checking', 'packages, ports, Go, namespaces, cgroups, disk');
  const packages = components.flatMap((component) => component.packages ?? []);
  let missing = await packagesMissing(packages);
  if (missing.length > 0 && install) {
    await installPackages(missing, (line) => progress('installing', line), signal);
    missing = await packagesMissing(packages);
  }
  const names = new Set(components.map(({ name }) => name));
  const none = Promise.resolve<PreflightProblem[]>([]);
  const problems = await Promise.all([
    names.has('node') ? nodeProblems() : none,
    names.has('node-network') ? networkProblems() : none,
    options.needsGo ? goProblems() : none,
    diskProblems(options.mustCompile),
    portProblems([...names].filter((name) => !options.running.has(name))),
  ]);
  const all = [packageProblems(missing), ...problems].flat();
  if (all.length > 0) throw new PreflightError(all);
}

/**
 * Throws `PreflightError` on another system than Linux and without root: then nothing else can be found out, installed
 * or stopped.
 */
export function assertMachine(): void {
  if (process.platform !== 'linux') {
    throw new PreflightError([
      {
        missing: `Linux: this is ${process.platform}`,
        fix: 'Run it in a Linux machine, for example: limactl start template://debian-12',
      },
    ]);
  }
  if (process.getuid?.() !== 0) {
    throw new PreflightError([
      {
        missing: 'root: the sandbox makes namespaces, mounts and a bridge',
        fix: 'Run the same command as root: sudo --preserve-env=PATH,HOME …',
      },
    ]);
  }
}

async function packagesMissing(packages: readonly string[]): Promise<string[]> {
  try {
    return await missingPackages(packages);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new PreflightError([
      {
        missing: 'Debian or Ubuntu: the container runtime and others are taken from its packages',
        fix: `On this system, use a Debian 12 machine, or a container with: ${installCommand(packages)}`,
      },
    ]);
  }
}

function packageProblems(missing: readonly string[]): PreflightProblem[] {
  if (missing.length === 0) return [];
  return [{ missing: `Debian packages: ${missing.join(', ')}`, fix: installCommand(missing) }];
}

async function nodeProblems(): Promise<PreflightProblem[]> {
  const problems: PreflightProblem[] = [];
  try {
    await runCommand('unshare', ['-m', '-p', '-f', '--mount-proc', 'true']);
  } catch (error) {
    problems.push({
      missing: `mount and pid namespaces: ${error instanceof Error ? error.message : String(error)}`,
      fix: 'Run on a machine, or in a container started with: docker run --privileged',
    });
  }
  const lacking = await missingControllers();
  if (lacking.length > 0) {
    problems.push({
      missing: `cgroup controllers: ${lacking.join(', ')}`,
      fix: 'Boot with: cgroup_enable=memory systemd.unified_cgroup_hierarchy=1 (kernel command line)',
    });
  }
  if (!/\boverlay$/m.test(await readFile('/proc/filesystems', 'utf8'))) {
    const loaded = await runCommand('modprobe', ['overlay']).catch(() => undefined);
    if (!loaded) problems.push({ missing: 'the overlay file system', fix: 'modprobe overlay' });
  }
  // The longest socket of the node: where a CSI driver registers.
  const socket = join(
    paths.kubernetes,
    'kubelet/plugins_registry/hostpath.csi.presslift.test-reg.sock',
  );
  if (Buffer.byteLength(socket) > longestSocket) {
    problems.push({
      missing: `a short state folder: sockets in ${paths.state} get names that are too long`,
      fix: 'export PRESSLIFT_SANDBOX_DIR=/var/lib/presslift',
    });
  }
  return problems;
}

/** Controllers that the kubelet needs and the kernel does not offer, in cgroup v2 or v1. */
async function missingControllers(): Promise<string[]> {
  const needed = ['cpu', 'cpuset', 'memory', 'pids'];
  const unified = await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(
    () => undefined,
  );
  if (unified !== undefined) {
    const offered = unified.trim().split(' ');
    return needed.filter((name) => !offered.includes(name));
  }
  const there = await Promise.all(
    needed.map((name) =>
      access(`/sys/fs/cgroup/${name}`).then(
        () => true,
        () => false,
      ),
    ),
  );
  return needed.filter((_, index) => !there[index]);
}

/** Addresses and rules of another cluster would mix with ours. */
async function networkProblems(): Promise<PreflightProblem[]> {
  const problems: PreflightProblem[] = [];
  const { stdout } = await runCommand('ip', ['-j', 'route', 'show']);
  const routes = JSON.parse(stdout) as { dst: string; dev?: string }[];
  const taken = routes.find(({ dst, dev }) => /^10\.(85|96)\./.test(dst) && dev !== network.bridge);
  if (taken) {
    problems.push({
      missing: `the networks ${network.podCidr} and ${network.serviceCidr}: ${taken.dst} is routed to ${taken.dev}`,
      fix: `ip route show ${taken.dst}   # free it, or run the sandbox on another machine`,
    });
  }
  const rules = await runCommand('iptables-save', ['-t', 'nat']).catch(() => undefined);
  if (rules?.stdout.includes(':KUBE-SERVICES') && !(await ruledByUs())) {
    problems.push({
      missing: 'a machine without another Kubernetes: its kube-proxy has rules in iptables',
      fix: 'Stop the other cluster, then: kube-proxy --cleanup   (or run the sandbox on another machine)',
    });
  }
  return problems;
}

/** Made by the component node-network before a cluster of ours can write rules, removed when they are gone. */
export const rulesMarkFile = join(paths.kubernetes, 'iptables-rules-are-ours');

async function ruledByUs(): Promise<boolean> {
  return access(rulesMarkFile).then(
    () => true,
    () => false,
  );
}

async function goProblems(): Promise<PreflightProblem[]> {
  const { major, minor } = goVersion;
  const fix = `Install Go ${major}.${minor} or newer from https://go.dev/dl and put it on the PATH`;
  const answer = await runCommand('go', ['env', 'GOVERSION']).catch(() => undefined);
  const [, hasMajor, hasMinor] = /go(\d+)\.(\d+)/.exec(answer?.stdout ?? '') ?? [];
  if (hasMajor === undefined) {
    return [{ missing: `Go >= ${major}.${minor} to compile the sandbox's programs`, fix }];
  }
  const enough =
    Number(hasMajor) > major || (Number(hasMajor) === major && Number(hasMinor) >= minor);
  return enough
    ? []
    : [{ missing: `Go >= ${major}.${minor}: this is ${answer?.stdout.trim()}`, fix }];
}

async function diskProblems(mustCompile: boolean): Promise<PreflightProblem[]> {
  const needed = mustCompile ? diskBytes.withBuild : diskBytes.without;
  const folder = mustCompile ? paths.cache : paths.state;
  const { bavail, bsize } = await statfs(await existingParent(folder));
  const free = bavail * bsize;
  if (free >= needed) return [];
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(0)} GB`;
  return [
    {
      missing: `disk space: ${gigabytes(free)} of ${gigabytes(needed)} are free for ${folder}`,
      fix: 'Free some, or choose another place: export PRESSLIFT_SANDBOX_DIR=… XDG_CACHE_HOME=…',
    },
  ];
}

async function portProblems(components: readonly string[]): Promise<PreflightProblem[]> {
  const problems: PreflightProblem[] = [];
  for (const listener of listeners) {
    if (!components.includes(listener.component) || (await isFree(listener))) continue;
    const { component, address, port } = listener;
    const who = await whoListens(port);
    const pid = who && /process (\d+)/.exec(who)?.[1];
    problems.push({
      missing: `port ${port} of ${address} for ${component}: ${who ?? 'another program'} has it`,
      fix: pid ? `Stop it: kill ${pid}` : `Find and stop it: ss -ltnp 'sport = :${port}'`,
    });
  }
  return problems;
}

async function existingParent(folder: string): Promise<string> {
  const there = await access(folder).then(
    () => true,
    () => false,
  );
  return there || folder === dirname(folder) ? folder : existingParent(dirname(folder));
}
