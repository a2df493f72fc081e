/**
 * `backup`: what a recovery point is made of and in which order, and that whatever goes wrong leaves nothing behind: no
 * half point, no held updates, no lock. Whether the copies are good is shown in test/activities and test/e2e.
 */
import { describe, expect, it } from 'vitest';
import { CancelledFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import type { LockHolder, OperationReport } from '../../src/domain/operation.ts';
import type { BackupReport } from '../../src/domain/recovery/request.ts';
import { searchAttributes } from '../../src/domain/search-attributes.ts';
import type { ActivityName, FakeSite } from '../support/fake-site.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

async function started(site: FakeSite, input: object = {}): Promise<Run> {
  return harness().start('backup', { site: site.site.name, ...input });
}

/** The failure that a run ended with. */
async function failureOf(run: Run): Promise<{ type: string; message: string; details: unknown[] }> {
  const failed: unknown = await run.result().catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(WorkflowFailedError);
  return (failed as { cause: { type: string; message: string; details: unknown[] } }).cause;
}

async function shownBackup(run: Run): Promise<string | undefined> {
  return (await run.handle.describe()).typedSearchAttributes.get(searchAttributes.backup);
}

/** Nothing of an unfinished point, no held updates, and the lock is free. */
async function expectNothingLeft(site: FakeSite): Promise<void> {
  expect(site.recovery.leftovers).toEqual([]);
  expect(await harness().lock(site.site.name).query('holder')).toBeNull();
}

const required: ActivityName[] = [
  'holdPluginUpdates',
  'openRepository',
  'takeRecoveryPoint',
  'snapshotVolumes',
  'backUpFiles',
  'backUpDatabase',
  'recordRecoveryPoint',
];

/** What runs beside a part of them. */
const beside: Partial<Record<ActivityName, ActivityName | ActivityName[]>> = {
  openRepository: 'writeSentinel',
  writeSentinel: 'openRepository',
  takeRecoveryPoint: ['openRepository', 'describeWordPress', 'describeObjectStorage'],
  snapshotVolumes: 'backUpDatabase',
  backUpFiles: 'backUpDatabase',
  backUpDatabase: 'backUpFiles',
};

/** What begins last of all that runs beside, one after another. */
const lastBeside: Partial<Record<ActivityName, ActivityName>> = {
  openRepository: 'describeCdn',
  describeWordPress: 'describeCdn',
  backUpDatabase: 'backUpFiles',
};

describe('a backup', () => {
  it('copies everything in its order, records it, and cares for the repository', async () => {
    const site = harness().site('whole');
    const run = await started(site, { reason: 'scheduled' });
    const report = await run.result<BackupReport>();
    const order = site.calls.filter((name) => name !== 'requestLock' && name !== 'notify');
    expect([...order.slice(0, 2), ...order.slice(12)]).toEqual([
      ...['loadSite', 'holdPluginUpdates'],
      ...['recordRecoveryPoint', 'releasePluginUpdates', 'applyRetention', 'checkRepository'],
    ]);
    // Side by side what does not need each other.
    expect(order.slice(2, 9).sort()).toEqual([
      ...['describeApp', 'describeCdn', 'describeObjectStorage', 'describeWordPress'],
      ...['openRepository', 'takeRecoveryPoint', 'writeSentinel'],
    ]);
    expect(order.indexOf('describeApp')).toBeGreaterThan(order.indexOf('takeRecoveryPoint'));
    expect(order.slice(9, 12).sort()).toEqual(['backUpDatabase', 'backUpFiles', 'snapshotVolumes']);
    expect(order.indexOf('backUpFiles')).toBeGreaterThan(order.indexOf('snapshotVolumes'));
    const [point] = [...site.recovery.points.values()];
    expect(point).toMatchObject({
      id: report.recoveryPoint?.id,
      site: 'whole',
      reason: 'scheduled',
      operationId: 'whole/backup/x',
      sentinel: report.sentinel,
      wordpress: { version: '6.8.12' },
      files: { files: 1_200, localSnapshots: [{ kind: 'csi' }] },
      database: { bytes: 500_000 },
      app: { objectsSecret: `presslift-recovery-${report.recoveryPoint?.id}` },
      cdn: { zoneId: 'zone' },
      objectStorage: { bucket: 'media' },
      missing: ['values of Secrets (their names alone)'],
    });
    expect(point?.id).toMatch(/^\d{8}T\d{6}Z-whole-backup$/);
    expect(report.criteria).toMatchObject([{ id: 'repository-sound', pass: true }]);
    expect(report.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      ...['site done', 'lock done', 'recovery-point done', 'hold-plugin-updates done'],
      ...['open-repository done', 'sentinel done'],
      ...['describe done', 'snapshot-volumes done', 'back-up-files done', 'back-up-database done'],
      ...['record-recovery-point done', 'release-plugin-updates done'],
      ...['retention done', 'check-repository done'],
    ]);
    expect(await shownBackup(run)).toBe('fresh');
    expect(site.calls).not.toContain('discardRecoveryPoint');
    expect(site.notifications.map(({ kind }) => kind)).toEqual(['finished']);
    await expectNothingLeft(site);
  });

  it('into an emptied repository takes the point, and fails for what is lost', async () => {
    const site = harness().site('emptied');
    site.recovery.lost = {
      points: ['20261101T030000Z-emptied-backup'],
      localSnapshots: ['snap'],
    };
    const run = await started(site, { reason: 'scheduled' });
    const ended = await failureOf(run);
    expect(ended.type).toBe('RepositoryDamaged');
    expect(ended.message).toMatch(/was taken, but .*nothing of 1 earlier recovery points/);
    const { criteria, findings } = await run.status();
    expect(site.recovery.points.size).toBe(1);
    expect(criteria).toMatchObject([
      { id: 'repository-sound', pass: true },
      { id: 'earlier-points-lost', pass: false },
    ]);
    expect(findings).toMatchObject([
      {
        id: 'earlier-points-lost',
        level: 'warning',
        evidence: { points: ['20261101T030000Z-emptied-backup'], localSnapshots: ['snap'] },
      },
    ]);
    expect(site.notifications.map(({ kind }) => kind)).toEqual(['backup-late']);
    expect(await shownBackup(run)).toBe('failed');
  });

  it('warns where automatic updates could not be held', async () => {
    const site = harness().site('unheld');
    site.recovery.unheld = 'WordPress ended early';
    const report = await (await started(site)).result<BackupReport>();
    expect(report.findings).toMatchObject([
      { level: 'warning', message: expect.stringContaining('WordPress ended early') as string },
    ]);
  });

  it('says in the point that nobody may know whether its document is locked', async () => {
    const site = harness().site('lock-unknown');
    site.recovery.objectLock = null;
    const report = await (await started(site)).result<BackupReport>();
    expect(report.recoveryPoint?.missing.join('\n')).toMatch(/object lock .* bucket media has it/);
  });

  it('started with the site alone is a manual one', async () => {
    const site = harness().site('alone');
    await (await started(site)).result();
    expect([...site.recovery.points.values()]).toMatchObject([{ reason: 'manual' }]);
  });

  it('leaves the care for the repository to the drill that it is taken for', async () => {
    const site = harness().site('for-drill');
    const report = await (await started(site, { reason: 'drill' })).result<BackupReport>();
    expect(report.sentinel).toEqual(site.recovery.sentinel);
    expect(site.calls).not.toContain('applyRetention');
    expect(site.calls).not.toContain('checkRepository');
  });

  it('copies files and database side by side', async () => {
    const site = harness().site('beside');
    const release = site.hold('backUpFiles');
    const run = await started(site);
    const during = await run.until(
      ({ steps }) => steps.some(({ id, state }) => id === 'back-up-database' && state === 'done'),
      'the database copied',
    );
    expect(during.steps.find(({ id }) => id === 'back-up-files')?.state).toBe('running');
    release();
    await run.result();
  });

  it('waits for the lock and says for whom', async () => {
    const site = harness().site('busy');
    const holder = await harness().start('hybridStorage', { site: 'busy' });
    await holder.holdLock();
    const run = await started(site);
    const waiting = await run.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    expect(waiting).toMatchObject({ waitingFor: { workflowId: 'busy/hybridStorage' } });
    expect(site.calls).not.toContain('openRepository');
    await holder.signal('abort', { by: 'olga' });
    await holder.result();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('holds between two steps while it is paused', async () => {
    const site = harness().site('held');
    const release = site.hold('snapshotVolumes');
    const run = await started(site);
    await site.untilCalled('snapshotVolumes');
    await run.signal('pause', { by: 'olga' });
    await run.until(({ pause }) => pause !== null, 'asked to pause');
    release();
    await run.untilState('paused');
    expect(site.calls).not.toContain('backUpFiles');
    await run.signal('resume', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('works under the lock of the operation that has started it, and leaves the queue', async () => {
    const site = harness().site('under');
    const release = site.hold('backUpFiles');
    const run = await harness().start('restoreDrill', { site: 'under' });
    await site.untilCalled('backUpFiles');
    const { workflowId } = await run.status();
    expect(await harness().lock('under').query('holder')).toMatchObject({ workflowId });
    expect(await harness().lock('under').query('queue')).toEqual([]);
    release();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    const asked = site.inputs.filter(({ name }) => name === 'requestLock');
    expect(asked.map(({ input }) => (input as { holder: LockHolder }).holder.operation)).toEqual([
      'restoreDrill',
      'backup',
    ]);
    expect(await harness().lock('under').query('holder')).toBeNull();
  });
});

describe('a part that cannot be copied', () => {
  it.each(required)('fails the backup and leaves nothing behind: %s', async (name) => {
    const site = harness().site(`fails-${name.toLowerCase()}`);
    site.failBeside(name, beside[name] ?? [], 'Forbidden');
    const run = await started(site);
    const failure = await failureOf(run);
    expect(failure).toMatchObject({ type: 'Forbidden', message: `${name} said no.` });
    expect(failure.details[0]).toMatchObject({
      advice: expect.stringContaining('Grant') as string,
      report: { outcome: 'failed', operation: 'backup' },
    });
    expect(site.recovery.points.size).toBe(0);
    expect(site.calls.filter((called) => called === 'discardRecoveryPoint')).toHaveLength(1);
    expect(site.calls).toContain('releasePluginUpdates');
    expect(site.calls).not.toContain('applyRetention');
    expect(await shownBackup(run)).toBe('failed');
    expect(site.notifications).toMatchObject([
      { kind: 'backup-late', title: `backup of ${site.site.name}: failed` },
    ]);
    expect(await run.status()).toMatchObject({ state: 'failed' });
    await expectNothingLeft(site);
  });

  it('stops the copy beside it first and waits for that before it tidies up', async () => {
    const site = harness().site('together');
    const ends: string[] = [];
    site.failBeside('backUpDatabase', 'backUpFiles', 'TlsRejected');
    const wait = site.behaviourOf('backUpFiles');
    site.when('backUpFiles', async (input) => {
      await wait(input).finally(() => ends.push('files'));
    });
    site.when('discardRecoveryPoint', async ({ id }) => {
      ends.push('discard');
      site.recovery.unfinished.delete(id);
    });
    const run = await started(site);
    expect(await failureOf(run)).toMatchObject({ type: 'TlsRejected' });
    expect(ends).toEqual(['files', 'discard']);
    await expectNothingLeft(site);
  });

  it.each([
    ['writeSentinel', 'sentinel', 'a fresh sentinel'],
    ['describeWordPress', 'wordpress', 'what WordPress says of itself'],
    ['describeApp', 'app', 'the description of the Deployment'],
    ['describeCdn', 'cdn', "the CDN's rules"],
    ['describeObjectStorage', 'objectStorage', "the bucket's state"],
  ] as const)(
    'is missing and said to be where a site may be broken: %s',
    async (name, part, what) => {
      const site = harness().site(`lacks-${name.toLowerCase()}`);
      site.fail(name, 'AgentFailed');
      const report = await (await started(site)).result<BackupReport>();
      const [point] = [...site.recovery.points.values()];
      expect(point?.[part]).toBeNull();
      expect(point?.missing).toContain(`${what} (${name} said no.)`);
      expect(report.findings).toMatchObject([
        { level: 'warning', message: expect.stringContaining(`does not hold ${what}`) as string },
      ]);
      expect(report.recoveryPoint?.missing).toContain(`${what} (${name} said no.)`);
    },
  );

  it('fails a backup for a drill where that is the sentinel', async () => {
    const site = harness().site('no-sentinel');
    site.failBeside('writeSentinel', 'openRepository', 'AgentFailed');
    const run = await started(site, { reason: 'drill' });
    expect(await failureOf(run)).toMatchObject({ type: 'AgentFailed' });
    expect(site.recovery.points.size).toBe(0);
    await expectNothingLeft(site);
  });

  it('fails it also before the site is known, with nobody to tell', async () => {
    const site = harness().site('crooked');
    site.fail('loadSite', 'InvalidSite');
    const run = await started(site);
    expect(await failureOf(run)).toMatchObject({ type: 'InvalidSite' });
    expect(await shownBackup(run)).toBe('failed');
  });
});

describe('a copy that was changed under our hands', () => {
  it('is taken again as a whole under another id', async () => {
    const site = harness().site('again');
    site.fail('recordRecoveryPoint', 'BackupIncomplete', 2);
    const report = await (await started(site)).result<BackupReport>();
    expect(report.recoveryPoint?.id).toMatch(/Z-again-backup-3$/);
    expect([...site.recovery.points.keys()]).toEqual([report.recoveryPoint?.id]);
    for (const name of ['snapshotVolumes', 'backUpFiles', 'backUpDatabase', 'writeSentinel']) {
      expect(site.calls.filter((called) => called === name)).toHaveLength(3);
    }
    expect(site.calls.filter((called) => called === 'discardRecoveryPoint')).toHaveLength(2);
    expect(report.findings).toMatchObject([
      { level: 'warning', evidence: { copy: 1, of: 3 } },
      { level: 'warning', evidence: { copy: 2, of: 3 } },
    ]);
    expect(report.sentinel?.nonce).toBe(`nonce-${report.recoveryPoint?.id}`);
    await expectNothingLeft(site);
  });

  it('fails the backup when it was changed three times', async () => {
    const site = harness().site('restless');
    site.fail('recordRecoveryPoint', 'BackupIncomplete');
    const run = await started(site);
    expect(await failureOf(run)).toMatchObject({ type: 'BackupIncomplete' });
    expect(site.calls.filter((called) => called === 'recordRecoveryPoint')).toHaveLength(3);
    await expectNothingLeft(site);
  });
});

describe('after the point is recorded', () => {
  it('a removal that fails fails the backup, but not before the repository is checked', async () => {
    const site = harness().site('unkept');
    site.fail('applyRetention', 'Forbidden');
    const run = await started(site);
    expect(await failureOf(run)).toMatchObject({
      type: 'Forbidden',
      details: [
        {
          report: {
            recoveryPoint: { contains: ['files', 'database', 'Deployment fake/wordpress'] },
          },
        },
      ],
    });
    expect(site.calls).toContain('checkRepository');
    expect(site.recovery.points.size).toBe(1);
    expect(site.calls).not.toContain('discardRecoveryPoint');
  });

  it('a damaged repository fails the backup and says that the point was taken', async () => {
    const site = harness().site('damaged');
    site.when('checkRepository', async () => [
      { id: 'packs', title: 'Packs', measured: 1, target: 0, pass: false, evidence: null },
    ]);
    const run = await started(site);
    expect(await failureOf(run)).toMatchObject({
      type: 'RepositoryDamaged',
      message: expect.stringMatching(
        /-damaged-backup was taken.*Packs: measured 1, wanted 0/,
      ) as string,
    });
    expect(await shownBackup(run)).toBe('failed');
    expect(site.recovery.points.size).toBe(1);
  });

  it('updates that cannot be let go on are a warning: the hold expires by itself', async () => {
    const site = harness().site('unreleased');
    site.fail('releasePluginUpdates', 'AgentFailed');
    const report = await (await started(site)).result<OperationReport>();
    expect(report).toMatchObject({ outcome: 'done', findings: [{ level: 'warning' }] });
    expect(site.recovery.points.size).toBe(1);
  });

  it('what cannot be discarded is a warning beside the failure that came first', async () => {
    const site = harness().site('undiscarded');
    site.failBeside('snapshotVolumes', 'backUpDatabase', 'NoSpace');
    site.fail('discardRecoveryPoint', 'Forbidden');
    const run = await started(site);
    const failure = await failureOf(run);
    expect(failure.type).toBe('NoSpace');
    expect(failure.details[0]).toMatchObject({
      report: {
        findings: [
          { level: 'warning', message: expect.stringContaining('unfinished point') as string },
        ],
      },
    });
  });
});

describe('stopping a backup', () => {
  it.each([
    ...required,
    'writeSentinel',
    'describeWordPress',
    'describeCdn',
    'applyRetention',
    'checkRepository',
  ] as const)('by cancelling it in %s leaves nothing behind', async (name) => {
    const site = harness().site(`stop-${name.toLowerCase()}`);
    site.workUntilCancelled(name);
    const run = await started(site);
    const last = lastBeside[name];
    if (last !== undefined) await site.untilCalled(last);
    await site.untilCalled(name);
    await run.untilOnlyRunning(name);
    await run.handle.cancel();
    const failed: unknown = await run.result().catch((error: unknown) => error);
    expect((failed as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect((await run.handle.describe()).status.name).toBe('CANCELLED');
    const recorded = ['applyRetention', 'checkRepository'].includes(name);
    expect(site.recovery.points.size).toBe(recorded ? 1 : 0);
    expect(site.calls.includes('discardRecoveryPoint')).toBe(!recorded);
    expect(site.calls).toContain('releasePluginUpdates');
    expect(await shownBackup(run)).toBeUndefined();
    await expectNothingLeft(site);
  });

  it('by abort ends it as aborted', async () => {
    const site = harness().site('aborted');
    site.workUntilCancelled('backUpFiles');
    const run = await started(site);
    await site.untilCalled('backUpFiles');
    await run.untilOnlyRunning('backUpFiles');
    await run.signal('abort', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    await expectNothingLeft(site);
  });
});
