/**
 * `restoreDrill`: what goes wrong becomes a failed criterion and never hides another one, and whatever happens, what the
 * drill has made is removed. What each stage finds is shown in test/activities and test/e2e.
 */
import { describe, expect, it } from 'vitest';
import { CancelledFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import type { OperationReport } from '../../src/domain/operation.ts';
import type { RecoveryPoint } from '../../src/domain/recovery/point.ts';
import type { RestoreDrillReport } from '../../src/domain/recovery/request.ts';
import { corrupted, findings } from '../support/fake-recovery.ts';
import type { FakeSite } from '../support/fake-site.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

const POINT = '20261120T030000Z-old-backup';

/** A site with one recovery point that was taken before. */
function siteWithPoint(name: string): FakeSite {
  const site = harness().site(name);
  const sentinel = { nonce: 'old', writtenAt: '2026-11-20T03:00:00.000Z', file: '.s' };
  const point = { id: POINT, takenAt: '2026-11-20T03:00:00.000Z', sentinel };
  site.recovery.points.set(POINT, point as RecoveryPoint);
  return site;
}

async function started(site: FakeSite, input: object = { point: POINT }): Promise<Run> {
  return harness().start('restoreDrill', { site: site.site.name, ...input });
}

interface DrillFailure {
  type: string;
  message: string;
  details: [
    { advice: string; report: OperationReport } & Pick<RestoreDrillReport, 'drill' | 'keys'>,
  ];
}

/** The failure of a drill that did not pass, everything behind it cleared away. */
async function failureOf(run: Run, site: FakeSite): Promise<DrillFailure> {
  const failed: unknown = await run.result().catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(WorkflowFailedError);
  expect(site.recovery.drills).toEqual(new Set());
  expect(site.calls.at(-1)).toBe('notify');
  expect(site.notifications.at(-1)).toMatchObject({ kind: 'drill-failed' });
  expect(await run.status()).toMatchObject({ state: 'failed' });
  return (failed as { cause: DrillFailure }).cause;
}

function unmet(report: Pick<OperationReport, 'criteria'>): string[] {
  return report.criteria.filter(({ pass }) => !pass).map(({ id }) => id);
}

describe('a drill', () => {
  it('takes a fresh backup as a child, restores that and demands what was written before it', async () => {
    const site = harness().site('fresh');
    const run = await harness().start('restoreDrill', { site: 'fresh', requestedBy: 'dave' });
    const report = await run.result<RestoreDrillReport>();
    expect(report).toMatchObject({ outcome: 'done', drill: { pass: true, rtoMs: 5_000 } });
    const [point] = [...site.recovery.points.values()];
    expect(point).toMatchObject({
      reason: 'drill',
      operationId: expect.stringMatching(/^fresh\/backup\/\d{8}T\d{6}Z-[0-9a-f]{4}$/) as string,
    });
    const checked = site.inputs.find(({ name }) => name === 'checkDrillSite');
    expect(checked?.input).toMatchObject({
      sentinel: { nonce: `nonce-${point?.id}` },
      place: { point: point?.id, database: 'presslift_drill_1' },
    });
    const recorded = site.inputs.find(({ name }) => name === 'recordDrill');
    expect(recorded?.input).toMatchObject({
      point: point?.id,
      takenAt: point?.takenAt,
      drill: expect.stringMatching(/^\d{8}T\d{6}Z-fresh-drill-[0-9a-f]{4}$/) as string,
    });
    expect(report.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      ...[
        'site done',
        'lock done',
        'sweep done',
        'backup done',
        'open done',
        'repository done',
        'files done',
      ],
      ...['database done', 'boot done', 'check done', 'record done', 'teardown done'],
    ]);
    expect(site.recovery.leftovers).toEqual([]);
    const { events } = await run.handle.fetchHistory();
    expect(
      (events ?? []).filter((event) => event.startChildWorkflowExecutionInitiatedEventAttributes),
    ).toHaveLength(1);
  });

  it('restores a given point without a backup and without the lock, which another operation has', async () => {
    const site = siteWithPoint('given');
    const holder = await harness().start('hybridStorage', { site: 'given' });
    await holder.holdLock();
    const report = await (await started(site)).result<RestoreDrillReport>();
    expect(report).toMatchObject({ outcome: 'done', drill: { point: POINT } });
    expect(site.calls).not.toContain('backUpFiles');
    expect(site.inputs.find(({ name }) => name === 'checkDrillSite')?.input).toMatchObject({
      sentinel: null,
    });
    await holder.signal('abort', { by: 'olga' });
    await holder.result();
  });

  it('waits for the lock before its time begins, and its backup works under the same lock', async () => {
    const site = harness().site('queued');
    site.site.drill.timeout = 'PT10M';
    const holder = await harness().start('hybridStorage', { site: 'queued' });
    await holder.holdLock();
    const run = await started(site, {});
    const waiting = await run.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    expect(waiting.waitingFor).toMatchObject({ workflowId: 'queued/hybridStorage' });
    await harness().pass(20 * 60_000);
    expect(site.calls).not.toContain('sweepDrills');
    await holder.signal('abort', { by: 'olga' });
    await holder.result();
    const free = site.hold('restoreDrillFiles');
    await site.untilCalled('restoreDrillFiles');
    expect(await harness().lock('queued').query('holder')).toBeNull();
    free();
    expect(await run.result<RestoreDrillReport>()).toMatchObject({ outcome: 'done' });
  });

  it('warns of what somebody has to remove by hand, and passes all the same', async () => {
    const site = siteWithPoint('kept');
    site.when('tearDownDrill', async () => {
      site.recovery.drills.clear();
      return { remaining: ['PersistentVolume pvc-1 (keeps): its class retains volumes'] };
    });
    const report = await (await started(site)).result<RestoreDrillReport>();
    expect(report).toMatchObject({
      outcome: 'done',
      findings: [
        { id: 'drill-left', level: 'warning', message: expect.stringContaining('pvc-1') as string },
      ],
    });
  });

  it('takes over the criteria that the signed report adds', async () => {
    const site = siteWithPoint('slow');
    const usual = site.behaviourOf('recordDrill');
    site.when('recordDrill', async (input) => {
      const answer = (await usual(input)) as {
        report: { pass: boolean; criteria: { id: string; pass: boolean }[] };
      };
      const criteria = answer.report.criteria.map((one) => ({ ...one, pass: one.id !== 'rto' }));
      return { ...answer, report: { ...answer.report, pass: false, criteria } };
    });
    const failure = await failureOf(await started(site), site);
    expect(unmet(failure.details[0].report)).toEqual(['rto']);
  });
});

describe('a drill on what is not good', () => {
  it.each([
    ['checkDrillRepository', 'restic-data'],
    ['restoreDrillFiles', 'files-hashes'],
    ['restoreDrillDatabase', 'tables'],
    ['bootDrillSite', 'boots'],
    ['checkDrillSite', 'front-page'],
  ] as const)(
    'fails with the finding of %s, and measures the rest all the same',
    async (name, id) => {
      const site = siteWithPoint(`bad-${name.toLowerCase()}`);
      site.when(name, async () => corrupted(id));
      const run = await started(site);
      const failure = await failureOf(run, site);
      expect(failure).toMatchObject({
        type: 'RestoreDiffers',
        message: expect.stringContaining(`Criterion ${id}: measured false, wanted true`) as string,
        details: [
          { report: { outcome: 'failed' }, drill: { pass: false }, keys: [expect.any(String)] },
        ],
      });
      expect(unmet(failure.details[0].report)).toEqual([id]);
      expect(site.recovery.reports).toHaveLength(1);
      for (const stage of [
        'checkDrillRepository',
        'restoreDrillFiles',
        'restoreDrillDatabase',
        'bootDrillSite',
        'checkDrillSite',
      ]) {
        expect(site.calls).toContain(stage);
      }
    },
  );

  it.each([
    ['restoreDrillFiles', ['bootDrillSite', 'checkDrillSite'], ['stage-boot', 'stage-check']],
    ['restoreDrillDatabase', ['bootDrillSite', 'checkDrillSite'], ['stage-boot', 'stage-check']],
    ['bootDrillSite', ['checkDrillSite'], ['stage-check']],
  ] as const)('counts what could not be measured after %s as failed', async (name, left, ids) => {
    const site = siteWithPoint(`unusable-${name.toLowerCase()}`);
    site.when(name, async () => corrupted('broken', false));
    const failure = await failureOf(await started(site), site);
    const { report } = failure.details[0];
    expect(unmet(report)).toEqual(['broken', ...ids]);
    expect(report.criteria.find((one) => one.id === 'stage-check')).toMatchObject({
      measured: null,
      evidence: expect.stringContaining('Not measured') as string,
    });
    for (const stage of left) expect(site.calls).not.toContain(stage);
    expect(report.steps.find(({ title }) => title === 'Ask the restored site')?.state).toBe(
      'skipped',
    );
  });

  it.each([
    ['checkDrillRepository', 'restoreDrillDatabase'],
    ['restoreDrillDatabase', 'checkDrillRepository'],
  ] as const)(
    'fails for what %s saw wrong, whatever %s says of it afterwards',
    async (sees, passes) => {
      const site = siteWithPoint(`of-two-${sees.toLowerCase()}`);
      const ended = Promise.withResolvers<void>();
      site.when(sees, async () => corrupted('wrong-site'));
      site.when(passes, async () => {
        await ended.promise;
        return findings('wrong-site');
      });
      const run = await started(site);
      const step = sees === 'checkDrillRepository' ? 'repository' : 'database';
      await run.until(
        ({ steps }) => steps.some(({ id, state }) => id === step && state === 'failed'),
        'one of the two has seen it',
      );
      ended.resolve();
      const failure = await failureOf(run, site);
      expect(unmet(failure.details[0].report)).toEqual(['wrong-site']);
      expect(unmet(site.recovery.reports[0]!)).toEqual(['wrong-site']);
    },
  );

  it('fails for an old copy, whose sentinel is not the fresh one', async () => {
    const site = harness().site('stale');
    const usual = site.behaviourOf('openDrill');
    const old = siteWithPoint('stale-source').recovery.points.get(POINT) as RecoveryPoint;
    site.recovery.points.set(POINT, old);
    site.when('openDrill', async (input) => usual({ ...input, point: POINT }));
    const failure = await failureOf(await started(site, {}), site);
    expect(unmet(failure.details[0].report)).toEqual(['fresh-sentinel']);
  });

  it('counts a stage without any criterion as failed', async () => {
    const site = siteWithPoint('mute');
    site.when('restoreDrillFiles', async () => ({ criteria: [], stages: [], usable: true }));
    const failure = await failureOf(await started(site), site);
    expect(unmet(failure.details[0].report)).toEqual(['stage-files']);
  });
});

describe('a stage that breaks for good', () => {
  it.each([
    ['sweepDrills', ['stage-sweep']],
    [
      'openDrill',
      [
        'stage-open',
        'stage-repository',
        'stage-files',
        'stage-database',
        'stage-boot',
        'stage-check',
      ],
    ],
    ['checkDrillRepository', ['stage-repository']],
    ['restoreDrillFiles', ['stage-boot', 'stage-files', 'stage-check']],
    ['restoreDrillDatabase', ['stage-boot', 'stage-database', 'stage-check']],
    ['bootDrillSite', ['stage-boot', 'stage-check']],
    ['checkDrillSite', ['stage-check']],
  ] as const)('is a failed criterion, recorded, and all is removed: %s', async (name, ids) => {
    const site = siteWithPoint(`breaks-${name.toLowerCase()}`);
    site.fail(name, 'JobFailed');
    const failure = await failureOf(await started(site), site);
    expect(unmet(failure.details[0].report).sort()).toEqual([...ids].sort());
    expect(site.recovery.reports).toMatchObject([{ point: POINT }]);
    expect(failure.details[0].report.criteria.find(({ id }) => id === ids[0])?.pass).toBe(false);
    expect(site.calls).toContain('tearDownDrill');
  });

  it('says so of a backup that could not be taken, and of all that depends on it', async () => {
    const site = harness().site('no-backup');
    site.failBeside('snapshotVolumes', 'backUpDatabase', 'NoSpace');
    const failure = await failureOf(await started(site, {}), site);
    expect(unmet(failure.details[0].report)).toContain('stage-backup');
    expect(
      failure.details[0].report.criteria.find(({ id }) => id === 'stage-backup')?.evidence,
    ).toContain('snapshotVolumes said no.');
    expect(site.calls).not.toContain('openDrill');
    expect(site.recovery.reports).toMatchObject([{ point: null }]);
    expect(site.recovery.leftovers).toEqual([]);
  });

  it('says so of a recovery point that there is not', async () => {
    const site = harness().site('unknown-point');
    const failure = await failureOf(await started(site, { point: 'nothing' }), site);
    expect(failure.message).toContain('No recovery point nothing.');
    expect(site.recovery.reports).toMatchObject([{ point: null }]);
  });

  it('fails a drill whose report cannot be stored', async () => {
    const site = siteWithPoint('unrecorded');
    site.fail('recordDrill', 'Forbidden');
    const failure = await failureOf(await started(site), site);
    expect(unmet(failure.details[0].report)).toEqual(['stage-record']);
    expect(failure.details[0].drill).toBeNull();
  });

  it('fails a drill of which something is left', async () => {
    const site = siteWithPoint('left-over');
    site.fail('tearDownDrill', 'Forbidden');
    const run = await started(site);
    const failed: unknown = await run.result().catch((error: unknown) => error);
    const { cause } = failed as { cause: DrillFailure };
    expect(unmet(cause.details[0].report)).toEqual(['stage-teardown']);
  });
});

describe('ending a drill early', () => {
  it.each([
    'sweepDrills',
    'openDrill',
    'restoreDrillFiles',
    'bootDrillSite',
    'checkDrillSite',
  ] as const)('by cancelling it in %s removes everything and records nothing', async (name) => {
    const site = siteWithPoint(`stop-${name.toLowerCase()}`);
    site.workUntilCancelled(name);
    const run = await started(site);
    await site.untilCalled(name);
    if (name === 'restoreDrillFiles') {
      await run.until(
        ({ steps }) => steps.some(({ id, state }) => id === 'database' && state === 'done'),
        'restored',
      );
    }
    await run.handle.cancel();
    const failed: unknown = await run.result().catch((error: unknown) => error);
    expect((failed as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(site.calls).toContain('tearDownDrill');
    expect(site.calls).not.toContain('recordDrill');
    expect(site.recovery.leftovers).toEqual([]);
  });

  it('during its backup ends the backup too, with nothing left of either', async () => {
    const site = harness().site('stop-backup');
    site.workUntilCancelled('backUpFiles');
    const run = await started(site, {});
    await site.untilCalled('backUpFiles');
    const { input } = site.inputs.find(({ name }) => name === 'backUpFiles') ?? {};
    const { operationId } = input as { operationId: string };
    await harness().run(operationId).untilOnlyRunning('backUpFiles');
    await run.signal('abort', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect(site.calls).toContain('discardRecoveryPoint');
    expect(site.calls).toContain('tearDownDrill');
    expect(site.recovery.leftovers).toEqual([]);
    expect(await harness().lock('stop-backup').query('holder')).toBeNull();
  });

  it('by its own time limit has failed, is recorded and removed', async () => {
    const site = siteWithPoint('endless');
    site.site.drill.timeout = 'PT3S';
    site.workUntilCancelled('bootDrillSite');
    const run = await started(site);
    const failure = await failureOf(run, site);
    expect(unmet(failure.details[0].report)).toEqual(['stage-boot', 'stage-check']);
    expect(failure.message).toContain('2 of 7 criteria');
    expect(failure.details[0].report.criteria.find(({ id }) => id === 'stage-boot')?.evidence).toBe(
      'Not measured: the drill was stopped after 3 seconds.',
    );
    expect(site.recovery.reports).toHaveLength(1);
  });

  it('is not meant by pause, which holds before the next stage', async () => {
    const site = siteWithPoint('held');
    const release = site.hold('openDrill');
    const run = await started(site);
    await site.untilCalled('openDrill');
    await run.signal('pause', { by: 'olga' });
    await run.until(({ pause }) => pause !== null, 'asked to pause');
    release();
    await run.untilState('paused');
    expect(site.calls).not.toContain('restoreDrillFiles');
    await run.signal('resume', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });
});
