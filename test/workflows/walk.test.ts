/**
 * The walk from the site file to the report: what runs, in which order, and what a reader sees of it. Activities are
 * fakes; whether they do what they say is shown in test/activities and test/e2e.
 */
import { heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { compactTime } from '../../src/domain/identifiers.ts';
import type { OperationReport } from '../../src/domain/operation.ts';
import type { DigestedPlan } from '../../src/domain/plan.ts';
import { searchAttributes } from '../../src/domain/search-attributes.ts';
import { fakeChange, watchedVisitors } from '../support/fake-site.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

describe('the walk', () => {
  it('observes, asks, secures, changes and measures, in this order', async () => {
    const site = harness().site('happy');
    const run = await harness().start('hybridStorage', { site: 'happy', requestedBy: 'dave' });
    await run.approve();
    const report = await run.result<OperationReport>();

    expect(site.walk).toEqual([
      'planHybridStorage',
      'measureBaseline',
      'takeRecoveryPoint',
      'createSharedClaim',
      'copyExtensions',
      'keepSalts',
      'scaleOut',
      'verifySharedStorage',
      'verifyPluginLifecycle',
      'verifyAdminAndVisitors',
    ]);
    expect(report).toMatchObject({
      site: 'happy',
      operation: 'hybridStorage',
      outcome: 'done',
      alreadyThere: false,
      planDigest: site.plan('hybridStorage').digest,
    });
    expect(report.criteria.map(({ id, pass }) => [id, pass])).toEqual([
      ['verifySharedStorage-holds', true],
      ['verifyPluginLifecycle-holds', true],
      ['verifyAdminAndVisitors-holds', true],
    ]);
    expect(report.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'site done',
      'lock done',
      'plan done',
      'gate-apply done',
      'lock-again done',
      'baseline done',
      'recovery-point done',
      'hold-plugin-updates done',
      'open-repository done',
      'sentinel done',
      'describe done',
      'snapshot-volumes done',
      'back-up-files done',
      'back-up-database done',
      'record-recovery-point done',
      'release-plugin-updates done',
      'visitors done',
      'create-shared-claim done',
      'copy-extensions done',
      'keep-salts done',
      'scale-out done',
      'verify-shared-storage done',
      'verify-plugin-lifecycle done',
      'verify-admin-and-visitors done',
    ]);
    expect(report.steps.every(({ startedAt, endedAt }) => startedAt !== null && endedAt !== null));
    expect(report.steps.find(({ id }) => id === 'scale-out')?.result).toEqual({ did: 'scaleOut' });
  });

  it('runs phase 0 with its own planner, changes and criteria', async () => {
    const site = harness().site('phase0');
    site.changes = ['create-bucket', 'configure-bucket', 'create-bucket-keys'].map((id) =>
      fakeChange(id),
    );
    const run = await harness().start('prerequisites', { site: 'phase0' });
    await run.approve();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(site.walk).toEqual([
      'planPrerequisites',
      'measureBaseline',
      'takeRecoveryPoint',
      'createBucket',
      'configureBucket',
      'createBucketKeys',
      'verifyDatabase',
      'verifyObjectStorage',
      'verifyHostnames',
    ]);
  });

  it('goes straight to verification when the plan is empty', async () => {
    const site = harness().site('empty');
    site.changes = [];
    const run = await harness().start('hybridStorage', { site: 'empty' });
    const report = await run.result<OperationReport>();
    expect(report).toMatchObject({ outcome: 'done', alreadyThere: true, recoveryPoint: null });
    expect(site.walk).toEqual([
      'planHybridStorage',
      'verifySharedStorage',
      'verifyPluginLifecycle',
      'verifyAdminAndVisitors',
    ]);
    expect(site.calls).not.toContain('watchVisitors');
  });

  it('shows the plan and changes nothing with planOnly, even where errors would forbid the gate', async () => {
    const site = harness().site('look');
    site.findings = [
      { id: 'no-snapshots', level: 'error', message: 'None.', advice: null, evidence: null },
    ];
    const run = await harness().start('hybridStorage', { site: 'look', planOnly: true });
    const report = await run.result<OperationReport>();
    expect(report).toMatchObject({ outcome: 'planned', findings: [{ id: 'no-snapshots' }] });
    expect(site.walk).toEqual(['planHybridStorage']);
    expect(await run.handle.query<DigestedPlan>('plan')).toEqual(site.plan('hybridStorage'));
  });

  it('opens no gate for a plan with an error finding, and says what to do about it', async () => {
    const site = harness().site('unready');
    site.findings = [
      {
        id: 'no-rwx',
        level: 'error',
        message: 'No class can share a volume.',
        advice: 'Set storage.provisioner.',
        evidence: null,
      },
      { id: 'old', level: 'warning', message: 'Old.', advice: null, evidence: null },
    ];
    const run = await harness().start('hybridStorage', { site: 'unready' });
    await expect(run.result()).rejects.toMatchObject({
      cause: {
        type: 'PreconditionFailed',
        message: expect.stringContaining(
          'No class can share a volume. Set storage.provisioner.',
        ) as string,
      },
    });
    const status = await run.status();
    expect(status).toMatchObject({ state: 'failed', gates: [] });
    expect(site.walk).toEqual(['planHybridStorage']);
  });

  it('refuses a plan with a change that it has no handler for before anybody is asked', async () => {
    const site = harness().site('newer');
    site.changes = [fakeChange('create-shared-claim'), fakeChange('from-the-future')];
    const run = await harness().start('hybridStorage', { site: 'newer' });
    await expect(run.result()).rejects.toMatchObject({
      cause: {
        type: 'PlanMismatch',
        message: expect.stringContaining('from-the-future') as string,
      },
    });
    expect((await run.status()).gates).toEqual([]);
  });

  it('names the recovery point by the time of the plan, the site and the operation', async () => {
    const site = harness().site('point');
    const run = await harness().start('hybridStorage', { site: 'point' });
    await run.approve();
    const { recoveryPoint } = await run.result<OperationReport>();
    const { startTime } = await run.handle.describe();
    const [, stamp] = /^(\d{8}T\d{6}Z)-point-hybridStorage$/.exec(recoveryPoint?.id ?? '') ?? [];
    expect(stamp).toBeDefined();
    expect(stamp! >= compactTime(startTime)).toBe(true);
    expect(stamp! <= compactTime(new Date(startTime.getTime() + 60_000))).toBe(true);
    const asked = site.inputs.find(({ name }) => name === 'createSharedClaim');
    expect(asked?.input).toMatchObject({
      operationId: 'point/hybridStorage',
      recoveryPoint: { id: recoveryPoint?.id },
      change: { id: 'create-shared-claim' },
    });
  });

  it('watches visitors beside the changes, ends the watch after them and hands its report on', async () => {
    const site = harness().site('watched');
    const release = site.hold('copyExtensions');
    const run = await harness().start('hybridStorage', { site: 'watched' });
    await run.approve();
    const during = await run.until(
      ({ steps }) => steps.some(({ id, state }) => id === 'copy-extensions' && state === 'running'),
      'copying',
    );
    expect(during.steps.find(({ id }) => id === 'visitors')?.state).toBe('running');
    release();
    const report = await run.result<OperationReport>();
    const watched = report.steps.find(({ id }) => id === 'visitors');
    expect(watched).toMatchObject({ state: 'done', result: { failed: 0 } });
    const seen = (watched?.result as { requests: number }).requests;
    expect(seen).toBeGreaterThan(0);
    const verified = site.inputs.find(({ name }) => name === 'verifyAdminAndVisitors');
    expect(verified?.input).toMatchObject({ visitors: { requests: seen, failed: 0 } });
  });

  it('watches again when a watch ends before it was told to, and counts on', async () => {
    const site = harness().site('blink');
    const release = site.hold('copyExtensions');
    let watches = 0;
    site.when('watchVisitors', async ({ seen }) => {
      watches += 1;
      return watchedVisitors((seen?.requests ?? 0) + 10);
    });
    const run = await harness().start('hybridStorage', { site: 'blink' });
    await run.approve();
    await harness().skipping(run.until(() => watches >= 2, 'watched twice'));
    release();
    const report = await run.result<OperationReport>();
    const watched = report.steps.find(({ id }) => id === 'visitors');
    expect(watched?.result).toMatchObject({ requests: watches * 10 });
    expect(watched?.result).not.toHaveProperty('histogram');
  });

  it('keeps what was seen when a watch breaks, also when it is ended before the next begins', async () => {
    const site = harness().site('brittle');
    const release = site.hold('copyExtensions');
    let watches = 0;
    site.when('watchVisitors', async () => {
      watches += 1;
      if (watches === 1) return watchedVisitors(10);
      throw ApplicationFailure.create({ type: 'Unavailable', message: 'Not now.' });
    });
    const run = await harness().start('hybridStorage', { site: 'brittle' });
    await run.approve();
    await harness().skipping(run.until(() => watches >= 3, 'broken twice'));
    release();
    const report = await run.result<OperationReport>();
    const watched = report.steps.find(({ id }) => id === 'visitors');
    expect(watched).toMatchObject({ state: 'done', result: { requests: 10 } });
    const verified = site.inputs.find(({ name }) => name === 'verifyAdminAndVisitors');
    expect(verified?.input).toMatchObject({ visitors: { requests: 10, failed: 0 } });
  });

  it('goes on from the last heartbeat of a watch whose worker died', async () => {
    const site = harness().site('dead-watch');
    const release = site.hold('copyExtensions');
    const given: unknown[] = [];
    const dead = Promise.withResolvers<null>();
    const usual = site.behaviourOf('watchVisitors');
    site.when('watchVisitors', async (input) => {
      given.push(input.seen);
      if (given.length > 1) {
        dead.resolve(null);
        return usual(input);
      }
      heartbeat(watchedVisitors(7));
      // Silent until the server has taken its worker for dead.
      return dead.promise;
    });
    const run = await harness().start('hybridStorage', { site: 'dead-watch' });
    await run.approve();
    await harness().skipping(run.until(() => given.length >= 2, 'watched again'));
    expect(given).toEqual([null, watchedVisitors(7)]);
    release();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('goes on without a watch that breaks, and verification gets no data', async () => {
    const site = harness().site('blind');
    site.fail('watchVisitors', 'Forbidden');
    const run = await harness().start('hybridStorage', { site: 'blind' });
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(report.steps.find(({ id }) => id === 'visitors')?.state).toBe('failed');
    const verified = site.inputs.find(({ name }) => name === 'verifyAdminAndVisitors');
    expect(verified?.input).toMatchObject({ visitors: null });
  });

  it('tries again by itself what may pass', async () => {
    const site = harness().site('flaky');
    site.changes = [];
    site.fail('planHybridStorage', 'Unavailable', 2);
    const run = await harness().start('hybridStorage', { site: 'flaky' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(site.walk.filter((name) => name === 'planHybridStorage')).toHaveLength(3);
  });

  it('does not let a message that nobody takes hold up or fail the operation', async () => {
    const site = harness().site('mute');
    site.fail('notify', 'NotFound');
    const run = await harness().start('hybridStorage', { site: 'mute' });
    await run.approve();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect((await run.status()).ignored.map(({ name }) => name)).toContain('notify gate-opened');
  });
});

describe('what a reader sees', () => {
  it('finds the run by typed search attributes, in every state', async () => {
    harness().site('found');
    const run = await harness().start('hybridStorage', { site: 'found' });
    await run.untilGate();
    const asked = (await run.handle.describe()).typedSearchAttributes;
    expect(asked.get(searchAttributes.site)).toBe('found');
    expect(asked.get(searchAttributes.operation)).toBe('hybridStorage');
    expect(asked.get(searchAttributes.state)).toBe('waiting-for-approval');
    expect(asked.get(searchAttributes.gate)).toBe('apply');
    await run.approve();
    await run.result();
    const ended = (await run.handle.describe()).typedSearchAttributes;
    expect(ended.get(searchAttributes.state)).toBe('done');
    expect(ended.get(searchAttributes.gate)).toBe('none');
  });

  it('reads the current details in Markdown, with the commands that answer the open gate', async () => {
    const site = harness().site('details');
    const run = await harness().start('hybridStorage', { site: 'details' });
    const digest = await run.untilGate();
    const metadata = await run.handle.query<{ currentDetails: string }>(
      '__temporal_workflow_metadata',
    );
    expect(metadata.currentDetails).toContain(
      '**hybridStorage** of **details**: waiting-for-approval',
    );
    expect(metadata.currentDetails).toContain('| ✓ | Observe and plan |');
    expect(metadata.currentDetails).toContain('| · | Do copy-extensions |');
    expect(metadata.currentDetails).toContain(
      `temporal workflow signal --workflow-id details/hybridStorage --name approve --input '{"gate":"apply","digest":"${digest}","approver":"<you>"}'`,
    );
    await run.approve();
    await run.result();
    expect(site.notifications.map(({ kind }) => kind)).toEqual([
      'gate-opened',
      'gate-closed',
      'finished',
    ]);
  });

  it('reads a summary beside every activity and timer of the history', async () => {
    harness().site('summed');
    const run = await harness().start('hybridStorage', { site: 'summed' });
    await run.approve();
    await run.result();
    const { events } = await run.handle.fetchHistory();
    const scheduled = (events ?? []).filter(
      (event) => event.activityTaskScheduledEventAttributes || event.timerStartedEventAttributes,
    );
    const summaries = scheduled.map(({ userMetadata }) =>
      Buffer.from(userMetadata?.summary?.data ?? []).toString(),
    );
    expect(summaries.length).toBeGreaterThan(12);
    expect(summaries.filter((summary) => summary === '')).toEqual([]);
    expect(summaries).toContain('"Do copy-extensions"');
    expect(summaries).toContain('"Gate apply: reminder in 1 day"');
  });
});
