/** The engine's order of work, with components that only take notes. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Component } from '../../../deploy/sandbox/component.ts';
import type { SandboxCredentials } from '../../../deploy/sandbox/credentials.ts';
import { createDaemons } from '../../../deploy/sandbox/daemons.ts';
import { takeDown } from '../../../deploy/sandbox/down.ts';
import type { EngineHost } from '../../../deploy/sandbox/host.ts';
import { standing } from '../../../deploy/sandbox/host.ts';
import { lockSandbox, SandboxBusyError } from '../../../deploy/sandbox/lock.ts';
import { inParallel } from '../../../deploy/sandbox/parallel.ts';
import { statusOf } from '../../../deploy/sandbox/status.ts';

let stateDir: string;
let host: EngineHost;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'engine-'));
  host = {
    daemons: createDaemons({
      stateDir,
      pidDir: join(stateDir, 'pids'),
      logDir: join(stateDir, 'logs'),
    }),
    credentials: {} as SandboxCredentials,
    programDirs: new Map(),
    signal: new AbortController().signal,
  };
});

afterEach(async () => {
  await host.daemons.sweep();
  await rm(stateDir, { recursive: true });
});

function component(name: string, needs: string[], own: Partial<Component> = {}): Component {
  return {
    name,
    title: name,
    needs,
    start: async () => undefined,
    ready: async () => true,
    stop: async () => undefined,
    ...own,
  };
}

const diamond = [
  component('bottom', []),
  component('left', ['bottom']),
  component('right', ['bottom']),
  component('top', ['left', 'right']),
];

describe('work in parallel', () => {
  it('begins each when what it needs is done, and runs the others side by side', async () => {
    const notes: string[] = [];
    let rightIsDone = (): void => undefined;
    const right = new Promise<void>((resolve) => (rightIsDone = resolve));
    await inParallel(
      diamond,
      async ({ name }) => {
        notes.push(`+${name}`);
        if (name === 'left') await right;
        notes.push(`-${name}`);
        if (name === 'right') rightIsDone();
      },
      host.signal,
    );
    expect(notes).toEqual([
      ...['+bottom', '-bottom', '+left', '+right', '-right', '-left', '+top', '-top'],
    ]);
  });

  it('ends the others at the first failure, begins nothing more and throws that failure', async () => {
    const ended: string[] = [];
    const work = inParallel(
      diamond,
      async ({ name }, signal) => {
        if (name === 'left') throw new Error('left is broken');
        if (name !== 'right') return;
        await sleep(10_000, undefined, { signal }).catch(() => ended.push(name));
      },
      host.signal,
    );
    await expect(work).rejects.toThrow('left is broken');
    expect(ended).toEqual(['right']);
  });

  it('stops when it is called off', async () => {
    const control = new AbortController();
    const begun: string[] = [];
    const work = inParallel(
      diamond,
      async ({ name }) => {
        begun.push(name);
        control.abort(new Error('enough'));
      },
      control.signal,
    );
    await expect(work).rejects.toThrow('enough');
    expect(begun).toEqual(['bottom']);
  });
});

describe('taking down', () => {
  it('stops what needs others before them, and goes on past a failure', async () => {
    const stopped: string[] = [];
    const parts = diamond.map(({ name, needs }) =>
      component(name, [...needs], {
        stop: async () => {
          stopped.push(name);
          if (name === 'right') throw new Error('stuck');
        },
      }),
    );
    await expect(takeDown(host, parts)).rejects.toThrow('right (right) did not stop: stuck');
    expect(stopped[0]).toBe('top');
    expect(stopped.slice(1, 3).sort()).toEqual(['left', 'right']);
    expect(stopped[3]).toBe('bottom');
  });

  it('stops processes that the component itself forgets', async () => {
    await host.daemons.start('bottom', 'forgotten', 'sleep', ['60']);
    await takeDown(host, [component('bottom', [])]);
    expect(await host.daemons.records()).toEqual([]);
  });
});

describe('what stands', () => {
  it('is not asked of a component whose needs do not stand', async () => {
    let asked = false;
    const parts = [
      component('below', [], { ready: async () => false }),
      component('above', ['below'], { ready: async () => (asked = true) }),
    ];
    expect(await standing(parts, host)).toEqual(new Set());
    expect(asked).toBe(false);
  });

  it('is not a component that answers while a process of it is dead', async () => {
    await host.daemons.start('part', 'victim', 'sleep', ['60']);
    const { pid } = (await host.daemons.record('victim'))!;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => host.daemons.isRunning('victim')).toBe(false);
    const [status] = await statusOf(host, [component('part', [])], new Map());
    expect(status).toMatchObject({ state: 'dead', pid });
  });

  it('tells pid, since and log of what runs, and why something is replaced', async () => {
    await host.daemons.start('part', 'part', 'sleep', ['60']);
    const parts = [component('part', []), component('given', [])];
    const status = await statusOf(host, parts, new Map([['given', 'TEMPORAL_ADDRESS is x:1']]));
    const { pid, since, log } = (await host.daemons.record('part'))!;
    expect(status[0]).toMatchObject({ name: 'part', state: 'ready', pid, since, log });
    expect(status[1]).toMatchObject({ state: 'replaced', reason: 'TEMPORAL_ADDRESS is x:1' });
  });

  it('takes an error of the question for a no', async () => {
    const parts = [component('part', [], { ready: () => Promise.reject(new Error('refused')) })];
    expect(await standing(parts, host)).toEqual(new Set());
  });
});

describe('the lock', () => {
  it('is given to one at a time, and says who has it', async () => {
    const unlock = await lockSandbox(stateDir, 'sandbox up');
    const second = lockSandbox(stateDir, 'sandbox down');
    await expect(second).rejects.toThrow(SandboxBusyError);
    await expect(second).rejects.toThrow(`"sandbox up" runs as process ${process.pid}`);
    await unlock();
    await (
      await lockSandbox(stateDir, 'sandbox down')
    )();
  });

  it('of one sandbox does not keep another from its work', async () => {
    const unlock = await lockSandbox(stateDir, 'sandbox up');
    await (
      await lockSandbox(`${stateDir}-other`, 'sandbox up')
    )();
    await unlock();
  });

  it('is free when the process that had it was killed', async () => {
    const module = join(import.meta.dirname, '../../../deploy/sandbox/lock.ts');
    const script = `
      import { lockSandbox } from ${JSON.stringify(module)};
      await lockSandbox(${JSON.stringify(stateDir)}, 'sandbox up');
      console.log('locked');
      setInterval(() => undefined, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script]);
    await new Promise((locked) => holder.stdout.once('data', locked));
    await expect(lockSandbox(stateDir, 'sandbox down')).rejects.toThrow(`process ${holder.pid}`);
    const ended = new Promise((closed) => holder.once('close', closed));
    holder.kill('SIGKILL');
    await ended;
    await (
      await lockSandbox(stateDir, 'sandbox down')
    )();
  });
});
