/** Real processes in a state folder of their own: start, stop, and who is never touched. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DaemonRecord, Daemons } from '../../../deploy/sandbox/daemons.ts';
import { createDaemons } from '../../../deploy/sandbox/daemons.ts';
import {
  identifyProcess,
  isSameProcess,
  parseProcessStat,
} from '../../../deploy/sandbox/process-identity.ts';

let stateDir: string;
let daemons: Daemons;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'daemons-'));
  daemons = createDaemons({
    stateDir,
    pidDir: join(stateDir, 'pids'),
    logDir: join(stateDir, 'logs'),
  });
});

afterEach(async () => {
  await daemons.sweep();
  await rm(stateDir, { recursive: true });
});

async function recordOf(name: string): Promise<DaemonRecord> {
  return JSON.parse(await readFile(join(stateDir, 'pids', `${name}.json`), 'utf8')) as DaemonRecord;
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the identity of a process', () => {
  it('is read past a command with spaces and parentheses', () => {
    const fields = ['S', '1', '42', '42', ...Array.from({ length: 15 }, () => '0'), '98765', '7'];
    expect(parseProcessStat(`42 (a) b (c) ${fields.join(' ')}`)).toEqual({
      pid: 42,
      state: 'S',
      parent: 1,
      group: 42,
      session: 42,
      startTime: '98765',
    });
  });

  it('is not that of another process which got the same number', async () => {
    const own = (await identifyProcess(process.pid))!;
    expect(await isSameProcess(own)).toBe(true);
    expect(await isSameProcess({ ...own, startTime: '1' })).toBe(false);
    expect(await isSameProcess({ ...own, bootId: 'the boot before' })).toBe(false);
  });

  it('is nobody when the number is free', async () => {
    const child = spawn('true');
    await new Promise((ended) => child.once('close', ended));
    expect(await identifyProcess(child.pid!)).toBeUndefined();
  });
});

describe('a daemon', () => {
  it('runs in a session of its own, with its output in the log and its identity recorded', async () => {
    await daemons.start('part', 'talker', 'sh', ['-c', 'echo out; echo err >&2; exec sleep 60']);
    const record = await recordOf('talker');
    expect(record).toMatchObject({
      name: 'talker',
      component: 'part',
      command: ['sh', '-c', expect.any(String)],
    });
    expect(parseProcessStat(await readFile(`/proc/${record.pid}/stat`, 'utf8')).session).toBe(
      record.pid,
    );
    await expect.poll(() => daemons.logTail('talker')).toBe('out\nerr');
    expect(await daemons.isRunning('talker')).toBe(true);
  });

  it('is left alone when it is started again', async () => {
    await daemons.start('part', 'idler', 'sleep', ['60']);
    const { pid } = await recordOf('idler');
    await daemons.start('part', 'idler', 'sleep', ['60']);
    expect((await recordOf('idler')).pid).toBe(pid);
  });

  it('is found again when its record was never written', async () => {
    await daemons.start('part', 'orphan', 'sleep', ['60']);
    const { pid } = await recordOf('orphan');
    await rm(join(stateDir, 'pids', 'orphan.json'));
    await daemons.start('part', 'orphan', 'sleep', ['60']);
    expect((await recordOf('orphan')).pid).toBe(pid);
  });

  it('is stopped without a record, too', async () => {
    await daemons.start('part', 'orphan', 'sleep', ['60']);
    const { pid } = await recordOf('orphan');
    await rm(join(stateDir, 'pids', 'orphan.json'));
    await daemons.stop('orphan');
    await expect.poll(() => runs(pid)).toBe(false);
  });

  it('takes its children with it when it stops', async () => {
    await daemons.start('part', 'parent', 'sh', ['-c', 'sleep 60 & echo $!; wait']);
    await expect.poll(() => daemons.logTail('parent')).toMatch(/^\d+$/);
    const child = Number(await daemons.logTail('parent'));
    await daemons.stop('parent');
    await expect.poll(async () => (await identifyProcess(child)) === undefined).toBe(true);
    expect(await daemons.isRunning('parent')).toBe(false);
  });

  it('is started anew after its leader was killed, without what that one left', async () => {
    await daemons.start('part', 'parent', 'sh', ['-c', 'sleep 60 & echo $!; wait']);
    await expect.poll(() => daemons.logTail('parent')).toMatch(/^\d+$/);
    const orphan = Number(await daemons.logTail('parent'));
    const leader = (await recordOf('parent')).pid;
    process.kill(leader, 'SIGKILL');
    await expect.poll(() => daemons.isRunning('parent')).toBe(false);
    expect(await identifyProcess(orphan)).toBeDefined();
    await daemons.start('part', 'parent', 'sleep', ['60']);
    expect((await recordOf('parent')).pid).not.toBe(leader);
    expect(await identifyProcess(orphan)).toBeUndefined();
  });

  it('is killed when it does not listen', async () => {
    await daemons.start('part', 'deaf', 'sh', [
      '-c',
      'trap "" TERM; echo deaf; while :; do sleep 1; done',
    ]);
    await expect.poll(() => daemons.logTail('deaf')).toBe('deaf');
    const { pid } = await recordOf('deaf');
    await daemons.stop('deaf', { timeoutMs: 200 });
    expect(await identifyProcess(pid)).toBeUndefined();
  });

  it('that is long dead does not cost the life of who has its number now', async () => {
    await daemons.start('part', 'late', 'sleep', ['60']);
    const record = await recordOf('late');
    await daemons.stop('late');
    // A process is known by its number and the tick in which it began; nobody gets a number again in the same tick.
    await sleep(30);
    const stranger = spawn('sleep', ['60'], { detached: true });
    try {
      await new Promise((spawned) => stranger.once('spawn', spawned));
      // The record of a daemon of ours, with a number that somebody else has by now.
      const stale = { ...record, pid: stranger.pid! };
      await daemons.start('part', 'other', 'sleep', ['60']);
      await writeFile(join(stateDir, 'pids', 'late.json'), JSON.stringify(stale));
      expect(await daemons.isRunning('late')).toBe(false);
      await daemons.stop('late');
      await sleep(50);
      expect(runs(stranger.pid!)).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('of another sandbox is not swept away', async () => {
    const otherDir = await mkdtemp(join(tmpdir(), 'daemons-'));
    const others = createDaemons({
      stateDir: otherDir,
      pidDir: join(otherDir, 'pids'),
      logDir: join(otherDir, 'logs'),
    });
    await others.start('part', 'idler', 'sleep', ['60']);
    await daemons.start('part', 'idler', 'sleep', ['60']);
    expect(await daemons.sweep()).toEqual(['idler']);
    expect(await others.isRunning('idler')).toBe(true);
    expect(await others.sweep()).toEqual(['idler']);
    await rm(otherDir, { recursive: true });
  });

  it('that cannot be started is an error', async () => {
    await expect(daemons.start('part', 'ghost', '/no/such/program', [])).rejects.toThrow('ENOENT');
  });
});
