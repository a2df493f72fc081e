// Proves, against a real API server, that what activities say and do about Kubernetes holds: apply, conflicts, rights,
// Jobs that are adopted. Exec needs a node and is proved by the end-to-end tests.
import type { V1ConfigMap, V1Job, V1Pod } from '@kubernetes/client-node';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  apply,
  mergePatch,
  read,
  remove,
  replace,
} from '../../../src/activities/kubernetes/apply.ts';
import { runJob } from '../../../src/activities/kubernetes/jobs.ts';
import { waitUntil } from '../../../src/activities/kubernetes/wait.ts';
import { startControlPlane, type ControlPlane } from '../../support/kube-apiserver.ts';
import { runPods } from '../../support/pod-runner.ts';

let plane: ControlPlane;
const namespace = 'default';

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane?.stop());

const mapOf = (name: string, data: Record<string, string>): V1ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
});
const ref = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name });

describe('server-side apply', () => {
  it('changes nothing when it is repeated', async () => {
    const first = await apply(plane.admin, mapOf('same', { a: '1' }));
    const second = await apply(plane.admin, mapOf('same', { a: '1' }));
    expect(second.metadata?.resourceVersion).toBe(first.metadata?.resourceVersion);
  });

  it('leaves alone what somebody else set, and fails with Conflict where both set the same', async () => {
    await plane.admin.core.createNamespacedConfigMap({
      namespace,
      body: mapOf('shared', { theirs: 'x', both: 'theirs' }),
      fieldManager: 'somebody',
    });
    await expect(apply(plane.admin, mapOf('shared', { both: 'ours' }))).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringContaining('ConfigMap default/shared') as string,
    });
    await apply(plane.admin, mapOf('shared', { both: 'ours' }), { force: true });
    const found = await read<V1ConfigMap>(plane.admin, ref('shared'));
    expect(found?.data).toEqual({ theirs: 'x', both: 'ours' });
  });

  it('names verb and object when the worker lacks the right', async () => {
    await expect(apply(plane.nobody, mapOf('denied', {}))).rejects.toMatchObject({
      type: 'Forbidden',
      nonRetryable: true,
      message: expect.stringMatching(
        /may not patch ConfigMap default\/denied: configmaps/,
      ) as string,
    });
  });
});

describe('other writes', () => {
  it('replace refuses to overwrite a change in between', async () => {
    await apply(plane.admin, mapOf('raced', { a: '1' }));
    const seen = await read<V1ConfigMap>(plane.admin, ref('raced'));
    await mergePatch(plane.admin, ref('raced'), { data: { a: '2' } });
    if (seen === null) throw new Error('not there');
    await expect(replace(plane.admin, { ...seen, data: { a: '3' } })).rejects.toMatchObject({
      type: 'Conflict',
    });
  });

  it('a merge patch takes a field away with null', async () => {
    await apply(plane.admin, mapOf('patched', { a: '1', b: '2' }));
    await mergePatch(plane.admin, ref('patched'), { data: { a: null } });
    expect((await read<V1ConfigMap>(plane.admin, ref('patched')))?.data).toEqual({ b: '2' });
  });

  it('deleting what is gone is no error', async () => {
    await apply(plane.admin, mapOf('gone', {}));
    expect(await remove(plane.admin, ref('gone'))).toBe(true);
    expect(await remove(plane.admin, ref('gone'))).toBe(false);
    expect(await read(plane.admin, ref('gone'))).toBeNull();
  });
});

const job = (name: string): V1Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace },
  spec: {
    backoffLimit: 0,
    template: {
      spec: {
        restartPolicy: 'Never',
        containers: [{ name: 'main', image: 'x', command: ['true'] }],
      },
    },
  },
});

async function jobsNamed(name: string): Promise<number> {
  const { items } = await plane.admin.batch.listNamespacedJob({ namespace });
  return items.filter(({ metadata }) => metadata?.name === name).length;
}

describe('Jobs', () => {
  it('give their message and leave nothing behind', async () => {
    const pods = runPods(plane.admin, namespace, () => '{"files":3}');
    const outcome = await runJob(plane.admin, job('copies'), { timeoutMs: 60_000 });
    await pods.stop();
    expect(outcome.message).toBe('{"files":3}');
    expect(await jobsNamed('copies')).toBe(0);
  });

  it('are adopted by a second attempt, so that one Job runs', async () => {
    const attempts = [1, 2].map(() => runJob(plane.admin, job('adopted'), { timeoutMs: 60_000 }));
    await waitUntil({
      what: 'a pod is there',
      timeoutMs: 20_000,
      intervalMs: 100,
      check: async () => {
        const { items } = await plane.admin.core.listNamespacedPod({
          namespace,
          labelSelector: 'job-name=adopted',
        });
        return items.length === 0 ? { missing: 'pod' } : { done: true };
      },
    });
    const { items } = await plane.admin.core.listNamespacedPod({
      namespace,
      labelSelector: 'job-name=adopted',
    });
    expect(items).toHaveLength(1);
    const pods = runPods(plane.admin, namespace, () => 'once');
    const outcomes = await Promise.allSettled(attempts);
    await pods.stop();
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    expect(await jobsNamed('adopted')).toBe(0);
  });

  it('fail with what the container said, and are run anew by the next attempt', async () => {
    let attempt = 0;
    const pods = runPods(plane.admin, namespace, () =>
      (attempt += 1) === 1 ? '!disk full' : 'well',
    );
    await expect(runJob(plane.admin, job('fails'), { timeoutMs: 60_000 })).rejects.toMatchObject({
      type: 'JobFailed',
      message: expect.stringContaining('disk full') as string,
    });
    const second = await runJob(plane.admin, job('fails'), { timeoutMs: 60_000 });
    await pods.stop();
    expect(second.message).toBe('well');
  });
});

describe('the end of a Job', () => {
  const podOf = (name: string, earlier?: string) =>
    waitUntil<V1Pod>({
      what: 'a pod is there',
      timeoutMs: 20_000,
      intervalMs: 100,
      check: async () => {
        const { items } = await plane.admin.core.listNamespacedPod({
          namespace,
          labelSelector: `job-name=${name}`,
        });
        const pod = items.find(({ metadata }) => metadata?.name !== earlier);
        return pod === undefined ? { missing: 'pod' } : { done: pod };
      },
    });
  /** What a kubelet says right after the container has ended: the pod itself is not over yet. */
  const endContainer = async (pod: V1Pod, exitCode: number, message: string) => {
    const name = pod.metadata?.name ?? '';
    const containerStatuses = [
      {
        name: 'main',
        image: 'x',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode, message } },
      },
    ];
    await plane.admin.core.replaceNamespacedPodStatus({
      name,
      namespace,
      body: { ...pod, status: { ...pod.status, phase: 'Running', containerStatuses } },
    });
  };

  it('is that of its container, when this ended well', async () => {
    const running = runJob(plane.admin, job('ends-well'), { timeoutMs: 30_000 });
    await endContainer(await podOf('ends-well'), 0, 'well');
    expect((await running).message).toBe('well');
    expect(await jobsNamed('ends-well')).toBe(0);
  });

  it('is what the Job says, when it did not', async () => {
    const running = runJob(plane.admin, job('ends-badly'), { timeoutMs: 4_000 });
    await endContainer(await podOf('ends-badly'), 1, 'badly');
    await expect(running).rejects.toMatchObject({ type: 'Unavailable' });
    await remove(plane.admin, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      namespace,
      name: 'ends-badly',
    });
  });

  it('is not that of a pod which an earlier Job of the name has left', async () => {
    const left = job('again').spec?.template;
    const pod = await plane.admin.core.createNamespacedPod({
      namespace,
      body: { ...left, metadata: { name: 'again-earlier', labels: { 'job-name': 'again' } } },
    });
    await endContainer(pod, 0, 'earlier');
    const running = runJob(plane.admin, job('again'), { timeoutMs: 30_000 });
    const own = await podOf('again', 'again-earlier');
    await endContainer(own, 0, 'now');
    expect((await running).message).toBe('now');
  });
});

describe('waiting in an activity', () => {
  it('heartbeats what is missing and ends when the activity is cancelled', async () => {
    const environment = new MockActivityEnvironment();
    const heartbeats: unknown[] = [];
    environment.on('heartbeat', (details) => {
      heartbeats.push(details);
      environment.cancel();
    });
    await expect(
      environment.run(() =>
        waitUntil({ what: 'never', timeoutMs: 60_000, check: async () => ({ missing: 'all' }) }),
      ),
    ).rejects.toThrow(/CANCELLED|cancel/i);
    expect(heartbeats).toContainEqual({ waitingFor: 'never', missing: 'all' });
  });

  it('gives up with what was missing', async () => {
    await expect(
      waitUntil({
        what: 'pods are ready',
        timeoutMs: 1,
        intervalMs: 1,
        onTimeout: 'RolloutStuck',
        check: async () => ({ missing: 'pod a is Pending' }),
      }),
    ).rejects.toMatchObject({
      type: 'RolloutStuck',
      message: expect.stringContaining('pod a is Pending') as string,
    });
  });
});
