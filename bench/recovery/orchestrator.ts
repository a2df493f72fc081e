import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { ensureCertificateAuthority } from '../../deploy/sandbox/pki.ts';
import type { TaskAnswer, TaskRequest, TaskResult } from './protocol.ts';

/** The process of orchestrated.ts. */
export interface Orchestrator {
  run(request: TaskRequest): Promise<TaskResult>;
  end(): void;
}

export async function startOrchestrator(timeoutMs: number): Promise<Orchestrator> {
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');
  const child = fork(join(import.meta.dirname, 'orchestrated.ts'), {
    // Temporal's library logs each activity that fails; the error comes back as the answer.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certFile },
  });
  return {
    async run(request) {
      const answer = await ask(child, request, timeoutMs);
      if ('error' in answer) throw new Error(`${request.task}: ${answer.error}`);
      return answer.result;
    },
    end() {
      if (child.connected) child.disconnect();
      else child.kill();
    },
  };
}

function ask(child: ChildProcess, request: TaskRequest, timeoutMs: number): Promise<TaskAnswer> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      settle();
    };
    const onMessage = (message: unknown) => finish(() => resolve(message as TaskAnswer));
    const onExit = (code: number | null) =>
      finish(() => reject(new Error(`${request.task}: the process ended with ${code}`)));
    const timer = setTimeout(
      () => finish(() => reject(new Error(`${request.task}: no end in ${timeoutMs} ms`))),
      timeoutMs,
    );
    child.once('message', onMessage);
    child.once('exit', onExit);
    child.send(request);
  });
}
