/**
 * Where a drill restores to, on a real API server with the worker's rights and a real MySQL: what is made, whom it lets in, what
 * is refused, and that nothing stays. What is restored there is proved in test/activities/recovery and end to end.
 */
import { readFile } from 'node:fs/promises';
import { KubeConfig, type KubernetesObject, type V1Namespace } from '@kubernetes/client-node';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createDrillActivities, type DrillDeps } from '../../../src/activities/drill/index.ts';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import { apply } from '../../../src/activities/kubernetes/apply.ts';
import { clientsOf, type KubernetesClients } from '../../../src/activities/kubernetes/clients.ts';
import { openCatalogue } from '../../../src/activities/recovery/catalogue.ts';
import { drillNames } from '../../../src/domain/recovery/drill-place.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import { labAdmin, startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';
import { withDatabase } from '../../../src/activities/recovery/database.ts';

let lab: RecoveryLab;
let worker: KubernetesClients;
let running: Set<string>;
let drills: ReturnType<typeof createDrillActivities>;
let site: Site;

const pointId = '20261123T030000Z-acme-backup';
const point = {
  schema: 1,
  id: pointId,
  site: 'acme',
  reason: 'manual',
  operationId: 'acme/backup/1',
  takenAt: '2026-11-23T03:00:00Z',
  finishedAt: '2026-11-23T03:01:00Z',
  sentinel: null,
  wordpress: null,
  files: null,
  database: {
    repository: '',
    snapshotId: 'a'.repeat(64),
    bytes: 1,
    manifest: {
      schema: 'wordpress',
      charset: 'latin1',
      collation: 'latin1_german1_ci',
      tables: [],
      triggers: {},
      routines: {},
      events: {},
      views: {},
    },
    server: { version: '', host: '' },
    gtid: null,
    managedBackups: [],
  },
  app: null,
  cdn: null,
  objectStorage: null,
  missing: [],
} satisfies RecoveryPoint;

beforeAll(async () => {
  lab = await startRecoveryLab();
  site = lab.site;
  const admin = lab.plane.admin;
  const rights = await readFile(new URL('../../../deploy/rbac.yaml', import.meta.url), 'utf8');
  const objects = parseAllDocuments(rights).map((one) => one.toJS() as KubernetesObject);
  const first = (one: KubernetesObject) => Number(one.kind !== 'Namespace');
  for (const object of objects.sort((a, b) => first(a) - first(b))) await apply(admin, object);
  await apply(admin, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'presslift-worker', namespace: site.cluster.namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'presslift-site' },
    subjects: [{ kind: 'ServiceAccount', name: 'presslift-worker', namespace: 'presslift' }],
  } as KubernetesObject);
  worker = asWorker(admin);
  await policyHolds();
  const catalogue = await openCatalogue(lab.deps, site);
  await catalogue.write(point);
  catalogue.close();
});
afterAll(() => lab?.stop());

beforeEach(() => {
  running = new Set();
  const deps: DrillDeps = {
    ...lab.deps,
    kubernetes: worker,
    isRunning: async (operation) => running.has(operation),
  };
  drills = createDrillActivities(deps);
});
afterEach(async () => {
  running.clear();
  await drills.sweepDrills({ site, operationId: 'acme/drill/after' });
});

/** The same API server, asked as the ServiceAccount of deploy/rbac.yaml. */
function asWorker(admin: KubernetesClients): KubernetesClients {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [admin.config.getCurrentCluster()],
    users: [
      {
        ...admin.config.getCurrentUser(),
        name: 'user',
        impersonateUser: 'system:serviceaccount:presslift:presslift-worker',
      },
    ],
    contexts: [
      { ...admin.config.getContextObject(admin.config.getCurrentContext()), user: 'user' },
    ],
    currentContext: admin.config.getCurrentContext(),
  });
  return clientsOf(config);
}

const open = (drill: string, operationId = `acme/drill/${drill}`) =>
  drills.openDrill({ site, drill, operationId, point: pointId });

const namespaces = async () =>
  (await lab.plane.admin.core.listNamespace()).items
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata?.name ?? '')
    .filter((name) => name.startsWith('presslift-drill-'));

const sql = async (statement: string) =>
  withDatabase(await labAdmin(lab), async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>(statement);
    return Array.isArray(rows) ? rows.map((row) => Object.values(row) as unknown[]) : [];
  });

const schemas = async () => (await sql("SHOW DATABASES LIKE 'presslift%'")).flat();
const users = async () =>
  (await sql("SELECT user FROM mysql.user WHERE user LIKE 'presslift%'")).flat();

async function refusal(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => null,
    (error: unknown) => failureTypeOf(error) ?? String(error),
  );
}

const gone = (name: string) =>
  lab.plane.admin.core.readNamespace({ name }).then(
    () => false,
    () => true,
  );

/** A policy is enforced a moment after it was made. */
async function policyHolds(): Promise<void> {
  for (;;) {
    const refused = await worker.core
      .createNamespace({ body: { metadata: { name: 'presslift-drill-unlabelled' } } })
      .then(() => false)
      .catch(() => true);
    if (refused) return;
    await lab.plane.admin.core.deleteNamespace({ name: 'presslift-drill-unlabelled' });
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

describe('opening', () => {
  test('makes a namespace, a closed-off one, and a database of its own', async () => {
    const place = await open('one');
    expect(place).toEqual({
      drill: 'one',
      ...drillNames(site, 'one'),
      point: pointId,
      takenAt: point.takenAt,
    });
    expect(await namespaces()).toEqual([place.namespace]);
    expect(await schemas()).toEqual([place.database]);
    expect(await users()).toEqual([place.database]);
    const { items } = await lab.plane.admin.networking.listNamespacedNetworkPolicy({
      namespace: place.namespace,
    });
    expect(items.map(({ metadata }) => metadata?.name)).toEqual([
      'presslift-drill-jobs',
      'presslift-drill-site',
    ]);
    // What the point's own database had.
    expect(
      await sql(
        `SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '${place.database}'`,
      ),
    ).toEqual([['latin1_german1_ci']]);
  });

  test('once more is the same, with the same password', async () => {
    const seal = async (namespace: string) =>
      (await lab.plane.admin.core.readNamespacedSecret({ namespace, name: 'presslift-drill' }))
        .data?.['password'];
    const first = await open('one');
    const password = await seal(first.namespace);
    expect(await open('one')).toEqual(first);
    expect(await seal(first.namespace)).toBe(password);
    expect(await namespaces()).toHaveLength(1);
  });

  test('its account reaches its own schema and no other, also none that is called alike', async () => {
    const { namespace, database } = await open('one');
    const { data } = await lab.plane.admin.core.readNamespacedSecret({
      namespace,
      name: 'presslift-drill',
    });
    const alike = database.replaceAll('_', 'x');
    await sql(`CREATE DATABASE ${alike}`);
    const connection = await createConnection({
      host: '127.0.0.1',
      port: lab.database?.port,
      user: database,
      password: Buffer.from(data?.['password'] ?? '', 'base64').toString(),
      ssl: { ca: lab.database?.ca, rejectUnauthorized: true },
    });
    try {
      await connection.query(`CREATE TABLE ${database}.t (a INT PRIMARY KEY)`);
      const [visible] = await connection.query<RowDataPacket[]>('SHOW DATABASES');
      expect(visible.map((row) => String(row['Database']))).toEqual(
        expect.not.arrayContaining(['wordpress', alike]),
      );
      for (const other of ['wordpress', alike, 'mysql']) {
        await expect(
          connection.query(`CREATE TABLE ${other}.t (a INT PRIMARY KEY)`),
        ).rejects.toThrow(/denied/);
      }
    } finally {
      connection.destroy();
      await sql(`DROP DATABASE ${alike}`);
    }
  });

  test('a namespace of that name that is not this drill’s is refused, and stays', async () => {
    const { namespace } = drillNames(site, 'taken');
    const others: V1Namespace['metadata'][] = [
      { name: namespace },
      {
        name: namespace,
        labels: {
          'app.kubernetes.io/managed-by': 'presslift',
          'presslift.dev/role': 'drill',
          'presslift.dev/site': 'acme',
        },
        annotations: { 'presslift.dev/drill': 'another' },
      },
    ];
    for (const metadata of others) {
      await lab.plane.admin.core.createNamespace({ body: { metadata } });
      expect(await refusal(open('taken'))).toBe('PreconditionFailed');
      await drills.tearDownDrill({ site, drill: 'taken', operationId: 'x' });
      expect(await namespaces()).toEqual([namespace]);
      expect(await schemas()).toEqual([]);
      await lab.plane.admin.core.deleteNamespace({ name: namespace });
      await expect
        .poll(() => lab.plane.admin.core.readNamespace({ name: namespace }).catch(() => null), {
          timeout: 30_000,
        })
        .toBeNull();
    }
  });

  test('a schema of that name that is not this drill’s is refused, and stays', async () => {
    const { database } = drillNames(site, 'taken');
    await sql(`CREATE DATABASE ${database}`);
    await sql(`CREATE TABLE ${database}.precious (a INT PRIMARY KEY)`);
    expect(await refusal(open('taken'))).toBe('PreconditionFailed');
    await drills.tearDownDrill({ site, drill: 'taken', operationId: 'x' });
    await drills.sweepDrills({ site, operationId: 'x' });
    expect(await sql(`SHOW TABLES FROM ${database}`)).toEqual([['precious']]);
    await sql(`DROP DATABASE ${database}`);
  });

  test('without a class for its volumes it makes nothing, and says what to set', async () => {
    const volume = {
      ...{ claim: 'wp-content', subPath: '', provides: ['wp-content/plugins'], size: '1Gi' },
      ...{ storageClass: 'fixed', accessModes: ['ReadWriteMany'] },
    };
    const files = { repository: '', snapshotId: 'b'.repeat(64), volumes: [volume] };
    const id = '20261123T030001Z-acme-backup';
    const catalogue = await openCatalogue(lab.deps, site);
    await catalogue.write({ ...point, id, files } as unknown as RecoveryPoint);
    try {
      const asked = { site, drill: 'fixed', operationId: 'x', point: id };
      await expect(drills.openDrill(asked)).rejects.toThrow(/drill\.storageClass/);
      expect([await namespaces(), await schemas()]).toEqual([[], []]);
    } finally {
      await catalogue.remove(id);
      catalogue.close();
    }
  });

  test('a point that is not there, or of another site, makes nothing', async () => {
    const ask = (id: string) =>
      drills.openDrill({ site, drill: 'none', operationId: 'x', point: id });
    expect(await refusal(ask('20200101T000000Z-acme-backup'))).toBe('NotFound');
    expect(await refusal(ask('20200101T000000Z-other-backup'))).toBe('InvalidInput');
    expect(await namespaces()).toEqual([]);
    expect(await schemas()).toEqual([]);
  });
});

describe('removing', () => {
  test('a teardown leaves nothing, and a second one finds nothing', async () => {
    await open('one');
    for (let round = 0; round < 2; round += 1) {
      await drills.tearDownDrill({ site, drill: 'one', operationId: 'acme/drill/one' });
      expect([await namespaces(), await schemas(), await users()]).toEqual([[], [], []]);
    }
  });

  test('a teardown of a drill that never began is no error', async () => {
    await drills.tearDownDrill({ site, drill: 'never', operationId: 'x' });
  });

  test('a sweep removes what dead drills have left, and nothing of those that run', async () => {
    running.add('acme/drill/alive');
    const alive = await open('alive');
    const dead = await open('dead');
    const { removed } = await drills.sweepDrills({ site, operationId: 'acme/drill/new' });
    expect(removed.sort()).toEqual([`Database ${dead.database}`, `Namespace ${dead.namespace}`]);
    expect(await namespaces()).toEqual([alive.namespace]);
    expect(await schemas()).toEqual([alive.database]);
    expect(await users()).toEqual([alive.database]);
  });

  test('what an earlier run of the same workflow has left goes too', async () => {
    running.add('acme/drill/same');
    const { namespace } = await open('earlier', 'acme/drill/same');
    const { removed } = await drills.sweepDrills({ site, operationId: 'acme/drill/same' });
    expect(removed).toContain(`Namespace ${namespace}`);
  });

  test('a database whose namespace is gone is found, also without its schema', async () => {
    const first = await open('one');
    const second = await open('two');
    await sql(`DROP DATABASE ${second.database}`);
    for (const { namespace } of [first, second]) {
      await lab.plane.admin.core.deleteNamespace({ name: namespace });
    }
    await expect.poll(namespaces, { timeout: 30_000 }).toEqual([]);
    const { removed } = await drills.sweepDrills({ site, operationId: 'x' });
    expect(removed).toEqual(
      expect.arrayContaining([`Database ${first.database}`, `Database ${second.database}`]),
    );
    expect([await schemas(), await users()]).toEqual([[], []]);
  });

  test('a namespace that does not go holds up no later drill, and is told', async () => {
    const { namespace } = await open('stuck');
    const body = { metadata: { name: 'held', finalizers: ['presslift.dev/nobody-serves-it'] } };
    await lab.plane.admin.core.createNamespacedConfigMap({ namespace, body });
    await lab.plane.admin.core.deleteNamespace({ name: namespace });
    const began = Date.now();
    const { removed, remaining } = await drills.sweepDrills({ site, operationId: 'x' });
    expect(removed).not.toContain(`Namespace ${namespace}`);
    expect(remaining).toContainEqual(expect.stringContaining(namespace));
    expect(Date.now() - began).toBeLessThan(20_000);
    await lab.plane.admin.core.replaceNamespacedConfigMap({
      namespace,
      name: 'held',
      body: { metadata: { name: 'held' } },
    });
    await expect.poll(async () => gone(namespace), { timeout: 30_000 }).toBe(true);
  });

  test('a volume that its class retains is named by the teardown and by the next sweep', async () => {
    const { namespace } = await open('one');
    const name = 'pvc-of-a-drill';
    await lab.plane.admin.core.createPersistentVolume({
      body: {
        metadata: { name },
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteMany'],
          persistentVolumeReclaimPolicy: 'Retain',
          storageClassName: 'keeps',
          claimRef: { namespace, name: 'wp-content' },
          nfs: { server: '192.0.2.1', path: '/' },
        },
      },
    });
    try {
      const input = { site, drill: 'one', operationId: 'acme/drill/one' };
      // Namespaces of tests before may still be on their way out.
      const told = expect.arrayContaining([
        expect.stringContaining(`PersistentVolume ${name} (keeps)`),
      ]) as string[];
      expect(await drills.tearDownDrill(input)).toEqual({ remaining: told });
      expect(await drills.sweepDrills(input)).toEqual({ removed: [], remaining: told });
    } finally {
      await lab.plane.admin.core.deletePersistentVolume({ name });
    }
  });

  test('another site’s drills stay', async () => {
    const other: Site = { ...site, name: 'other' };
    await open('one');
    await drills.sweepDrills({ site: other, operationId: 'x' });
    expect(await namespaces()).toHaveLength(1);
    expect(await schemas()).toHaveLength(1);
  });
});

describe('the worker’s rights', () => {
  const namespace = (name: string, labels: Record<string, string> = {}) => ({
    body: { metadata: { name, labels } },
  });
  const ours = {
    'app.kubernetes.io/managed-by': 'presslift',
    'presslift.dev/site': 'acme',
    'presslift.dev/role': 'drill',
  };
  const binding = (change: object = {}) => ({
    metadata: { name: 'more' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'presslift-site' },
    subjects: [{ kind: 'ServiceAccount', name: 'presslift-worker', namespace: 'presslift' }],
    ...change,
  });
  const bind = async (where: string, change: object = {}) => {
    const { RbacAuthorizationV1Api } = await import('@kubernetes/client-node');
    const api = worker.config.makeApiClient(RbacAuthorizationV1Api);
    return api.createNamespacedRoleBinding({ namespace: where, body: binding(change) });
  };

  test('make no namespace but a drill’s', async () => {
    for (const body of [
      namespace('anything', ours),
      namespace('presslift-drill-x'),
      namespace('presslift-drill-x', { ...ours, 'presslift.dev/role': 'other' }),
    ]) {
      await expect(worker.core.createNamespace(body)).rejects.toThrow(/403/);
    }
  });

  test('delete no namespace but a drill’s', async () => {
    await lab.plane.admin.core.createNamespace(namespace('shop', ours));
    await lab.plane.admin.core.createNamespace(namespace('presslift-drill-foreign'));
    for (const name of ['shop', 'presslift-drill-foreign', 'default', 'kube-system']) {
      await expect(worker.core.deleteNamespace({ name })).rejects.toThrow(/403/);
    }
    await lab.plane.admin.core.deleteNamespace({ name: 'presslift-drill-foreign' });
  });

  test('bind that one role, to the worker, in drills’ namespaces alone', async () => {
    const { namespace: own } = await open('one');
    for (const [where, change] of [
      ['kube-system', {}],
      ['presslift', {}],
      [own, { subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'shop' }] }],
      [own, { roleRef: { ...binding().roleRef, name: 'presslift-cluster' } }],
      [own, { roleRef: { ...binding().roleRef, name: 'cluster-admin' } }],
    ] as const) {
      await expect(bind(where, change), `${where} ${JSON.stringify(change)}`).rejects.toThrow(
        /403/,
      );
    }
    await bind(own);
  });
});
