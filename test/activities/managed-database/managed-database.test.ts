/**
 * Proves a rollback's way to a forked database against a real API server with the real Deployment controller, real MySQL
 * servers and the stand-in for the provider's API: what the pods' template, the Secrets and the databases' accounts are after
 * each step and after its undo, that a second call changes nothing, and what happens when answers are lost. Pods have no node
 * here: that visitors lose no request is proved by the end-to-end tests.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Secret } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Fault } from '../../../deploy/sandbox/stand-ins/digitalocean/faults.ts';
import type { ChangeInput } from '../../../src/activities/contracts.ts';
import { withDatabase } from '../../../src/activities/recovery/database.ts';
import type { ManagedDatabase } from '../../../src/activities/digitalocean/client.ts';
import { apply, read } from '../../../src/activities/kubernetes/apply.ts';
import {
  createManagedDatabaseActivities,
  forkedDatabaseAccess,
} from '../../../src/activities/managed-database/index.ts';
import { createSecretResolver } from '../../../src/activities/secrets/index.ts';
import { plain } from '../../../src/domain/kubernetes/plain.ts';
import { forkNames } from '../../../src/domain/recovery/database-fork.ts';
import { acme, beforeDeployment } from '../../support/hybrid-fixtures.ts';
import { startControlPlane, type ControlPlane } from '../../support/kube-apiserver.ts';
import {
  apiToken,
  ownClusterId,
  passwords,
  startManagedMySql,
  type ManagedMySql,
} from '../../support/managed-mysql.ts';
import { runPods } from '../../support/pod-runner.ts';

vi.setConfig({ testTimeout: 240_000 });

let plane: ControlPlane;
let managed: ManagedMySql;
let nodes: { stop(): Promise<void> } | undefined;
let count = 0;
let stage: Awaited<ReturnType<typeof prepared>>;

beforeAll(async () => {
  [plane, managed] = await Promise.all([startControlPlane(), startManagedMySql()]);
  const admin = await managed.connect(managed.port, 'doadmin', passwords.doadmin, 'wordpress');
  await admin.query('CREATE TABLE entries (id INT PRIMARY KEY)');
  await admin.query('INSERT INTO entries VALUES (1)');
  admin.destroy();
  await managed.service().takeBackup('own');
  // A fork is as of a whole second, and the backup must be older than that.
  await sleep(1_000);
});
afterAll(async () => {
  await plane?.stop();
  await managed?.stop();
});
beforeEach(async () => {
  stage = await prepared();
});
afterEach(async () => {
  await setFaults([]);
  await nodes?.stop();
  for (const { id } of await managed.api.databaseClusters()) {
    if (id !== ownClusterId) await managed.api.deleteDatabaseCluster(id);
  }
  expect(managed.standIn().violations).toEqual([]);
});

/** A namespace with the site's Deployment, Secrets and running pods; the database is the managed one. */
async function prepared() {
  count += 1;
  const namespace = `site-${count}`;
  const site = acme((file) => {
    const sections = file as unknown as Record<string, Record<string, unknown>>;
    sections['cluster']!['namespace'] = namespace;
    Object.assign(sections['database']!, {
      ...{
        port: managed.port,
        ca: `kubernetes:${namespace}/database-ca#ca.crt`,
      },
      credentials: `kubernetes:${namespace}/wordpress-database`,
      adminCredentials: `kubernetes:${namespace}/database-admin`,
      managed: {
        ...{ provider: 'digitalocean', clusterId: ownClusterId, token: 'env:TOKEN' },
        apiEndpoint: managed.endpoint,
      },
    });
  });
  // The site file takes only names with a dot.
  site.database.host = 'localhost';
  const k = plane.admin;
  await apply(k, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const secret = (name: string, stringData: Record<string, string>) =>
    k.core.createNamespacedSecret({ namespace, body: { metadata: { name }, stringData } });
  await secret('wordpress-database', {
    ...{ username: 'wordpress', password: passwords.wordpress, extra: 'stays' },
  });
  await secret('database-admin', { username: 'doadmin', password: passwords.doadmin });
  await secret('database-ca', { 'ca.crt': managed.ca });
  nodes = runPods(k, namespace, () => '');
  const body = beforeDeployment();
  body.metadata = { name: 'wordpress', namespace };
  await k.apps.createNamespacedDeployment({ namespace, body });
  const activities = createManagedDatabaseActivities({
    ...{ kubernetes: k, pollMs: 100 },
    secrets: createSecretResolver({ kubernetes: k, env: { TOKEN: apiToken } }),
  });
  const operationId = `${site.name}/rollback/${count}`;
  const time = new Date().toISOString();
  const input = {
    ...{ site, operationId, recoveryPoint: null },
    change: { id: 'fork-database', params: { time, clusterId: ownClusterId } },
  } as unknown as ChangeInput;
  return { site, k, activities, operationId, time, input, namespace };
}

const setFaults = (faults: Fault[]) =>
  fetch(`${managed.endpoint}/control/faults`, {
    method: 'PUT',
    body: JSON.stringify({ faults }),
  });

async function templateText(): Promise<string> {
  const { namespace } = stage;
  const deployment = await stage.k.apps.readNamespacedDeployment({ name: 'wordpress', namespace });
  return JSON.stringify(plain(deployment).spec?.template);
}

async function secretText(name: string): Promise<Record<string, string> | null> {
  const { namespace } = stage;
  const found = await read<V1Secret>(stage.k, {
    ...{ apiVersion: 'v1', kind: 'Secret', namespace, name },
  });
  if (found === null) return null;
  return Object.fromEntries(
    Object.entries(found.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString('utf8'),
    ]),
  );
}

const forks = async () =>
  (await managed.api.databaseClusters()).filter(({ id }) => id !== ownClusterId);

/** Whether WordPress's account can write to the old database; reading must work in any case. */
async function oldIsWritable(): Promise<boolean> {
  const site = await managed.connect(managed.port, 'wordpress', passwords.wordpress, 'wordpress');
  try {
    await site.query('SELECT * FROM entries');
    return await site.query('DELETE FROM entries WHERE id = 99').then(
      () => true,
      () => false,
    );
  } finally {
    site.destroy();
  }
}

test('a fork is made once, whose account works, with the trusted sources of the source', async () => {
  const { activities, input, site, operationId, time } = stage;
  const sources = [{ type: 'ip_addr', value: '127.0.0.1', description: 'worker' }] as const;
  await managed.api.setTrustedSources(ownClusterId, sources);
  const made = await activities.forkDatabase(input);
  const again = await activities.forkDatabase(input);
  await managed.api.setTrustedSources(ownClusterId, []);
  expect(made).toMatchObject({ adopted: false, host: 'localhost', asOf: `${time.slice(0, 19)}Z` });
  expect(again).toEqual({ ...made, adopted: true });
  const [fork, ...others] = await forks();
  expect(others).toEqual([]);
  expect(await managed.api.trustedSources(fork!.id)).toEqual(sources);

  const deps = { kubernetes: stage.k, secrets: createSecretResolver({ env: {} }) };
  const access = await forkedDatabaseAccess(deps, site, operationId, time);
  const [rows] = await withDatabase(access!, (each) => each.query('SELECT id FROM entries'));
  expect(rows).toEqual([{ id: 1 }]);
  // Nothing that the history keeps has a password in it, nor what is needed to make one.
  const kept = await secretText(forkNames(site, operationId, time).secret);
  expect(kept).toMatchObject({ username: 'doadmin' });
  for (const result of [made, again]) {
    expect(JSON.stringify(result)).not.toContain(kept!['password']!);
    expect(JSON.stringify(result)).not.toContain(access!.account.password.reveal());
  }
});

test('a fork has its source’s place, size and project, and not what an account gives by default', async () => {
  await stage.activities.forkDatabase(stage.input);
  const source = await managed.api.databaseCluster(ownClusterId);
  const [fork] = await forks();
  const copied = ({ region, size, nodes, storageMib, series }: ManagedDatabase) => ({
    ...{ region, size, nodes, storageMib, series },
  });
  expect(copied(fork!)).toEqual(copied(source));
  expect([fork!.privateNetwork, fork!.project]).toEqual([source.privateNetwork, source.project]);
});

test('a site in the private network goes on there', async () => {
  const { activities, input, site, operationId, time } = stage;
  site.database.host = '127.0.0.1';
  const { host, port } = (await activities.forkDatabase(input)) as { host: string; port: number };
  expect(host).toBe('127.0.0.1');
  const moved = await activities.moveToForkedDatabase(input);
  expect(moved).toMatchObject({ siteFile: { 'database.host': '127.0.0.1' } });
  expect(await templateText()).toContain(`"127.0.0.1:${port}"`);
  const deps = { kubernetes: stage.k, secrets: createSecretResolver({ env: {} }) };
  const access = await forkedDatabaseAccess(deps, site, operationId, time);
  const [rows] = await withDatabase(access!, (each) => each.query('SELECT id FROM entries'));
  expect(rows).toEqual([{ id: 1 }]);
  await activities.moveBackFromForkedDatabase(input);
});

test('a lost answer, a limit and an outage make no second cluster', async () => {
  await setFaults([
    { operation: 'databases_create_cluster', disconnect: true, after: true, times: 1 },
    { operation: 'databases_get_cluster', status: 429, retryAfterSeconds: 1, times: 2 },
    { operation: 'databases_get_cluster', status: 500, times: 2 },
  ]);
  // The source is read once before, and meets the limit: the activity fails, and is tried again.
  const begun = Date.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      await stage.activities.forkDatabase(stage.input);
      break;
    } catch (error) {
      expect((error as { type?: string }).type).toMatch(/RateLimited|Unavailable/);
      if (attempt > 5) throw error;
    }
  }
  expect(Date.now() - begun).toBeGreaterThan(1_000);
  expect(await forks()).toHaveLength(1);
});

test('an answer that says when to come again says so to Temporal', async () => {
  await setFaults([
    { operation: 'databases_list_firewall_rules', status: 429, retryAfterSeconds: 7, times: 1 },
  ]);
  await expect(stage.activities.forkDatabase(stage.input)).rejects.toMatchObject({
    type: 'RateLimited',
    nextRetryDelay: 7_000,
    nonRetryable: false,
  });
});

test('pods move to the fork, the old database is read-only, and all of it goes back', async () => {
  const { activities, input, site, operationId, time, namespace } = stage;
  const before = await templateText();
  const names = forkNames(site, operationId, time);
  const { port } = (await activities.forkDatabase(input)) as { port: number };
  expect(await oldIsWritable()).toBe(true);
  expect(await templateText()).toBe(before);

  const moved = await activities.moveToForkedDatabase(input);
  const once = await templateText();
  expect(once).toContain(`"localhost:${port}"`);
  expect(once).not.toContain(`localhost:${managed.port}`);
  expect(once).not.toContain('"wordpress-database"');
  expect(once).not.toContain('"database-ca"');
  expect(await oldIsWritable()).toBe(false);
  expect(moved).toMatchObject({
    oldDatabase: { readOnly: true, why: null },
    siteFile: {
      'database.port': String(port),
      'database.credentials': `kubernetes:${namespace}/${names.credentials}`,
      'database.ca': `kubernetes:${namespace}/${names.ca}#ca.crt`,
    },
  });
  const credentials = await secretText(names.credentials);
  expect(credentials).toMatchObject({ username: 'wordpress', extra: 'stays' });
  expect(credentials!['password']).not.toBe(passwords.wordpress);
  expect(JSON.stringify(moved)).not.toContain(credentials!['password']!);
  (await managed.connect(port, 'wordpress', credentials!['password']!, 'wordpress')).destroy();
  expect((await secretText(names.ca))?.['ca.crt']?.trim()).toBe(managed.ca.trim());

  expect(await activities.moveToForkedDatabase(input)).toMatchObject({ port });
  expect(await templateText()).toBe(once);
  await expect(activities.deleteForkedDatabase(input)).rejects.toMatchObject({
    type: 'PreconditionFailed',
  });
  expect(await forks()).toHaveLength(1);

  expect(await activities.moveBackFromForkedDatabase(input)).toMatchObject({ moved: true });
  expect(await templateText()).toBe(before);
  expect(await oldIsWritable()).toBe(true);
  expect(await secretText(names.credentials)).toBeNull();
  expect(await activities.moveBackFromForkedDatabase(input)).toEqual({ moved: false });
});

test('what visitors wrote on a fork stays there when the move is taken back', async () => {
  const { activities, input, site, operationId, time } = stage;
  const names = forkNames(site, operationId, time);
  const { port } = (await activities.forkDatabase(input)) as { port: number };
  await activities.moveToForkedDatabase(input);
  const { password } = (await secretText(names.credentials)) as { password: string };
  const visitor = await managed.connect(port, 'wordpress', password, 'wordpress');
  await visitor.query('INSERT INTO entries VALUES (40)');

  expect(await activities.moveBackFromForkedDatabase(input)).toMatchObject({
    moved: true,
    keptCluster: { name: names.cluster, readOnly: true, why: null },
  });
  // As the undo of a rollback calls it; a second time because an answer may be lost.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    expect(await activities.deleteForkedDatabase(input)).toMatchObject({
      ...{ cluster: names.cluster, deleted: false, secret: names.secret },
    });
  }
  expect((await forks()).map(({ name }) => name)).toEqual([names.cluster]);
  const [rows] = await visitor.query('SELECT id FROM entries ORDER BY id');
  expect(rows).toEqual([{ id: 1 }, { id: 40 }]);
  await visitor.query('USE wordpress');
  await expect(visitor.query('INSERT INTO entries VALUES (41)')).rejects.toMatchObject({
    code: 'ER_TABLEACCESS_DENIED_ERROR',
  });
  visitor.destroy();
  expect(await secretText(names.credentials)).toBeNull();
  expect(await secretText(names.secret)).toMatchObject({ username: 'doadmin' });
});

test('a site can move to the fork once more after it has left it', async () => {
  const { activities, input } = stage;
  const { port } = (await activities.forkDatabase(input)) as { port: number };
  await activities.moveToForkedDatabase(input);
  await activities.moveBackFromForkedDatabase(input);
  await activities.moveToForkedDatabase(input);
  const { site, operationId, time } = stage;
  const names = forkNames(site, operationId, time);
  const { password } = (await secretText(names.credentials)) as { password: string };
  const visitor = await managed.connect(port, 'wordpress', password, 'wordpress');
  await visitor.query('INSERT INTO entries VALUES (41)');
  visitor.destroy();
  expect(await oldIsWritable()).toBe(false);
  await activities.moveBackFromForkedDatabase(input);
});

test('a site goes back also from a fork that does not answer any more', async () => {
  const { activities, input } = stage;
  const before = await templateText();
  await activities.forkDatabase(input);
  await activities.moveToForkedDatabase(input);
  const [fork] = await forks();
  await managed.api.deleteDatabaseCluster(fork!.id);
  expect(await activities.moveBackFromForkedDatabase(input)).toMatchObject({
    moved: true,
    keptCluster: { readOnly: false, why: expect.stringContaining('localhost') as string },
  });
  expect(await templateText()).toBe(before);
  expect(await oldIsWritable()).toBe(true);
});

test('a fork that the site has never used is deleted when it is taken back', async () => {
  const { activities, input, site, operationId, time } = stage;
  await activities.forkDatabase(input);
  expect(await activities.deleteForkedDatabase(input)).toMatchObject({ deleted: true });
  expect(await activities.deleteForkedDatabase(input)).toMatchObject({ deleted: false });
  expect(await forks()).toEqual([]);
  expect(await secretText(forkNames(site, operationId, time).secret)).toBeNull();
});

test('an account that may write by a role is named before anything is changed', async () => {
  const { activities, input } = stage;
  const before = await templateText();
  await activities.forkDatabase(input);
  for (const statement of [
    "CREATE ROLE 'shop_writer', 'shop'",
    "GRANT INSERT, UPDATE ON wordpress.* TO 'shop_writer'",
    "GRANT 'shop_writer' TO 'shop'",
    "GRANT 'shop' TO 'wordpress'@'%'",
  ]) {
    await managed.root(statement);
  }
  try {
    await expect(activities.moveToForkedDatabase(input)).rejects.toMatchObject({
      type: 'PreconditionFailed',
      message: expect.stringContaining('`shop_writer`@`%`') as string,
    });
    expect(await oldIsWritable()).toBe(true);
    expect(await templateText()).toBe(before);
    // One that only reads is no matter.
    await managed.root("REVOKE INSERT, UPDATE ON wordpress.* FROM 'shop_writer'");
    await managed.root("GRANT SELECT ON wordpress.* TO 'shop_writer'");
    await activities.moveToForkedDatabase(input);
    await activities.moveBackFromForkedDatabase(input);
  } finally {
    await managed.root("DROP ROLE 'shop_writer', 'shop'");
  }
});

test('a move that was broken off is taken back as far as it came', async () => {
  const { activities, input, k, namespace } = stage;
  await activities.forkDatabase(input);
  const before = await templateText();
  // The old database is read-only by then; the Deployment refuses, as an API server that fails would.
  const failing = vi.spyOn(k.objects, 'replace').mockRejectedValue(new Error('the server is gone'));
  await expect(activities.moveToForkedDatabase(input)).rejects.toThrow();
  failing.mockRestore();
  expect(await oldIsWritable()).toBe(false);
  await activities.moveBackFromForkedDatabase(input);
  expect(await oldIsWritable()).toBe(true);
  expect(await templateText()).toBe(before);
  expect(namespace).toBe(`site-${count}`);
});

test('pods that take their database from elsewhere are left alone', async () => {
  const { activities, input, k, namespace } = stage;
  await activities.forkDatabase(input);
  const deployment = await k.apps.readNamespacedDeployment({ name: 'wordpress', namespace });
  const [container] = deployment.spec!.template.spec!.containers;
  container!.env = container!.env!.filter(({ name }) => name !== 'WORDPRESS_DB_HOST');
  await k.apps.replaceNamespacedDeployment({ name: 'wordpress', namespace, body: deployment });
  await expect(activities.moveToForkedDatabase(input)).rejects.toMatchObject({
    type: 'PreconditionFailed',
    message: expect.stringContaining('WORDPRESS_DB_HOST') as string,
  });
  expect(await oldIsWritable()).toBe(true);
});

test('without a fork there is nothing to move to', async () => {
  await expect(stage.activities.moveToForkedDatabase(stage.input)).rejects.toMatchObject({
    type: 'PreconditionFailed',
  });
});
