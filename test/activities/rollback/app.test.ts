/**
 * Proves, with a real API server and a real catalogue, that a Deployment which is gone is made again as the recovery point has it,
 * once and as it was approved, and what is left when that is taken back. Controllers are real, no pods run: the test says that they are
 * ready. That they serve visitors is shown by the end-to-end test of rollbacks.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import type { V1Deployment } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createApp } from '../../../src/activities/rollback/app.ts';
import type { RollbackDeps } from '../../../src/activities/rollback/deps.ts';
import type { ChangeInput, ChangeResult } from '../../../src/activities/contracts.ts';
import { recoveryKey } from '../../../src/activities/recovery/objects.ts';
import type { Change } from '../../../src/domain/plan.ts';
import { planRollback } from '../../../src/domain/planners/rollback.ts';
import { openLabCatalogue, type LabCatalogue } from '../../support/catalogue-lab.ts';
import { startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';
import {
  digestA,
  hybridDeployment,
  recoveryPoint,
  rollbackFacts,
} from '../../support/rollback-facts.ts';

const revision = 'deployment.kubernetes.io/revision';
const patience = { timeout: 45_000, interval: 100 };
const objectsSecret = 'presslift-recovery-x';
let lab: RecoveryLab;
let kept: LabCatalogue;
let change: Change;
let kubelet: NodeJS.Timeout;
const point = recoveryPoint();

/** The Deployment as an earlier operation kept it, with all that the server gave it; it is deleted then. */
async function keepAndDelete(): Promise<V1Deployment> {
  const { apps } = lab.plane.admin;
  const { name, namespace } = ref();
  const body = hybridDeployment();
  body.metadata = { name, labels: { team: 'shop' }, annotations: { note: 'kept' } };
  await apps.createNamespacedDeployment({ namespace, body });
  await vi.waitFor(
    async () => expect((await live()).metadata?.annotations).toHaveProperty([revision]),
    patience,
  );
  const deployment = JSON.parse(JSON.stringify(await live())) as V1Deployment;
  await apps.deleteNamespacedDeployment({ name, namespace, propagationPolicy: 'Foreground' });
  const there = () =>
    live().then(
      () => true,
      () => false,
    );
  await vi.waitFor(async () => expect(await there()).toBe(false), patience);
  deployment.apiVersion = 'apps/v1';
  deployment.kind = 'Deployment';
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'gone' };
  deployment.metadata!.ownerReferences = [owner];
  deployment.metadata!.annotations![revision] = '3';
  return deployment;
}

beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  kept = await openLabCatalogue(lab);
  const { namespace } = kept.site.cluster;
  const deployment = await keepAndDelete();
  point.app!.secrets = [];
  await kept.catalogue.write(point);
  const content = { deployment, configMap: null };
  await lab.plane.admin.core.createNamespacedSecret({
    namespace,
    body: {
      metadata: { name: objectsSecret },
      stringData: { [recoveryKey]: JSON.stringify(content) },
    },
  });
  const facts = rollbackFacts({
    point,
    deployment: null,
    app: { objects: content, configMap: null, running: [], missingSecrets: [] },
  });
  const context = { siteDigest: digestA, execution: 'acme/rollback/x/run-1' };
  const site = structuredClone(kept.site);
  Object.assign(site.database, { host: 'db.presslift.test', port: 13306 });
  const plan = planRollback(site, facts, { layers: ['app'] }, context);
  expect(plan.findings.filter(({ level }) => level === 'error')).toEqual([]);
  [change] = plan.changes as [Change];
  kubelet = setInterval(() => void sayReady().catch(() => undefined), 200);
});
afterAll(async () => {
  clearInterval(kubelet);
  kept?.close();
  await lab?.stop();
});

const ref = () => ({ name: kept.site.cluster.deployment, namespace: kept.site.cluster.namespace });
const live = () => lab.plane.admin.apps.readNamespacedDeployment(ref());

/** What a kubelet would say of pods that run well. */
async function sayReady(): Promise<void> {
  const { core } = lab.plane.admin;
  const { namespace } = ref();
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'app=wordpress' });
  for (const { metadata, status } of items) {
    if (status?.conditions?.some(({ type }) => type === 'Ready')) continue;
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: new Date() }];
    const body = { metadata, status: { phase: 'Running', conditions } };
    await core.replaceNamespacedPodStatus({ name: metadata?.name ?? '', namespace, body });
  }
}

const run = (name: 'restoreApp' | 'returnApp', changed: Partial<Change> = {}) => {
  const activities = createApp(lab.deps as RollbackDeps);
  const input = {
    site: kept.site,
    operationId: 'acme/rollback/x/run-1',
    change: { ...change, ...changed },
    recoveryPoint: null,
  } as unknown as ChangeInput;
  return new MockActivityEnvironment().run<
    [ChangeInput],
    ChangeResult,
    (input: ChangeInput) => Promise<ChangeResult>
  >(activities[name], input);
};

it('anything but what was approved is not made', async () => {
  const after = { ...(change.after as object), replicas: 5 };
  await expect(run('restoreApp', { after })).rejects.toMatchObject({ type: 'PlanMismatch' });
  await expect(run('restoreApp', { before: change.after })).rejects.toMatchObject({
    type: 'PlanMismatch',
    message: expect.stringContaining('gone since this was approved') as unknown,
  });
  await expect(live()).rejects.toMatchObject({ code: 404 });
});

it('and taken back, nothing is made either', async () => {
  expect(await run('returnApp')).toMatchObject({ rolledOut: false });
  await expect(live()).rejects.toMatchObject({ code: 404 });
});

it('it is made again once, without what belonged to the old one', async () => {
  expect(await run('restoreApp')).toEqual({ rolledOut: true, pods: 2 });
  const made = await live();
  expect(made.metadata).toMatchObject({ labels: { team: 'shop' }, annotations: { note: 'kept' } });
  expect(made.metadata?.annotations?.[revision]).not.toBe('3');
  expect(made.metadata?.ownerReferences).toBeUndefined();
  const images = made.spec?.template.spec?.containers.map(({ image }) => image);
  expect(images).toEqual([expect.stringMatching(new RegExp(`@${digestA}$`))]);
  expect(made.spec?.selector).toEqual(hybridDeployment().spec?.selector);

  expect(await run('restoreApp')).toEqual({ rolledOut: true, pods: 2 });
  expect((await live()).metadata?.generation).toBe(made.metadata?.generation);
});

it('taken back, it stays without pods', async () => {
  expect(await run('returnApp')).toEqual({ rolledOut: true, pods: 0 });
  expect((await live()).spec?.replicas).toBe(0);
});
