// Proves, against a server that speaks the WebSocket protocol: a command in a pod that has no end fails by the type that its caller asked for.
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createExec, type ExecRequest } from '../../../src/activities/kubernetes/exec.ts';
import type { KubernetesClients } from '../../../src/activities/kubernetes/clients.ts';
import { createWordPressAgent } from '../../../src/activities/wordpress/agent.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

/** An API server whose pods never end a command. */
let server: Server;
let config: KubeConfig;
const sockets = new Set<Duplex>();

beforeEach(async () => {
  server = createServer().on('upgrade', ({ headers }, socket) => {
    sockets.add(socket);
    const key = headers['sec-websocket-key'] ?? '';
    // RFC 6455, section 1.3.
    const text = `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(text).digest('base64');
    const protocol = headers['sec-websocket-protocol']?.split(',')[0]?.trim() ?? '';
    socket.write(
      [
        ...['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'],
        ...[`Sec-WebSocket-Accept: ${accept}`, `Sec-WebSocket-Protocol: ${protocol}`, '', ''],
      ].join('\r\n'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: 'u' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  return new Promise((resolve) => server.close(resolve));
});

const command = { namespace: 'n', pod: 'p', container: 'c', command: ['true'], timeoutMs: 50 };

it.each([
  ['AgentFailed, which is not tried again', {}, 'AgentFailed', true],
  ['what is wanted instead', { onTimeout: 'Unavailable' }, 'Unavailable', false],
] as const)('a time-out is %s', async (_, options, type, nonRetryable) => {
  const request: ExecRequest = { ...command, ...options };
  await expect(createExec(config)(request)).rejects.toMatchObject({ type, nonRetryable });
});

it('a look at a large tree has the time and the type of its caller', async () => {
  const clients = { execInPod: createExec(config), forContext: () => clients };
  const agent = createWordPressAgent(clients as unknown as KubernetesClients);
  const limits = { timeoutMs: 50, onTimeout: 'Unavailable' } as const;
  await expect(
    agent.treeDigests(acme(), 'p', ['wp-content/plugins'], limits),
  ).rejects.toMatchObject({
    type: 'Unavailable',
    message: expect.stringContaining('no end within 50 ms') as string,
  });
});
