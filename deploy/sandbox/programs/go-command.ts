/**
 * Runs the `go` command for builds that take minutes: at low priority, with its own caches, with its
 * output in a log file, and so that nothing survives when the build is called off.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A build that failed, with the place of its log. */
export class GoBuildError extends Error {
  override readonly name = 'GoBuildError';
  readonly logFile: string;

  constructor(what: string, outcome: string, logFile: string) {
    super(`${what} failed: ${outcome}. The end of ${logFile}:\n${lastLines(logFile, 20)}`);
    this.logFile = logFile;
  }
}

/** The settings every `go` command of the sandbox runs with. */
export interface GoEnvironment {
  /** The `go` command. */
  readonly command: string;
  readonly variables: NodeJS.ProcessEnv;
}

/**
 * The environment of the `go` command, with every cache below one folder.
 *
 * The caches grow to many gigabytes and are worthless once the programs exist, so they are kept
 * apart from the user's and {@link removeGoCaches} drops them. A module cache the user has named is
 * used as it is and stays: it may be the only source of modules on a machine without a network.
 */
export async function goEnvironment(command: string, workDir: string): Promise<GoEnvironment> {
  const userModules = process.env['GOMODCACHE'];
  const variables: NodeJS.ProcessEnv = {
    ...process.env,
    CGO_ENABLED: '0',
    // Without -modcacherw the folder of modules is read-only and cannot simply be removed.
    GOFLAGS: userModules ? '-buildvcs=false' : '-buildvcs=false -modcacherw',
    GOWORK: 'off',
    GOCACHE: join(workDir, 'build'),
    GOTMPDIR: join(workDir, 'tmp'),
    GOMODCACHE: userModules || join(workDir, 'mod'),
  };
  await mkdir(join(workDir, 'tmp'), { recursive: true });
  return { command, variables };
}

/** Removes what {@link goEnvironment} made. */
export async function removeGoCaches(workDir: string): Promise<void> {
  await rm(workDir, { recursive: true, force: true, maxRetries: 3 });
}

/** Process groups to end when this process ends. */
const running = new Set<number>();

function endAll(signal: NodeJS.Signals = 'SIGTERM'): void {
  for (const group of running) endGroup(group, signal);
}

function endGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // It has ended by itself.
  }
}

/**
 * Runs `work` with handlers in place that end all running commands when this process is interrupted.
 * Commands are process groups of their own, as the compilers that `go` starts would survive it; but
 * that also keeps the terminal's Ctrl-C from them.
 */
export async function endingCommandsOnSignals<T>(work: () => Promise<T>): Promise<T> {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const onSignal = (signal: NodeJS.Signals): void => {
    endAll();
    release();
    // Where nobody else handles the signal, it does what it would have done without this handler.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  const onExit = (): void => endAll();
  const release = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
    process.off('exit', onExit);
  };
  for (const signal of signals) process.on(signal, onSignal);
  process.on('exit', onExit);
  try {
    return await work();
  } finally {
    release();
  }
}

/** What {@link runGo} needs besides the arguments. */
export interface RunOptions {
  readonly cwd: string;
  /** What is being done, for the error message: "Building etcd". */
  readonly what: string;
  readonly logFile: string;
  readonly signal: AbortSignal;
}

/** Runs `go` with arguments, its errors into the log, and gives back what it printed. */
export async function runGo(
  go: GoEnvironment,
  args: readonly string[],
  { cwd, what, logFile, signal }: RunOptions,
): Promise<string> {
  signal.throwIfAborted();
  const log = openSync(logFile, 'a');
  try {
    writeSync(log, `\n$ ${[go.command, ...args].join(' ')}\n`);
    // `nice` and not os.setPriority: that would reach one of the threads of `go` only.
    const child = spawn('nice', ['-n', '10', go.command, ...args], {
      cwd,
      env: go.variables,
      detached: true,
      stdio: ['ignore', 'pipe', log],
    });
    const group = child.pid;
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    const abort = (): void => {
      if (group !== undefined) endGroup(group, 'SIGTERM');
    };
    if (group !== undefined) running.add(group);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const outcome = await new Promise<string | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code, killedBy) => resolve(outcomeOf(code, killedBy)));
      });
      signal.throwIfAborted();
      if (outcome !== null) {
        writeSync(log, output);
        throw new GoBuildError(what, outcome, logFile);
      }
      return output;
    } finally {
      signal.removeEventListener('abort', abort);
      if (group !== undefined) running.delete(group);
    }
  } finally {
    closeSync(log);
  }
}

/** What went wrong, or null. `nice` ends with 127 where it does not find the command. */
function outcomeOf(code: number | null, killedBy: NodeJS.Signals | null): string | null {
  if (code === 0) return null;
  if (code === 127) return 'there is no go command here; install Go 1.26 or newer';
  return killedBy ? `ended by ${killedBy}` : `exit code ${code}`;
}

function lastLines(file: string, count: number): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return '(no log)';
  }
}
