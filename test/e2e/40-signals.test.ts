/**
 * Phase 1 with nothing but the `temporal` CLI: started by `workflow start`, approved by `workflow signal`. Proves the end
 * state from the cluster. Runs with one worker and no disturbance.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resetAcme } from '../../deploy/sandbox/acme/reset.ts';
import type { OperationReport } from '../../src/domain/operation.ts';
import {
  openGateDigest,
  resultOf,
  signal,
  startWithTemporal,
  untilClosed,
} from './support/operations.ts';
import { kubectlJson, readyPods, startWorker, type WorkerProcess } from './support/platform.ts';

const id = 'acme/hybridStorage';
let worker: WorkerProcess;

beforeAll(async () => {
  await resetAcme();
  worker = await startWorker();
});

afterAll(async () => {
  await worker.stop();
});

test('phase 1 started and approved by the temporal CLI alone', async () => {
  await startWithTemporal('hybridStorage', id, { site: 'acme' });
  const digest = await openGateDigest(id);
  await signal(id, 'approve', { gate: 'apply', digest, approver: 'alice' });
  expect(await untilClosed(id)).toBe('COMPLETED');
  const report = await resultOf<OperationReport>(id);
  expect(report.criteria.filter(({ pass }) => !pass)).toEqual([]);

  const deployment = await kubectlJson<{ spec: { replicas: number } }>([
    'get',
    'deployment/wordpress',
    '-n',
    'acme',
  ]);
  expect(deployment.spec.replicas).toBe(2);
  expect(await readyPods()).toHaveLength(2);
  const claim = await kubectlJson<{ spec: { accessModes: string[] }; status: { phase: string } }>([
    'get',
    'pvc/wp-content',
    '-n',
    'acme',
  ]);
  expect(claim.spec.accessModes).toEqual(['ReadWriteMany']);
  expect(claim.status.phase).toBe('Bound');
});
