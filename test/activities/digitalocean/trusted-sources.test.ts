/**
 * Proves that the packet filter rules which the sandbox makes of trusted sources let in and keep out: the stand-in's own code
 * with the kernel's filter, in network namespaces of the test's own, one for the machine and one for a pod on its bridge.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { digitaloceanResources, network } from '../../../deploy/sandbox/settings.ts';
import {
  applyFirewall,
  removeFirewall,
  type GuardedCluster,
  type RunCommand,
} from '../../../deploy/sandbox/stand-ins/digitalocean/firewall.ts';

const guarded = 13310;
const open = 13311;
const podAddress = '10.85.0.7';
const { kubernetesClusterId, dropletId } = digitaloceanResources;

let folder: string;
let machine: Namespace;
let pod: Namespace;
const children: ChildProcess[] = [];

/** A network namespace that lives as long as its first process. */
interface Namespace {
  pid: number;
  run: RunCommand;
  start(command: string, args: string[]): ChildProcess;
}

/** Whoever runs the tests is root in there, at the latest in a user namespace of the test's own. */
const userFlags = process.getuid?.() === 0 ? [] : ['--user'];

async function namespace(parent?: Namespace): Promise<Namespace> {
  const mapped = parent === undefined && userFlags.length > 0 ? ['--map-root-user'] : [];
  const args = [...(parent ? [] : userFlags), ...mapped, '--net', 'sleep', '600'];
  const first = parent ? parent.start('unshare', args) : tracked(spawn('unshare', args));
  const pid = first.pid!;
  const networkOf = (process: number | string) => readlink(`/proc/${process}/ns/net`);
  const outside = [await networkOf('self'), await networkOf(parent?.pid ?? 'self')];
  await vi.waitFor(async () => expect(outside).not.toContain(await networkOf(pid)), 20_000);
  const enter = ['--preserve-credentials', ...userFlags, '--net', '--target', String(pid), '--'];
  const options = { env: { ...process.env, XTABLES_LOCKFILE: join(folder, 'lock') } };
  return {
    pid,
    start: (command, given) => tracked(spawn('nsenter', [...enter, command, ...given], options)),
    run: (command, given, { input } = {}) =>
      new Promise((resolve, reject) => {
        const all = [...enter, command, ...given];
        const child = execFile('nsenter', all, options, (error, stdout, stderr) => {
          if (error) reject(new Error(`${command}: ${stderr}`));
          else resolve({ stdout });
        });
        child.stdin!.end(input);
      }),
  };
}

function tracked(child: ChildProcess): ChildProcess {
  children.push(child);
  return child;
}

const echo = `
  const { createServer } = require('node:net');
  const serve = (port, then) => createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(port, '0.0.0.0', then);
  serve(${guarded}, () => serve(${open}, () => console.log('listening')));`;

/** Reads a line of JSON for each thing to do, and answers with a line: what is heard within three seconds, or silence. */
const client = `
  const { connect } = require('node:net');
  let kept;
  const heard = (socket, event) => new Promise((resolve) => {
    const timer = setTimeout(() => resolve('silence'), 3000);
    const settle = (what) => { clearTimeout(timer); resolve(what); };
    socket.once(event, () => settle('answer'));
    socket.once('error', (error) => settle(error.code));
  });
  require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
    const { keep, ...to } = JSON.parse(line);
    const socket = to.port === undefined ? kept : connect(to);
    socket.on('error', () => {});
    if (to.port === undefined) socket.write('x');
    const what = await heard(socket, to.port === undefined ? 'data' : 'connect');
    if (keep) kept = socket;
    else if (to.port !== undefined) socket.destroy();
    console.log(what);
  });`;

interface Client {
  /** Whether a connection is accepted. */
  connect(to: {
    host: string;
    port: number;
    localAddress?: string;
    keep?: boolean;
  }): Promise<string>;
  /** Whether the kept connection still answers. */
  ping(): Promise<string>;
}

function clientIn(place: Namespace): Client {
  const child = place.start(process.execPath, ['-e', client]);
  const lines: Interface = createInterface({ input: child.stdout! });
  const ask = async (what: object) => {
    const answer = once(lines, 'line') as Promise<[string]>;
    child.stdin!.write(`${JSON.stringify(what)}\n`);
    return (await answer)[0];
  };
  return { connect: (to) => ask(to), ping: () => ask({ keep: true }) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-net-'));
  machine = await namespace();
  pod = await namespace(machine);
  const bridge = network.bridge;
  for (const [where, args] of [
    [machine, ['link', 'set', 'lo', 'up']],
    [machine, ['link', 'add', bridge, 'type', 'veth', 'peer', 'eth0', 'netns', String(pod.pid)]],
    [machine, ['address', 'add', `${network.nodeAddress}/16`, 'dev', bridge]],
    [machine, ['link', 'set', bridge, 'up']],
    [pod, ['link', 'set', 'lo', 'up']],
    [pod, ['address', 'add', `${podAddress}/16`, 'dev', 'eth0']],
    [pod, ['link', 'set', 'eth0', 'up']],
  ] as const) {
    await where.run('ip', [...args]);
  }
  const server = machine.start(process.execPath, ['-e', echo]);
  await once(server.stdout!, 'data');
});
afterAll(async () => {
  for (const child of children.reverse()) child.kill('SIGKILL');
  if (folder) await rm(folder, { recursive: true });
});

type Rules = GuardedCluster['rules'];

const trust = (...rules: Rules) =>
  applyFirewall(
    [
      { port: guarded, rules },
      { port: open, rules: [] },
    ],
    machine.run,
  );

const cluster = { type: 'k8s', value: kubernetesClusterId } as const;
const droplet = { type: 'droplet', value: dropletId } as const;
const stranger = { type: 'ip_addr', value: '192.0.2.7' } as const;

test('trusted sources come in, everybody else gets no answer, on open connections neither', async () => {
  const here = clientIn(machine);
  const there = clientIn(pod);
  const fromPod = () => there.connect({ host: network.nodeAddress, port: guarded });
  const fromMachine = (more: { localAddress?: string; keep?: boolean } = {}) =>
    here.connect({ host: network.loopback, port: guarded, ...more });

  await trust();
  expect([await fromPod(), await fromMachine({ keep: true })]).toEqual(['answer', 'answer']);
  expect(await here.ping()).toBe('answer');

  await trust(cluster);
  expect([await fromPod(), await fromMachine()]).toEqual(['answer', 'silence']);
  expect(await here.ping()).toBe('silence');
  // The provider looks after every cluster, and another cluster's port has its own rules.
  expect(await fromMachine({ localAddress: network.provider })).toBe('answer');
  expect(await here.connect({ host: network.loopback, port: open })).toBe('answer');

  await trust(cluster, droplet);
  expect([await fromPod(), await fromMachine({ keep: true })]).toEqual(['answer', 'answer']);
  expect(await here.ping()).toBe('answer');

  await trust(stranger);
  expect([await fromPod(), await fromMachine()]).toEqual(['silence', 'silence']);
  await trust(stranger, { type: 'ip_addr', value: podAddress });
  expect([await fromPod(), await fromMachine()]).toEqual(['answer', 'silence']);

  await removeFirewall(machine.run);
  expect([await fromPod(), await fromMachine()]).toEqual(['answer', 'answer']);
});
