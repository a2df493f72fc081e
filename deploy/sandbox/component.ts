import type { SandboxCredentials } from './credentials.ts';

/** What a component may use while it builds, starts and stops. */
export interface ComponentContext {
  signal: AbortSignal;
  credentials: SandboxCredentials;
  /** Directory of finished binaries of a Go program in deploy/sandbox/programs (built before by `build`). */
  programDir(name: string): string;
  /** A plain line under the component's progress ("importing image 2 of 3"). */
  progress(line: string): void;
  /**
   * Starts a long-running host process of this component: own session, output to `logs/<name>.log`, pid and start time
   * to `pids/<name>.json`. A process of that name that still runs is left alone. Stopped by `stopDaemon`.
   */
  daemon(name: string, command: string, args: string[], options?: DaemonOptions): Promise<void>;
  /** SIGTERM, a wait, then SIGKILL; resolves when the process is gone. Never touches a pid that is not ours any more. */
  stopDaemon(
    name: string,
    options?: { signal?: NodeJS.Signals; timeoutMs?: number },
  ): Promise<void>;
  /** Whether the named daemon runs (same pid *and* start time as recorded). */
  isRunning(name: string): Promise<boolean>;
  /** Runs a program to its end; rejects with its last output lines on another status than 0. Never through a shell. */
  run(
    command: string,
    args: string[],
    options?: RunOptions,
  ): Promise<{ stdout: string; stderr: string }>;
}

export interface DaemonOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Join the node's mount and pid namespaces (`nsenter -t <node init> -m -p`). */
  inNode?: boolean;
}

export interface RunOptions extends DaemonOptions {
  input?: string | Buffer;
  timeoutMs?: number;
}

/**
 * One part of the sandbox. `build` makes and caches what is slow (idempotent, skipped when cached), `start` is
 * idempotent too, `ready` is asked again and again until it resolves true, `stop` leaves nothing of it behind.
 */
export interface Component {
  /** kebab-case, unique: `kube-apiserver`. */
  name: string;
  /** For the progress display: "Kubernetes API server". */
  title: string;
  /** Names of components that must be ready before `start`. */
  needs: string[];
  /** Go programs of deploy/sandbox/programs that it runs. */
  programs?: string[];
  /** Debian packages that must be installed on the machine, checked before anything is built. */
  packages?: string[];
  /** May run before `needs` are started; several builds run side by side. */
  build?(context: ComponentContext): Promise<void>;
  start(context: ComponentContext): Promise<void>;
  ready(context: ComponentContext): Promise<boolean>;
  /** Seconds `ready` may take; default 60. */
  readyTimeoutSeconds?: number;
  stop(context: ComponentContext): Promise<void>;
  /** Removes data that `down` keeps (databases, volumes); for `reset`. */
  reset?(context: ComponentContext): Promise<void>;
}
