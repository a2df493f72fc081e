import { readdir, readFile } from 'node:fs/promises';

/**
 * Which process this is, for good: a pid alone is given to another process some day, pid and start time together are not
 * until the machine boots again, and the boot id tells that.
 */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot, as text of /proc/<pid>/stat. */
  startTime: string;
  bootId: string;
}

/** What /proc/<pid>/stat says that matters here. */
export interface ProcessStat {
  pid: number;
  /** One letter; `Z` is a process that has ended and waits for its parent. */
  state: string;
  parent: number;
  group: number;
  session: number;
  startTime: string;
}

/** Reads one line of /proc/<pid>/stat; the command in it may hold spaces and parentheses. */
export function parseProcessStat(line: string): ProcessStat {
  const close = line.lastIndexOf(')');
  const pid = Number(line.slice(0, line.indexOf(' ')));
  const fields = line.slice(close + 2).split(' ');
  const [state, parent, group, session] = fields;
  const startTime = fields[19];
  if (close < 0 || !Number.isInteger(pid) || state === undefined || startTime === undefined) {
    throw new Error(`Not a line of /proc/<pid>/stat: ${line}`);
  }
  return {
    pid,
    state,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTime,
  };
}

/** The process of that number, or undefined when there is none or it has ended. */
export async function processStat(pid: number): Promise<ProcessStat | undefined> {
  const line = await readProc(`/proc/${pid}/stat`);
  if (line === undefined) return undefined;
  const stat = parseProcessStat(line);
  return stat.state === 'Z' || stat.state === 'X' ? undefined : stat;
}

/** The identity of a running process, or undefined when there is none of that number. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await processStat(pid);
  return stat && { pid, startTime: stat.startTime, bootId: await currentBootId() };
}

/** Whether that very process still runs; false when the number went to another one. */
export async function isSameProcess(identity: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(identity.pid);
  return now?.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** Running processes whose environment has `variable`, with its value. */
export async function processesWithVariable(
  variable: string,
): Promise<{ stat: ProcessStat; value: string }[]> {
  const found: { stat: ProcessStat; value: string }[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const environment = await readProc(`/proc/${entry}/environ`);
    const assignment = environment?.split('\0').find((each) => each.startsWith(`${variable}=`));
    if (assignment === undefined) continue;
    const stat = await processStat(Number(entry));
    if (stat) found.push({ stat, value: assignment.slice(variable.length + 1) });
  }
  return found;
}

/** Numbers of a process's children. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = (await readProc(`/proc/${pid}/task/${pid}/children`)) ?? '';
  return text.split(' ').filter(Boolean).map(Number);
}

async function currentBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** The file's text, or undefined when the process is gone or is not ours to read. */
async function readProc(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code ?? '')) return undefined;
    throw error;
  }
}
