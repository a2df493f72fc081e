/**
 * The real server where it differs from the time-skipping one: it checks what a worker says about its version, it
 * suggests to continue as new, and it has Schedules.
 */
import { inject, it, expect, beforeAll, afterAll } from 'vitest';
import { TASK_QUEUE, scheduleIds, workflowIds } from '../../src/domain/identifiers.ts';
import type { OperationReport } from '../../src/domain/operation.ts';
import { startDevServer } from '../support/dev-server.ts';
import { Harness } from '../support/temporal-harness.ts';
import type { WorkerTweaks } from '../support/temporal-harness.ts';

let server: Awaited<ReturnType<typeof startDevServer>> | null = null;

beforeAll(async () => {
  // Far below the usual 4,096 events, so that the lock meets it in a test.
  server = await startDevServer({ 'limit.historyCount.suggestContinueAsNew': 60 });
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

it('the lock continues as new before its history grows long, and forgets nobody', async () => {
  const harness = await harnessOf({});
  try {
    harness.site('renewed');
    const first = await harness.start('hybridStorage', { site: 'renewed' });
    await first.holdLock();
    const second = await harness.start('prerequisites', { site: 'renewed' });
    await second.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    const lock = harness.lock('renewed');
    const runs = new Set([(await lock.describe()).runId]);
    const holder = await lock.query('holder');
    const queue = await lock.query('queue');
    for (let asked = 0; asked < 40 && runs.size < 2; asked += 1) {
      await lock.signal('requestLock', holder);
      await second.status();
      runs.add((await lock.describe()).runId);
    }
    expect(runs.size).toBe(2);
    expect(await lock.query('holder')).toEqual(holder);
    expect(await lock.query('queue')).toEqual(queue);
    await first.signal('abort', { by: 'olga' });
    await second.approve();
    expect(((await second.handle.result()) as OperationReport).outcome).toBe('done');
  } finally {
    await harness.stop();
  }
});

it('a Schedule hands each watch over backups what the one before returned, so people are told once', async () => {
  const harness = await harnessOf({});
  try {
    const site = harness.site('watched');
    site.when('measureBackupAge', async () => ({ newest: null, ageSeconds: null, late: true }));
    const schedule = await harness.client.schedule.create({
      scheduleId: scheduleIds.backupWatch('watched'),
      spec: { calendars: [{ year: 2099 }] },
      action: {
        type: 'startWorkflow',
        workflowType: 'backupWatch',
        workflowId: workflowIds.backupWatch('watched'),
        taskQueue: TASK_QUEUE,
        args: [{ site: 'watched' }],
      },
    });
    for (let runs = 1; runs <= 3; runs += 1) {
      await schedule.trigger('BUFFER_ALL');
      const looks = () => site.calls.filter((name) => name === 'measureBackupAge').length;
      await expect.poll(looks).toBe(runs);
      const running = async () => (await schedule.describe()).info.runningActions.length;
      await expect.poll(running).toBe(0);
    }
    expect(site.notifications.map(({ kind }) => kind)).toEqual(['backup-late']);
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
