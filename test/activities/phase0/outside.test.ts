import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JsonFile } from '../../../deploy/sandbox/stand-ins/json-file.ts';
import type { Secrets } from '../../../deploy/sandbox/stand-ins/vault/secrets.ts';
import { createVaultStandIn } from '../../../deploy/sandbox/stand-ins/vault/server.ts';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import { createLockActivities } from '../../../src/activities/lock/index.ts';
import { createNotificationActivities } from '../../../src/activities/notifications/index.ts';
import { createSecretResolver, createVaultClient } from '../../../src/activities/secrets/index.ts';
import type { Notification } from '../../../src/activities/contracts.ts';
import type { LockHolder } from '../../../src/domain/operation.ts';
import { testSite } from '../../support/phase0.ts';
import {
  findTestServer,
  startTestServer,
  type RunningServer,
} from '../../support/temporal-server.ts';

/** Vault, webhooks and the site's lock, each against a server that speaks their protocol. */

const listening = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const typeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => failureTypeOf(error) ?? String(error),
  );

describe('Vault', () => {
  let folder: string;
  let server: Server;
  let address: string;
  const token = 'hvs.for-tests-only';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'presslift-vault-'));
    const secrets = new JsonFile<Secrets>(join(folder, 'secrets.json'), () => ({}));
    server = createVaultStandIn({ token, secrets });
    address = await listening(server);
    for (const [path, data] of [
      ['acme/db', { username: 'wp', password: 'planted-value' }],
      ['acme/gone', { password: 'planted-value' }],
    ] as const) {
      await fetch(`${address}/v1/secret/data/${path}`, {
        method: 'POST',
        headers: { 'x-vault-token': token },
        body: JSON.stringify({ data }),
      });
    }
    await fetch(`${address}/v1/secret/data/acme/gone`, {
      method: 'DELETE',
      headers: { 'x-vault-token': token },
    });
  });
  afterAll(async () => {
    server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const resolver = (given = token, at = address) =>
    createSecretResolver({ env: {}, vault: createVaultClient({ address: at, token: given }) });

  it('gives the values of a secret', async () => {
    expect(await resolver().resolve('vault:secret/acme/db#password')).toBe('planted-value');
    expect(await resolver().resolve('vault:secret/acme/db', 'username')).toBe('wp');
  });

  it('gives nothing that is absent or deleted', async () => {
    expect(await typeOf(resolver().resolve('vault:secret/acme/other', 'x'))).toBe('SecretMissing');
    expect(await typeOf(resolver().resolve('vault:secret/acme/gone', 'password'))).toBe(
      'SecretMissing',
    );
  });

  it('gives clear failures', async () => {
    expect(await typeOf(resolver('wrong').resolve('vault:secret/acme/db', 'x'))).toBe('Forbidden');
    const nobody = resolver(token, 'http://127.0.0.1:9');
    expect(await typeOf(nobody.resolve('vault:secret/acme/db', 'x'))).toBe('Unavailable');
  });
});

describe('webhooks', () => {
  let server: Server;
  let address: string;
  let status = 200;
  let received: { path: string; body: { text?: string } }[] = [];
  let logged: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      void bodyOf(request).then((body) => {
        received.push({ path: request.url ?? '', body: JSON.parse(body) as { text?: string } });
        response.writeHead(request.url?.startsWith('/good') ? 200 : status).end();
      });
    });
    address = await listening(server);
  });
  afterAll(() => server?.close());
  beforeEach(() => {
    received = [];
    logged = [];
  });

  const bodyOf = async (request: IncomingMessage) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    return text;
  };

  const site = testSite((file) => {
    file.notifications = {
      webhooks: [{ url: 'env:HOOK_BAD', kinds: ['needs-operator'] }, { url: 'env:HOOK_GOOD' }],
    };
  });

  const tell = (kind: Notification['kind']) => {
    const log = (fields: object, message: string) => logged.push(JSON.stringify([fields, message]));
    const activities = createNotificationActivities({
      secrets: createSecretResolver({
        env: {
          HOOK_BAD: `${address}/bad/planted-value`,
          HOOK_GOOD: `${address}/good/planted-value`,
        },
      }),
      logger: { info: log, warn: log },
    });
    return activities.notify({
      site,
      notification: {
        kind,
        site: 'acme',
        operationId: 'acme/hybridStorage',
        title: 'Approve the plan',
        body: '3 changes',
        commands: ['presslift approve acme'],
      },
    });
  };

  it('get what they asked for, in a form that chats show, and the log gets it always', async () => {
    await tell('gate-opened');
    expect(received.map(({ path }) => path)).toEqual(['/good/planted-value']);
    expect(received[0]?.body.text).toBe(
      '*Approve the plan*\n3 changes\n```\npresslift approve acme\n```',
    );
    expect(logged.length).toBe(1);
  });

  it.each([
    [404, 'Forbidden'],
    [429, 'RateLimited'],
    [503, 'Unavailable'],
    [302, 'Forbidden'],
  ])('that answer %s fail with %s, after the others were told', async (given, expected) => {
    status = given;
    expect(await typeOf(tell('needs-operator'))).toBe(expected);
    expect(received.map(({ path }) => path.split('/')[1])).toEqual(['bad', 'good']);
    expect(logged.join()).not.toContain('planted-value');
  });
});

describe("the site's lock", () => {
  let server: RunningServer;
  let connection: Connection;
  let client: Client;

  beforeAll(async () => {
    server = await startTestServer(await findTestServer());
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
  });
  afterAll(async () => {
    await connection?.close();
    await server?.stop();
  });

  it('is started by the first request and only signalled by the next', async () => {
    const lock = createLockActivities({ client });
    const holder: LockHolder = {
      workflowId: 'acme/prerequisites',
      runId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30',
      operation: 'prerequisites',
      since: '2026-01-01T00:00:00Z',
    };
    await lock.requestLock({ site: 'acme', holder });
    await lock.requestLock({ site: 'acme', holder });
    const { events = [] } = await client.workflow.getHandle('acme/lock').fetchHistory();
    const started = events?.find((event) => event.workflowExecutionStartedEventAttributes);
    expect(started?.workflowExecutionStartedEventAttributes?.workflowType?.name).toBe('siteLock');
    expect(started?.workflowExecutionStartedEventAttributes?.taskQueue?.name).toBe('presslift');
    const signals = events?.filter((event) => event.workflowExecutionSignaledEventAttributes);
    expect(
      signals?.map((event) => event.workflowExecutionSignaledEventAttributes?.signalName),
    ).toEqual(['requestLock', 'requestLock']);
  });

  it('learns whether a holder still runs', async () => {
    const lock = createLockActivities({ client });
    const handle = await client.workflow.start('prerequisites', {
      workflowId: 'acme/prerequisites',
      taskQueue: 'nobody',
      args: [{ site: 'acme' }],
    });
    const holder: LockHolder = {
      workflowId: 'acme/prerequisites',
      runId: handle.firstExecutionRunId,
      operation: 'prerequisites',
      since: '2026-01-01T00:00:00Z',
    };
    expect(await lock.isHolderAlive({ holder })).toBe(true);
    const other = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
    expect(await lock.isHolderAlive({ holder: { ...holder, runId: other } })).toBe(false);
    expect(await lock.isHolderAlive({ holder: { ...holder, workflowId: 'nobody' } })).toBe(false);
    await handle.terminate();
    expect(await lock.isHolderAlive({ holder })).toBe(false);
  });
});
