/** `rollback`: the walk back, its second gate, and that a rollback that is broken off takes itself back. */
import { describe, expect, it } from 'vitest';
import { CancelledFailure } from '@temporalio/activity';
import type { WorkflowFailedError } from '@temporalio/client';
import type { OperationReport } from '../../src/domain/operation.ts';
import { rollbackLayers } from '../../src/domain/recovery/point.ts';
import { criterion, driftOf, fakeChange } from '../support/fake-site.ts';
import type { ActivityName, FakeSite } from '../support/fake-site.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

/** Every change that goes back, in the order of a plan for all layers with maintenance. */
const all: [string, ActivityName][] = [
  ['stage-database', 'stageDatabase'],
  ['stage-extensions', 'stageExtensions'],
  ['begin-maintenance', 'beginMaintenance'],
  ['switch-extensions', 'switchExtensions'],
  ['restore-options', 'restoreOptions'],
  ['restore-app', 'restoreApp'],
  ['switch-database', 'switchDatabase'],
  ['restore-cdn-rules', 'restoreCdnRules'],
];

const bad = {
  id: 'recovery-point-bad',
  level: 'warning' as const,
  message: 'A drill found this point bad: tables.',
  advice: 'Take another one.',
  evidence: ['tables'],
};

async function started(site: FakeSite, input: object = {}): Promise<Run> {
  return harness().start('rollback', { site: site.site.name, ...input });
}

describe('a rollback', () => {
  it('goes back in the order of its plan, with a recovery point of its own, and measures', async () => {
    const site = harness().site('back');
    site.changes = [
      ...all.map(([id]) => fakeChange(id)),
      fakeChange('purge-cdn'),
      fakeChange('end-maintenance'),
    ];
    const input = {
      point: '20261120T030000Z-back-backup',
      layers: [...rollbackLayers],
      maintenance: true,
    };
    const run = await started(site, input);
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(site.walk).toEqual([
      ...['planRollback', 'measureBaseline', 'takeRecoveryPoint'],
      ...all.map(([, activity]) => activity),
      ...['purgeCdn', 'endMaintenance', 'verifyRolledBackLayers', 'verifyRolledBackSite'],
    ]);
    expect(site.inputs.find(({ name }) => name === 'planRollback')?.input).toMatchObject({
      request: input,
      operationId: 'back/rollback/x',
    });
    expect([...site.recovery.points.values()]).toMatchObject([
      { id: report.recoveryPoint?.id, reason: 'before-change', operationId: 'back/rollback/x' },
    ]);
    expect(site.recovery.inEffect).not.toContain('beginMaintenance');
  });

  it('has a handler for every change that a plan may hold', async () => {
    const site = harness().site('handlers');
    const ids = [
      ...all.map(([id]) => id),
      ...['fork-database', 'move-to-forked-database', 'purge-cdn', 'end-maintenance'],
      'renew-maintenance',
      ...Array.from({ length: 9 }, (_, index) => `delete-kept-${index + 1}`),
    ];
    site.changes = ids.map((id) => fakeChange(id));
    const run = await started(site);
    await run.approve();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(site.calls.filter((name) => name === 'deleteKept')).toHaveLength(9);
    expect(site.calls).toContain('moveToForkedDatabase');
  });

  it('tells the approvers at the gate itself what is lost and what does not come back', async () => {
    const site = harness().site('told');
    const say = (level: 'info' | 'warning', id: string, message: string, evidence: string[]) => ({
      ...{ id, level, message, advice: null, evidence },
    });
    site.findings = [
      say('info', 'not-coming-back', 'Some things stay.', ['Mails that were sent.', 'wp_posts']),
      say('warning', 'losses-since-point', 'Lost to the site: 3 orders.', []),
    ];
    const run = await started(site);
    await run.untilGate('apply');
    const [gate] = (await run.status()).gates;
    const lines = gate?.body?.split('\n') ?? [];
    const at = lines.indexOf('To know before:');
    expect(lines.slice(at, at + 5)).toEqual([
      'To know before:',
      '- Lost to the site: 3 orders.',
      '- Some things stay.',
      '  - Mails that were sent.',
      '',
    ]);
    await run.approve();
    await run.result();
  });

  it('shows the plan and changes nothing with planOnly', async () => {
    const site = harness().site('look');
    site.findings = [bad];
    const run = await started(site, { planOnly: true });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'planned' });
    expect(site.walk).toEqual(['planRollback']);
  });

  it('takes its own recovery point also where WordPress cannot say anything of itself', async () => {
    const site = harness().site('broken-site');
    site.fail('writeSentinel', 'AgentFailed');
    site.fail('describeWordPress', 'AgentFailed');
    const run = await started(site);
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(report.recoveryPoint?.missing.join()).toContain('a fresh sentinel');
  });

  it('does not wait long for the answers of a site that is down', async () => {
    const site = harness().site('down');
    site.fail('writeSentinel', 'Unavailable');
    site.fail('describeWordPress', 'Unavailable');
    const run = await started(site);
    await run.approve();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    for (const name of ['writeSentinel', 'describeWordPress']) {
      expect(site.calls.filter((called) => called === name)).toHaveLength(3);
    }
  });

  it('asks for a decision when the layers are not as they should be', async () => {
    const site = harness().site('unmet');
    site.when('verifyRolledBackLayers', async () => [criterion('plugins-as-in-point', false)]);
    const run = await started(site);
    await run.approve();
    await run.untilState('needs-operator');
    await run.operator({ action: 'compensate', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
    expect(site.recovery.inEffect).toEqual([]);
  });
});

describe('a point that a drill found bad', () => {
  it('is asked about again, at a gate of its own', async () => {
    const site = harness().site('bad');
    site.findings = [bad];
    const run = await started(site);
    await run.approve();
    const digest = await run.untilGate('bad-point');
    const { gates } = await run.status();
    expect(gates).toMatchObject([
      { id: 'apply', state: 'approved' },
      {
        id: 'bad-point',
        state: 'open',
        digest: site.plan('rollback').digest,
        body: expect.stringContaining('found this point bad') as string,
      },
    ]);
    expect(site.calls).not.toContain('measureBaseline');
    await run.decide({ gate: 'bad-point', digest, approver: 'alice', decision: 'approve' });
    const report = await run.result<OperationReport>();
    expect(report.steps.slice(2, 7).map(({ id, state }) => `${id} ${state}`)).toEqual([
      ...['plan done', 'gate-apply done', 'gate-bad-point done'],
      ...['lock-again done', 'baseline done'],
    ]);
  });

  it('is left alone when that gate is rejected', async () => {
    const site = harness().site('bad-no');
    site.findings = [bad];
    const run = await started(site);
    await run.approve();
    const digest = await run.untilGate('bad-point');
    await run.signal('reject', { gate: 'bad-point', digest, approver: 'bob', reason: 'another' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'rejected' });
    expect(site.walk).toEqual(['planRollback']);
  });

  it('is asked about twice again when something drifted meanwhile: both approvals are void', async () => {
    const site = harness().site('bad-moved');
    site.findings = [bad];
    let looks = 0;
    site.when('detectDrift', async () => ((looks += 1) === 1 ? [driftOf('deployment')] : []));
    const run = await started(site);
    await run.approve();
    await run.approve('alice', 'bad-point');
    await run.until(({ gates }) => gates.length === 3, 'asked again');
    expect((await run.status()).gates.map(({ id, state }) => `${id} ${state}`)).toEqual([
      ...['apply withdrawn', 'bad-point withdrawn', 'apply open'],
    ]);
    await run.approve();
    await run.approve('alice', 'bad-point');
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect((await run.status()).recoveryPoint?.id).toMatch(/Z-bad-moved-rollback-2$/);
  });

  it('that is good is asked about once', async () => {
    harness().site('good');
    const run = await started(harness().site('good'));
    await run.approve();
    await run.result();
    expect((await run.status()).gates).toHaveLength(1);
  });
});

describe('a rollback that is broken off', () => {
  it.each(all)('takes itself back when it is cancelled in %s', async (id, activity) => {
    const site = harness().site(`cancel-${id}`);
    site.changes = all.map(([one]) => fakeChange(one));
    const usual = site.behaviourOf(activity);
    site.workUntilCancelled(activity);
    const until = site.behaviourOf(activity);
    // What was begun is in effect, in part, when it is broken off.
    site.when(activity, async (input) => {
      await usual(input);
      return until(input);
    });
    const run = await started(site);
    await run.approve();
    await site.untilCalled(activity);
    await run.handle.cancel();
    const failed: unknown = await run.result().catch((error: unknown) => error);
    expect((failed as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(site.recovery.inEffect).toEqual([]);
    expect(await harness().lock(`cancel-${id}`).query('holder')).toBeNull();
  });

  it('takes itself back when it is aborted, the last change first', async () => {
    const site = harness().site('aborted');
    site.workUntilCancelled('restoreOptions');
    const run = await started(site);
    await run.approve();
    await site.untilCalled('restoreOptions');
    await run.signal('abort', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect(site.walk.slice(-3)).toEqual([
      'returnOptions',
      'switchExtensionsBack',
      'unstageExtensions',
    ]);
    expect(site.recovery.inEffect).toEqual([]);
  });

  it.each(all)(
    'takes itself back at once when %s fails for good and the input says so',
    async (id, activity) => {
      const site = harness().site(`fail-${id}`);
      site.changes = all.map(([one]) => fakeChange(one));
      site.fail(activity, 'RestoreDiffers');
      const run = await started(site, { onFailure: 'compensate' });
      await run.approve();
      expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
      expect(site.recovery.inEffect).toEqual([]);
    },
  );

  it.each([
    ['before the edge was emptied', 'restoreOptions' as const],
    ['after that', 'endMaintenance' as const],
  ])('empties the edge once everything is taken back, when it breaks %s', async (when, breaks) => {
    const site = harness().site(`edge-${breaks.toLowerCase()}`);
    site.changes = [
      fakeChange('stage-extensions'),
      fakeChange('switch-extensions', { touches: ['files'] }),
      ...['restore-options', 'purge-cdn', 'end-maintenance'].map((id) => fakeChange(id)),
    ];
    site.fail(breaks, 'AgentFailed');
    const run = await started(site, { onFailure: 'compensate' });
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('undone');
    expect(site.walk.slice(-3)).toEqual(['switchExtensionsBack', 'unstageExtensions', 'purgeCdn']);
    expect(report.steps.at(-1)).toMatchObject({ id: 'after-undo-purge-cdn', state: 'done' });
    expect(site.calls.filter((name) => name === 'purgeCdn')).toHaveLength(
      when === 'after that' ? 2 : 1,
    );
  });

  it('leaves the edge alone when nothing was switched yet', async () => {
    const site = harness().site('edge-early');
    site.changes = ['stage-extensions', 'switch-extensions', 'purge-cdn'].map((id) =>
      fakeChange(id, { touches: id === 'switch-extensions' ? ['files'] : [] }),
    );
    site.fail('stageExtensions', 'RestoreDiffers');
    const run = await started(site, { onFailure: 'compensate' });
    await run.approve();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
    expect(site.calls).not.toContain('purgeCdn');
  });

  it('takes nothing back past a deletion, and says so', async () => {
    const site = harness().site('deleted');
    const undo = { possible: false as const, why: 'it is deleted' };
    site.changes = [fakeChange('delete-kept-1', { undo }), fakeChange('delete-kept-2', { undo })];
    let deletions = 0;
    const usual = site.behaviourOf('deleteKept');
    site.fail('deleteKept', 'Forbidden');
    const refuse = site.behaviourOf('deleteKept');
    site.when('deleteKept', async (input) =>
      (deletions += 1) === 1 ? usual(input) : refuse(input),
    );
    const run = await started(site, { release: true, onFailure: 'compensate' });
    await run.approve();
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion?.options.find(({ action }) => action === 'compensate')?.possible).toBe(
      false,
    );
    expect(operatorQuestion?.options.find(({ action }) => action === 'skip')?.safe).toBe(true);
    await run.operator({ action: 'skip', by: 'olga', reason: 'later' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('in the middle of its recovery point has changed nothing and leaves nothing', async () => {
    const site = harness().site('early');
    site.workUntilCancelled('backUpFiles');
    const run = await started(site);
    await run.approve();
    await run.until(
      ({ steps }) => steps.some(({ id, state }) => id === 'back-up-database' && state === 'done'),
      'dumped',
    );
    await run.signal('abort', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect(site.recovery.leftovers).toEqual([]);
    expect(site.calls).not.toContain('stageExtensions');
  });
});
