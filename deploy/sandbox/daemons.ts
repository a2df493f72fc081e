import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines } from './command.ts';
import type { DaemonOptions } from './component.ts';
import type { ProcessIdentity } from './process-identity.ts';
import {
  childrenOf,
  identifyProcess,
  isSameProcess,
  processesWithVariable,
} from './process-identity.ts';

/** What `pids/<name>.json` holds. */
export interface DaemonRecord extends ProcessIdentity {
  name: string;
  component: string;
  /** ISO 8601. */
  since: string;
  log: string;
  command: string[];
}

export interface DaemonsOptions {
  /** State folder of the sandbox: tells its processes from those of another sandbox. */
  stateDir: string;
  pidDir: string;
  logDir: string;
}

export interface StopOptions {
  signal?: NodeJS.Signals;
  timeoutMs?: number;
}

/** Long-running host processes of the sandbox. */
export interface Daemons {
  start(
    component: string,
    name: string,
    command: string,
    args: readonly string[],
    options?: DaemonOptions,
  ): Promise<void>;
  stop(name: string, options?: StopOptions): Promise<void>;
  isRunning(name: string): Promise<boolean>;
  /** The command that runs another one in the node's mount and pid namespaces. Rejects when the node does not run. */
  inNode(command: string, args: readonly string[], cwd?: string): Promise<[string, string[]]>;
  /** All records, also of processes that have ended. */
  records(): Promise<DaemonRecord[]>;
  record(name: string): Promise<DaemonRecord | undefined>;
  /** The last lines of a daemon's log. */
  logTail(name: string, lines?: number): Promise<string>;
  /** Ends whatever still carries the mark of this sandbox; returns the names of what it found. */
  sweep(): Promise<string[]>;
}

/** The daemon that holds the node's namespaces (components/node.ts). */
export const nodeDaemon = 'node';

/**
 * Every daemon carries its sandbox and name in the environment. So one whose record was not written, because `up` was
 * killed in between, is found again; and a process that only got a recorded number is never taken for ours.
 */
const markVariable = 'PRESSLIFT_SANDBOX_DAEMON';

const pollMs = 20;

/** The daemons of one state folder. */
export function createDaemons({ stateDir, pidDir, logDir }: DaemonsOptions): Daemons {
  const markOf = (name: string): string => `${stateDir}:${name}`;
  const recordFile = (name: string): string => join(pidDir, `${name}.json`);
  const logFile = (name: string): string => join(logDir, `${name}.log`);

  async function record(name: string): Promise<DaemonRecord | undefined> {
    try {
      return JSON.parse(await readFile(recordFile(name), 'utf8')) as DaemonRecord;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function keepRecord(made: DaemonRecord): Promise<void> {
    await mkdir(pidDir, { recursive: true });
    const temporary = `${recordFile(made.name)}.${process.pid}`;
    await writeFile(temporary, `${JSON.stringify(made, null, 2)}\n`);
    await rename(temporary, recordFile(made.name));
  }

  async function marked(name: string) {
    const found = await processesWithVariable(markVariable);
    return found.filter(({ value }) => value === markOf(name)).map(({ stat }) => stat);
  }

  async function isRunning(name: string): Promise<boolean> {
    const kept = await record(name);
    return kept !== undefined && (await isSameProcess(kept));
  }

  async function inNode(
    command: string,
    args: readonly string[],
    cwd?: string,
  ): Promise<[string, string[]]> {
    const init = await nodeInit();
    const directory = cwd === undefined ? [] : [`--wd=${cwd}`];
    return ['nsenter', ['-t', String(init), '-m', '-p', ...directory, '--', command, ...args]];
  }

  /** Pid of the first process in the node's pid namespace, as the host sees it. */
  async function nodeInit(): Promise<number> {
    const holder = await record(nodeDaemon);
    const init =
      holder && (await isSameProcess(holder)) ? (await childrenOf(holder.pid))[0] : undefined;
    if (init === undefined) throw new Error('The node does not run, so nothing can start in it.');
    return init;
  }

  async function start(
    component: string,
    name: string,
    command: string,
    args: readonly string[],
    options: DaemonOptions = {},
  ): Promise<void> {
    if (await isRunning(name)) return;
    const made = { name, component, log: logFile(name), command: [command, ...args] };
    const unrecorded = (await marked(name)).find((stat) => stat.pid === stat.session);
    if (unrecorded) {
      const identity = await identifyProcess(unrecorded.pid);
      if (identity) return keepRecord({ ...identity, ...made, since: new Date().toISOString() });
    }
    await endOrphans(name);
    await mkdir(logDir, { recursive: true });
    await rename(logFile(name), `${logFile(name)}.1`).catch(ignoreMissing);
    const { env, cwd } = options;
    const [program, programArgs] = options.inNode
      ? await inNode(command, args, cwd)
      : [command, args];
    const log = await open(logFile(name), 'a');
    try {
      const child = spawn(program, programArgs, {
        cwd: options.inNode ? '/' : cwd,
        detached: true,
        env: { ...process.env, ...env, [markVariable]: markOf(name) },
        stdio: ['ignore', log.fd, log.fd],
      });
      await once(child, 'spawn');
      child.unref();
      const identity = await identifyProcess(child.pid!);
      if (!identity) throw new Error(`${name} ended at once:\n${await logTail(name)}`);
      await keepRecord({ ...identity, ...made, since: new Date().toISOString() });
    } finally {
      await log.close();
    }
  }

  async function stop(
    name: string,
    { signal = 'SIGTERM', timeoutMs = 8_000 }: StopOptions = {},
  ): Promise<void> {
    const kept = await record(name);
    if (kept && (await isSameProcess(kept))) {
      // The whole group: `nsenter` and others wait for a child that must end as well.
      signalGroup(kept.pid, signal);
      if (!(await gone(() => isSameProcess(kept), timeoutMs))) signalGroup(kept.pid, 'SIGKILL');
      await gone(() => isSameProcess(kept), 5_000);
    }
    await endMarked(() => marked(name), signal, kept ? 2_000 : timeoutMs);
    await rm(recordFile(name), { force: true });
  }

  /** Ends what a leader that was killed has left in its group: it holds the ports that the next one needs. */
  async function endOrphans(name: string): Promise<void> {
    const leader = (await record(name))?.pid;
    const orphans = async () => (await marked(name)).filter(({ group }) => group === leader);
    await endMarked(orphans, 'SIGTERM', 3_000);
  }

  async function endMarked(
    find: () => Promise<{ pid: number }[]>,
    signal: NodeJS.Signals,
    timeoutMs: number,
  ): Promise<void> {
    const left = await find();
    if (left.length === 0) return;
    for (const { pid } of left) signalProcess(pid, signal);
    const isLeft = async () => (await find()).length > 0;
    if (await gone(isLeft, timeoutMs)) return;
    for (const { pid } of await find()) signalProcess(pid, 'SIGKILL');
    if (!(await gone(isLeft, 5_000))) {
      const pids = (await find()).map(({ pid }) => pid);
      throw new Error(`Processes do not end: ${pids.join(', ')}`);
    }
  }

  async function records(): Promise<DaemonRecord[]> {
    const files = await readdir(pidDir).catch(() => []);
    const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
    const found = await Promise.all(names.sort().map(record));
    return found.filter((each) => each !== undefined);
  }

  async function logTail(name: string, lines = 12): Promise<string> {
    return lastLines(await readFile(logFile(name), 'utf8').catch(() => ''), lines);
  }

  async function sweep(): Promise<string[]> {
    const ours = async () =>
      (await processesWithVariable(markVariable)).filter(({ value }) =>
        value.startsWith(`${stateDir}:`),
      );
    const found = (await ours()).map(({ value }) => value.slice(stateDir.length + 1));
    await endMarked(async () => (await ours()).map(({ stat }) => stat), 'SIGTERM', 3_000);
    await rm(pidDir, { recursive: true, force: true });
    return [...new Set(found)];
  }

  return { start, stop, isRunning, inNode, records, record, logTail, sweep };
}

/** Waits until `isThere` says no; false when it still says yes at the end of the time. */
async function gone(isThere: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (await isThere()) {
    if (Date.now() > deadline) return false;
    await sleep(pollMs);
  }
  return true;
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  signalProcess(-leader, signal);
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
