import { PassThrough, type Readable, Writable } from 'node:stream';
import { Exec, type KubeConfig, type V1Status } from '@kubernetes/client-node';
import type { FailureType } from '../../domain/failures.ts';
import { failure } from '../failure.ts';

export interface ExecRequest {
  namespace: string;
  pod: string;
  container: string;
  /** Program and arguments; no shell reads them. Secrets belong into `stdin`: arguments show in process lists. */
  command: string[];
  stdin?: string | Buffer;
  /** Default 60,000. */
  timeoutMs?: number;
  /** Failure type at the time-out; default AgentFailed: a WordPress that hangs counts as broken, and is not asked again. */
  onTimeout?: FailureType;
  signal?: AbortSignal;
  /** Output beyond this many bytes ends the command; default 16 MiB. */
  maxOutputBytes?: number;
}

export interface ExecResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/**
 * Runs a command in a container and waits for its end. A status other than 0 is a result, not an error.
 *
 * @throws Forbidden, NotFound, Unavailable (the connection was refused or broke), AgentFailed (too much output, or no end within
 *   `timeoutMs` unless `onTimeout` names another type).
 */
export type ExecInPod = (request: ExecRequest) => Promise<ExecResult>;

/** The part of a WebSocket that is used here. */
interface Socket {
  onclose: (() => void) | null;
  close(): void;
}

const defaultTimeoutMs = 60_000;
const defaultMaxOutputBytes = 16 * 1024 * 1024;

/** The `execInPod` of one cluster. */
export function createExec(config: KubeConfig): ExecInPod {
  const exec = new Exec(config);
  return async (request) => {
    const where = `pods/exec ${request.namespace}/${request.pod} (container ${request.container})`;
    request.signal?.throwIfAborted();
    const limit = request.maxOutputBytes ?? defaultMaxOutputBytes;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    // One that comes before or after anybody waits for it (while connecting, the socket's own close) must not surface as unhandled.
    promise.catch(() => undefined);
    const stdout = collector(limit, reject);
    const stderr = collector(limit, reject);
    const stdin = request.stdin === undefined ? null : openInput(request.stdin);
    const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
    const timer = setTimeout(() => {
      reject(
        failure(request.onTimeout ?? 'AgentFailed', `${where}: no end within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    const onAbort = () => reject(request.signal?.reason as Error);
    request.signal?.addEventListener('abort', onAbort, { once: true });
    let socket: Socket | undefined;
    try {
      socket = (await exec
        .exec(
          request.namespace,
          request.pod,
          request.container,
          request.command,
          stdout.stream,
          stderr.stream,
          stdin,
          false,
          (status) => {
            try {
              resolve(exitCodeOf(status));
            } catch (error) {
              reject(failure('Unavailable', `${where}: ${(error as Error).message}`));
            }
          },
        )
        .catch((error: unknown) => {
          throw connectionFailure(error, where);
        })) as Socket;
      socket.onclose = () => {
        reject(failure('Unavailable', `${where}: the connection ended before the command did`));
      };
      const exitCode = await promise;
      return { stdout: stdout.text(), stderr: stderr.text(), exitCode };
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', onAbort);
      socket?.close();
    }
  };
}

/**
 * Standard input that is written but never ended: ending it closes the whole connection on servers without the
 * protocol's close message, and the command's status with it. What reads it must know how much to read.
 */
function openInput(content: string | Buffer): Readable {
  const stream = new PassThrough();
  stream.write(content);
  return stream;
}

function collector(limit: number, fail: (error: Error) => void) {
  const chunks: Buffer[] = [];
  let size = 0;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > limit)
        fail(failure('AgentFailed', `The command printed more than ${limit} bytes`));
      else chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') };
}

/** The command's exit status from the last message of the exec protocol. */
export function exitCodeOf(status: V1Status): number {
  if (status.status === 'Success') return 0;
  const code = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  if (code !== undefined) return Number(code);
  throw new Error(status.message ?? status.reason ?? 'exec failed without a reason');
}

function connectionFailure(error: unknown, where: string) {
  const message =
    error instanceof Error
      ? error.message
      : String((error as { message?: unknown })?.message ?? error);
  const code = /Unexpected server response: (\d+)/.exec(message)?.[1];
  if (code === '401') return failure('Unauthorized', `create ${where}: HTTP 401`);
  if (code === '403') return failure('Forbidden', `The worker may not create ${where}`);
  if (code === '404') return failure('NotFound', `create ${where}: no such pod or container`);
  return failure('Unavailable', `create ${where}: ${message}`);
}
