/** The real server where it is stricter than the time-skipping one: what a worker may say about its version. */
import { inject, it, expect, beforeAll, afterAll } from 'vitest';
import type { OperationReport } from '../../src/domain/operation.ts';
import { startDevServer } from '../support/dev-server.ts';
import { Harness } from '../support/temporal-harness.ts';
import type { WorkerTweaks } from '../support/temporal-harness.ts';

let server: Awaited<ReturnType<typeof startDevServer>> | null = null;

beforeAll(async () => {
  server = await startDevServer();
});
afterAll(async () => server?.stop());

async function harnessOf(options: WorkerTweaks): Promise<Harness> {
  const found = { kind: 'address', address: server?.address ?? '' } as const;
  return Harness.start(found, inject('workflowBundle'), options);
}

/** Runs phase 1 to its end and returns the versioning behaviour that the server knows of it and of the lock. */
async function walk(harness: Harness, name: string): Promise<unknown[]> {
  harness.site(name);
  const run = await harness.start('hybridStorage', { site: name });
  await run.approve();
  const report = (await run.handle.result()) as OperationReport;
  expect(report.outcome).toBe('done');
  const infos = await Promise.all([run.handle.describe(), harness.lock(name).describe()]);
  return infos.map(({ raw }) => raw.workflowExecutionInfo?.versioningInfo?.behavior ?? null);
}

it('a worker without a version runs the walk and says nothing of versions', async () => {
  const harness = await harnessOf({});
  try {
    expect(await walk(harness, 'plain')).toEqual([null, null]);
  } finally {
    await harness.stop();
  }
});

it('a versioned worker pins operations to its version and lets the lock move on', async () => {
  const version = { deploymentName: 'presslift', buildId: 'one' };
  const harness = await harnessOf({
    workerDeploymentOptions: {
      version,
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'PINNED',
    },
  });
  try {
    await harness.makeCurrent(version);
    const [PINNED, AUTO_UPGRADE] = [1, 2];
    expect(await walk(harness, 'versioned')).toEqual([PINNED, AUTO_UPGRADE]);
  } finally {
    await harness.stop();
  }
});
