// Proves phase 1's changes and undos against a real API server and the real controllers of Deployments, Jobs and
// EndpointSlices: what each leaves in the cluster, that a second call changes nothing, that drift is refused, and that the
// undo leaves every object as it was. Pods have no node here: files, PHP and visitors are proved by the end-to-end tests.
import type {
  V1Deployment,
  V1PodDisruptionBudget,
  V1Secret,
  V1Service,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChangeInput, HybridStorageActivities } from '../../../src/activities/contracts.ts';
import {
  listPods,
  requireDeployment,
  selectorOf,
} from '../../../src/activities/kubernetes/site-objects.ts';
import {
  createDriftDetection,
  createHybridObservers,
  createHybridStorageActivities,
} from '../../../src/activities/hybrid-storage/index.ts';
import { observed, observationKeys } from '../../../src/domain/planners/hybrid-storage-facts.ts';
import { createRecoveryActivities } from '../../../src/activities/recovery/index.ts';
import { apply, mergePatch, read } from '../../../src/activities/kubernetes/apply.ts';
import { waitUntil } from '../../../src/activities/kubernetes/wait.ts';
import type { WordPressAgent, WordPressFacts } from '../../../src/activities/wordpress/agent.ts';
import { hybridNames } from '../../../src/domain/kubernetes/names.ts';
import type { RecoveryPointRef } from '../../../src/domain/operation.ts';
import type { Plan } from '../../../src/domain/plan.ts';
import { saltKeys } from '../../../src/domain/planners/hybrid-storage-changes.ts';
import { planHybridStorage } from '../../../src/domain/planners/hybrid-storage.ts';
import { startControlPlane, type ControlPlane } from '../../support/kube-apiserver.ts';
import {
  acme,
  beforeDeployment,
  beforeFacts,
  beforeService,
} from '../../support/hybrid-fixtures.ts';
import { runPods } from '../../support/pod-runner.ts';

vi.setConfig({ testTimeout: 120_000 });

const operationId = 'acme/hybridStorage';
const salts = Object.fromEntries(saltKeys.map((key) => [key, `value of ${key}`]));
const copyMessage = JSON.stringify({
  plugins: { files: 3, bytes: 9, digest: 'sha256:same', links: 0, copied: 3, removed: 0 },
  themes: { files: 3, bytes: 9, digest: 'sha256:same', links: 0, copied: 3, removed: 0 },
  manifest: { files: 6, digest: 'sha256:manifest' },
});

let plane: ControlPlane;
let nodes: { stop(): Promise<void> };
let namespaceCount = 0;
/** Jobs that ran to their end, by name. */
let jobsRun: string[] = [];

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane?.stop());

/** An agent whose answers the test sets; PHP itself is proved elsewhere. */
function pretendAgent() {
  const answers = {
    digest: (_pod: string) => 'sha256:same',
    siteUrl: (_pod: string) => 'https://acme',
  };
  const agent: WordPressAgent = {
    run: async (_site, _pod, operation) => (operation === 'salts' ? { ...salts } : {}),
    facts: async (_site, pod) =>
      ({
        siteUrl: answers.siteUrl(pod),
        tablePrefix: 'wp_',
        saltsFingerprint: 'sha256:salts',
        activePlugins: ['akismet/akismet.php'],
        plugins: [],
        configHashes: { WP_DEBUG: 'x' },
      }) as unknown as WordPressFacts,
    treeDigests: async (_site, pod, folders) =>
      Object.fromEntries(
        folders.map((folder) => [folder, { files: 3, bytes: 9, digest: answers.digest(pod) }]),
      ),
  };
  return { agent, answers };
}

interface Stage {
  site: ReturnType<typeof acme>;
  activities: HybridStorageActivities;
  answers: ReturnType<typeof pretendAgent>['answers'];
  plan: Plan;
  recoveryPoint: RecoveryPointRef;
  input(changeId: string): ChangeInput;
  deployment(): Promise<V1Deployment>;
  selector(): Promise<Record<string, string>>;
  pods(): Promise<string>;
  deps: Parameters<typeof createRecoveryActivities>[0];
}

/** A namespace of its own with the site as it is before phase 1, its plan and its recovery point. */
async function stage(change: (deployment: V1Deployment) => void = () => undefined): Promise<Stage> {
  namespaceCount += 1;
  const namespace = `site-${namespaceCount}`;
  const site = acme((file) => {
    (file['cluster'] as unknown as Record<string, unknown>)['namespace'] = namespace;
  });
  const k = plane.admin;
  await apply(k, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  nodes = runPods(k, namespace, (pod) => {
    jobsRun.push(pod.metadata?.labels?.['job-name'] ?? '');
    return copyMessage;
  });
  const before = beforeDeployment();
  change(before);
  before.metadata = { name: 'wordpress', namespace };
  await k.apps.createNamespacedDeployment({ namespace, body: before });
  const service = beforeService();
  service.metadata = { name: 'wordpress', namespace };
  await k.core.createNamespacedService({ namespace, body: service });
  await k.core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { name: 'wordpress-extra' }, data: { extra: beforeFacts().extra.text } },
  });
  const { agent, answers } = pretendAgent();
  const deps = {
    kubernetes: k,
    agent,
    drainMs: 500,
    openSession: async () => ['cookie-value'],
    readCdnRules: async () => null,
    now: () => new Date('2026-01-01T00:00:00Z'),
  };
  const deployment = () => requireDeployment(k, site);
  const selector = async () =>
    (await read<V1Service>(k, { apiVersion: 'v1', kind: 'Service', namespace, name: 'wordpress' }))
      ?.spec?.selector ?? {};
  await waitUntil({
    what: 'the old pod is ready',
    timeoutMs: 30_000,
    intervalMs: 100,
    check: async () => {
      const pods = await listPods(k, site, { app: 'wordpress' });
      return pods.length > 0 && pods.every(({ ready }) => ready)
        ? { done: true }
        : { missing: 'pod' };
    },
  });
  const live = await deployment();
  delete live.status;
  const plan = planHybridStorage(
    site,
    beforeFacts({
      deployment: live,
      service: await read(k, { apiVersion: 'v1', kind: 'Service', namespace, name: 'wordpress' }),
    }),
    { siteDigest: 'sha256:site' },
  );
  const recoveryPoint = await createRecoveryActivities(deps).takeRecoveryPoint({
    site,
    id: 'point-1',
    operationId,
    plan,
  });
  return {
    site,
    activities: createHybridStorageActivities(deps),
    answers,
    plan,
    recoveryPoint,
    deps,
    deployment,
    selector,
    input(changeId) {
      const found = plan.changes.find(({ id }) => id === changeId);
      if (found === undefined) throw new Error(`the plan has no ${changeId}`);
      return { site, operationId, change: found, recoveryPoint };
    },
    async pods() {
      const pods = await listPods(k, site, selectorOf(await deployment()));
      return pods
        .filter(({ terminating }) => !terminating)
        .map(({ tracked }) => (tracked ? 'new' : 'old'))
        .join(' ');
    },
  };
}

/** The claim's copy is asked of a Job that the pretended node ends at once; the claim itself needs no storage here. */
async function prepare(s: Stage) {
  await apply(plane.admin, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'wp-content', namespace: s.site.cluster.namespace },
    spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
  } as never);
  await s.activities.copyExtensions(s.input('copy-extensions'));
  await s.activities.keepSalts(s.input('keep-salts'));
  await s.activities.applyConfiguration(s.input('apply-configuration'));
  await s.activities.applyDisruptionBudget(s.input('apply-disruption-budget'));
}

beforeEach(() => {
  jobsRun = [];
  return async () => {
    await nodes?.stop();
  };
});

const forward = [
  ['start-new-pods', 'startNewPods'],
  ['move-traffic', 'moveTraffic'],
  ['retire-old-pods', 'retireOldPods'],
  ['scale-out', 'scaleOut'],
] as const;

describe('phase 1', () => {
  it('moves a site step by step, each step twice with the same end, and undoes it completely', async () => {
    const s = await stage((d) => {
      // The strategy of most sites on a ReadWriteOnce volume.
      if (d.spec) d.spec.strategy = { type: 'Recreate' };
    });
    const before = await s.deployment();
    await prepare(s);

    const seen: Record<string, unknown> = {};
    for (const [id, name] of forward) {
      await s.activities[name](s.input(id));
      const once = await s.deployment();
      await s.activities[name](s.input(id));
      const twice = await s.deployment();
      expect(twice.metadata?.generation, id).toBe(once.metadata?.generation);
      seen[id] = { pods: await s.pods(), track: (await s.selector())['presslift.dev/track'] };
    }
    expect(seen).toEqual({
      'start-new-pods': { pods: 'old new', track: undefined },
      'move-traffic': { pods: 'old new', track: 'hybrid' },
      'retire-old-pods': { pods: 'new', track: 'hybrid' },
      'scale-out': { pods: 'new new', track: 'hybrid' },
    });
    expect(jobsRun).toEqual([`wordpress-copy-extensions-0-${jobsRun[0]?.split('-').at(-1)}`]);

    for (const _round of [1, 2]) {
      await s.activities.restoreScale(s.input('scale-out'));
      await s.activities.reviveOldPods(s.input('retire-old-pods'));
      expect(await s.pods()).toMatch(/old/);
      await s.activities.returnTraffic(s.input('move-traffic'));
      await s.activities.removeNewPods(s.input('start-new-pods'));
      await s.activities.restoreDisruptionBudget(s.input('apply-disruption-budget'));
      await s.activities.deleteConfiguration(s.input('apply-configuration'));
      await s.activities.deleteSalts(s.input('keep-salts'));
      if (_round === 1) {
        expect((await s.deployment()).spec).toEqual(before.spec);
        expect(await s.selector()).toEqual({ app: 'wordpress' });
        expect(await s.pods()).toBe('old');
      }
    }
    expect((await s.deployment()).spec).toEqual(before.spec);
    expect(await s.pods()).toBe('old');
    const { namespace } = s.site.cluster;
    const names = hybridNames(s.site);
    for (const [kind, apiVersion, name] of [
      ['Secret', 'v1', names.saltsSecret],
      ['ConfigMap', 'v1', names.configMap],
      ['PodDisruptionBudget', 'policy/v1', 'wordpress'],
    ] as const) {
      expect(await read(plane.admin, { apiVersion, kind, namespace, name }), kind).toBeNull();
    }
  });

  it('keeps the live salts, as they are', async () => {
    const s = await stage();
    await s.activities.keepSalts(s.input('keep-salts'));
    const { namespace } = s.site.cluster;
    const ref = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'wordpress-salts' };
    const kept = await read<V1Secret>(plane.admin, ref);
    const values = Object.entries(kept?.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString(),
    ]);
    expect(Object.fromEntries(values)).toEqual(salts);
    expect(await s.activities.keepSalts(s.input('keep-salts'))).toEqual({
      kept: true,
      changed: false,
    });
  });

  it('copies again when files changed since the copy, and goes on', async () => {
    const s = await stage();
    await prepare(s);
    s.answers.digest = (pod) => (jobsRun.length < 2 ? `sha256:${pod}` : 'sha256:same');
    expect(await s.activities.startNewPods(s.input('start-new-pods'))).toMatchObject({
      recopied: true,
    });
    expect(jobsRun).toHaveLength(2);
  });

  it('stops with ExtensionsDiffer when files differ even after a second copy, with visitors on the old pods', async () => {
    const s = await stage();
    await prepare(s);
    s.answers.digest = (pod) => `sha256:${pod}`;
    await expect(s.activities.startNewPods(s.input('start-new-pods'))).rejects.toMatchObject({
      type: 'ExtensionsDiffer',
    });
    expect(await s.selector()).toEqual({ app: 'wordpress' });
    expect(await s.pods()).toBe('old new');
  });

  it('stops with SiteBroken when new pods see another site', async () => {
    const s = await stage();
    await prepare(s);
    s.answers.siteUrl = (pod) => pod;
    await expect(s.activities.startNewPods(s.input('start-new-pods'))).rejects.toMatchObject({
      type: 'SiteBroken',
      message: expect.stringContaining('the site URL') as string,
    });
  });

  it('refuses a Deployment that is not what was approved', async () => {
    const s = await stage();
    const { namespace } = s.site.cluster;
    const ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'wordpress' };
    await mergePatch(plane.admin, ref, {
      spec: { template: { metadata: { labels: { new: 'label' } } } },
    });
    await expect(s.activities.startNewPods(s.input('start-new-pods'))).rejects.toMatchObject({
      type: 'PlanMismatch',
    });
  });

  it('refuses configuration that is not what was approved', async () => {
    const s = await stage();
    const { namespace } = s.site.cluster;
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'wordpress-extra' };
    await mergePatch(plane.admin, ref, { data: { extra: "define('OTHER', 1);" } });
    await expect(
      s.activities.applyConfiguration(s.input('apply-configuration')),
    ).rejects.toMatchObject({ type: 'PlanMismatch' });
  });

  it('ends no old pod while visitors may be on it', async () => {
    const s = await stage();
    await prepare(s);
    await s.activities.startNewPods(s.input('start-new-pods'));
    await expect(s.activities.retireOldPods(s.input('retire-old-pods'))).rejects.toMatchObject({
      type: 'PreconditionFailed',
    });
    expect(await s.pods()).toBe('old new');
  });

  it("gives somebody's own disruption budget its values back", async () => {
    const s = await stage();
    const { namespace } = s.site.cluster;
    const own: V1PodDisruptionBudget = {
      metadata: { name: 'own', namespace },
      spec: { maxUnavailable: 2, selector: { matchLabels: { app: 'wordpress' } } },
    };
    await plane.admin.policy.createNamespacedPodDisruptionBudget({ namespace, body: own });
    const point = await createRecoveryActivities(s.deps).takeRecoveryPoint({
      site: s.site,
      id: 'point-2',
      operationId,
      plan: s.plan,
    });
    const base = s.input('apply-disruption-budget');
    const input = {
      ...base,
      recoveryPoint: point,
      change: { ...base.change, params: { name: 'own', replaces: true } },
    };
    const ref = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', namespace, name: 'own' };
    await s.activities.applyDisruptionBudget(input);
    expect((await read<V1PodDisruptionBudget>(plane.admin, ref))?.spec).toMatchObject({
      minAvailable: 1,
    });
    expect(
      (await read<V1PodDisruptionBudget>(plane.admin, ref))?.spec?.maxUnavailable,
    ).toBeUndefined();
    await s.activities.restoreDisruptionBudget(input);
    expect((await read<V1PodDisruptionBudget>(plane.admin, ref))?.spec).toEqual(own.spec);
  });
});

describe('the recovery point', () => {
  it('is taken once for an id, however often it is asked for', async () => {
    const s = await stage();
    const later = { ...s.deps, now: () => new Date('2027-01-01T00:00:00Z') };
    const again = await createRecoveryActivities(later).takeRecoveryPoint({
      site: s.site,
      id: 'point-1',
      operationId,
      plan: s.plan,
    });
    expect(again).toEqual(s.recoveryPoint);
    expect(again.takenAt).toBe('2026-01-01T00:00:00.000Z');
    expect(again.contains).toContain(`Deployment ${s.site.cluster.namespace}/wordpress`);
    expect(again.missing.join()).toContain('snapshot');
    expect(JSON.stringify(again)).not.toContain('cookie-value');
  });

  it('is asked for by every undo: without it nothing is guessed', async () => {
    const s = await stage();
    const input = { ...s.input('start-new-pods'), recoveryPoint: null };
    await expect(s.activities.removeNewPods(input)).rejects.toMatchObject({
      type: 'PreconditionFailed',
    });
  });
});

describe('drift', () => {
  it('is seen in each object that a plan observes, and only there', async () => {
    const s = await stage();
    const { namespace } = s.site.cluster;
    const keys = observationKeys(namespace, { ...s.site.cluster, ...hybridNames(s.site) });
    const { detectDrift } = createDriftDetection(createHybridObservers(s.deps));
    const observations = s.plan.observations.filter(
      ({ key }) => !key.startsWith('tree:') && !key.startsWith('wordpress:'),
    );
    expect(await detectDrift({ site: s.site, observations })).toEqual([]);
    const ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'wordpress' };
    await mergePatch(plane.admin, ref, { spec: { revisionHistoryLimit: 3 } });
    const drift = await detectDrift({ site: s.site, observations });
    expect(drift.map(({ key }) => key)).toEqual([keys.deployment]);
    expect(drift[0]?.found).toBe(observed.deployment(await s.deployment()));
  });

  it('refuses a key that nobody looks at', async () => {
    const s = await stage();
    const { detectDrift } = createDriftDetection(createHybridObservers(s.deps));
    const observations = [{ key: 'unknown:thing', title: 'x', digest: 'sha256:x' }];
    await expect(detectDrift({ site: s.site, observations })).rejects.toMatchObject({
      type: 'InvalidInput',
    });
  });
});
