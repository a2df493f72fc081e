import { createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';

/** Another process works on this sandbox right now. */
export class SandboxBusyError extends Error {
  override name = 'SandboxBusyError';
}

/**
 * Takes the sandbox's lock and returns the function that gives it back. Rejects with `SandboxBusyError` while another
 * process has it.
 *
 * The lock is a name in Linux's abstract socket namespace: the kernel gives it to one process, and frees it when that
 * process ends, however it ends. So there is no stale lock. Whoever connects is told who holds it.
 */
export async function lockSandbox(stateDir: string, purpose: string): Promise<() => Promise<void>> {
  const id = createHash('sha256').update(stateDir).digest('hex').slice(0, 32);
  const name = `\0presslift-sandbox-${id}`;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(JSON.stringify({ pid: process.pid, purpose }));
  });
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(true) : reject(error),
    );
    server.listen(name, () => resolve(false));
  });
  if (taken) throw new SandboxBusyError(await describeHolder(name));
  server.unref();
  return () => new Promise((closed) => server.close(() => closed()));
}

async function describeHolder(name: string): Promise<string> {
  try {
    const socket = connect(name);
    socket.setTimeout(1_000, () => socket.destroy());
    const { pid, purpose } = JSON.parse(await text(socket)) as { pid: number; purpose: string };
    return `The sandbox is busy: "${purpose}" runs as process ${pid}. Wait for it, or end it with: kill ${pid}`;
  } catch {
    return 'The sandbox is busy: another process works on it. Try again in a moment.';
  }
}
