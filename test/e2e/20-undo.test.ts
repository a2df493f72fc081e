/**
 * The last change of phase 1 is made to fail by the cluster itself (an admission policy forbids two replicas). Proves that
 * the operation stops and asks, and that `compensate` leaves the site as it was: objects, and plugins and themes byte for
 * byte. Does not prove undo after a worker's death.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resetAcme } from '../../deploy/sandbox/acme/reset.ts';
import type { OperationReport } from '../../src/domain/operation.ts';
import {
  approve,
  openGateDigest,
  resultOf,
  startWithTemporal,
  untilClosed,
  untilState,
} from './support/operations.ts';
import {
  eventually,
  extensionHashes,
  kubectl,
  kubectlJson,
  namespaceFingerprint,
  presslift,
  readyPods,
  startWorker,
  temporal,
  type WorkerProcess,
} from './support/platform.ts';

const id = 'acme/hybridStorage';
let worker: WorkerProcess;

const onlyOneReplica = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: e2e-one-replica}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments, deployments/scale]}
  validations:
  - {expression: 'object.spec.replicas < 2', message: 'this cluster lends one replica only'}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: e2e-one-replica}
spec:
  policyName: e2e-one-replica
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: acme}}}
`;

interface DeploymentView {
  spec: { replicas: number; template: unknown; strategy: unknown; minReadySeconds?: number };
}
interface ServiceView {
  spec: { selector: Record<string, string> };
}

async function siteAsItIs() {
  const [pod] = await readyPods();
  if (pod === undefined) throw new Error('acme has no ready pod');
  const deployment = await kubectlJson<DeploymentView>([
    'get',
    'deployment/wordpress',
    '-n',
    'acme',
  ]);
  const service = await kubectlJson<ServiceView>(['get', 'service/wordpress', '-n', 'acme']);
  return {
    deployment: deployment.spec,
    selector: service.spec.selector,
    extensions: await extensionHashes(pod.metadata.name),
  };
}

beforeAll(async () => {
  await resetAcme();
  await kubectl(['apply', '-f', '-'], onlyOneReplica);
  worker = await startWorker();
});

afterAll(async () => {
  await kubectl(['delete', '--ignore-not-found', '-f', '-'], onlyOneReplica);
  await temporal(['workflow', 'terminate', '--workflow-id', id]).catch(() => undefined);
  await worker.stop();
});

test('after a failure in the last change, compensate leaves the site as it was', async () => {
  const before = await siteAsItIs();
  const claimsBefore = await kubectl(['get', 'pvc', '-n', 'acme', '-o', 'name']);
  const objectsBefore = Object.keys(await namespaceFingerprint());

  await startWithTemporal('hybridStorage', id, { site: 'acme' });
  await approve('acme', await openGateDigest(id));
  const stopped = await untilState(id, 'needs-operator', 400_000);
  expect(stopped.operatorQuestion?.step).toContain('scale-out');
  expect(stopped.operatorQuestion?.error).toContain('one replica only');
  expect(stopped.operatorQuestion?.options.map(({ action }) => action).sort()).toEqual([
    'compensate',
    'retry',
    'skip',
  ]);
  // Until somebody decides, the site is served by the new pods.
  const [serving] = await readyPods();
  expect(serving?.metadata.labels).toHaveProperty(['presslift.dev/track']);

  const decided = await presslift(['compensate', 'acme', '--as', 'alice', '--yes']);
  expect(decided.status, decided.stderr).toBe(0);
  await untilClosed(id);
  expect((await resultOf<OperationReport>(id)).outcome).toBe('undone');

  await eventually('only pods of the old template', async () => {
    const pods = await readyPods();
    return pods.length === 1 && pods[0]?.metadata.labels?.['presslift.dev/track'] === undefined
      ? true
      : undefined;
  });
  expect(await siteAsItIs()).toEqual(before);
  await eventually('the claims as before', async () => {
    expect(await kubectl(['get', 'pvc', '-n', 'acme', '-o', 'name'])).toBe(claimsBefore);
    return true;
  });
  const left = Object.keys(await namespaceFingerprint()).filter(
    (name) => !objectsBefore.includes(name) && !name.startsWith('Pod/'),
  );
  // The recovery point and the list that names it are kept on purpose; nothing else is.
  expect(left.map((name) => name.replace(/^(Secret\/presslift-recovery)-.*/, '$1')).sort()).toEqual(
    ['ConfigMap/presslift-recovery-points', 'Secret/presslift-recovery'],
  );
});
