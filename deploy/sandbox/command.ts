import { spawn } from 'node:child_process';
import type { RunOptions } from './component.ts';

/** A program that ended with another status than 0, was killed or could not be started. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(message: string, exitCode: number | null, stderr: string) {
    super(message);
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

export interface CommandOptions extends RunOptions {
  signal?: AbortSignal;
}

/**
 * Runs a program to its end, without a shell, in a process group of its own, so that an abort or the time-out ends its
 * children as well. Rejects with `CommandError` and the last lines of output on another status than 0.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  { env, cwd, input, timeoutMs, signal }: CommandOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  signal?.throwIfAborted();
  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const ends = [signal, timeout].filter((each) => each !== undefined);
  const end = AbortSignal.any(ends);
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that ends without reading its input is no error of ours: its status tells.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself in the meantime.
    }
  };
  end.addEventListener('abort', kill, { once: true });
  try {
    const [code, by] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (ended, failed) => {
        child.once('error', failed);
        child.once('close', (exitCode, killedBy) => ended([exitCode, killedBy]));
      },
    );
    const output = {
      stdout: Buffer.concat(stdout).toString('utf8'),
      stderr: Buffer.concat(stderr).toString('utf8'),
    };
    if (code === 0) return output;
    signal?.throwIfAborted();
    const how = timeout?.aborted
      ? `took longer than ${timeoutMs} ms`
      : by
        ? `was killed by ${by}`
        : `ended with status ${code}`;
    const said = lastLines(output.stderr || output.stdout, 15);
    throw new CommandError(`${command} ${how}${said && `:\n${said}`}`, code, output.stderr);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CommandError(`${command} is not installed or not on the PATH`, null, '');
  } finally {
    end.removeEventListener('abort', kill);
  }
}

/** The last `count` lines that are not empty. */
export function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n');
}
