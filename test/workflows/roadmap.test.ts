/** The roadmap: phases as children in order, a person's go between them, and everything handed on to the phase. */
import { describe, expect, it } from 'vitest';
import type { RoadmapReport, RoadmapStatus } from '../../src/domain/operation.ts';
import { refusalOf } from '../support/temporal-harness.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

function phase(name: string, type: 'prerequisites' | 'hybridStorage'): Run {
  return harness().run(`${name}/${type}`);
}

/** The phase once it has been started. */
async function started(
  run: Run,
  name: string,
  number: number,
  type: 'prerequisites' | 'hybridStorage',
) {
  await run.until<RoadmapStatus>(
    ({ children }) => children.some((child) => child.phase === number && child.runId !== null),
    `phase ${number}`,
  );
  return phase(name, type);
}

describe('the roadmap', () => {
  it('runs phases 0 and 1 as children with a go between them, and reports both', async () => {
    const site = harness().site('both');
    const run = await harness().start('roadmap', { site: 'both', requestedBy: 'dave' });
    await (await started(run, 'both', 0, 'prerequisites')).approve();
    const digest = await run.untilGate('go-no-go-0');
    const between = await run.status<RoadmapStatus>();
    expect(between.gates[0]?.question).toContain('Phase 0 is done with 3 of 3 criteria met');
    expect(between.children).toMatchObject([
      { phase: 0, operation: 'prerequisites', workflowId: 'both/prerequisites', outcome: 'done' },
    ]);
    expect(digest).toBe(site.plan('prerequisites').digest);
    expect(site.calls).not.toContain('planHybridStorage');
    await run.approve('alice', 'go-no-go-0');
    await (await started(run, 'both', 1, 'hybridStorage')).approve();
    const report = await run.result<RoadmapReport>();
    expect(report).toMatchObject({ operation: 'roadmap', outcome: 'done' });
    expect(report.phases.map(({ operation, outcome }) => [operation, outcome])).toEqual([
      ['prerequisites', 'done'],
      ['hybridStorage', 'done'],
    ]);
    expect(report.criteria).toHaveLength(6);
    expect(report.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'site done',
      'phase-0 done',
      'go-no-go-0 done',
      'phase-1 done',
    ]);
    expect((await phase('both', 'hybridStorage').status()).requestedBy).toBe('dave');
  });

  it('runs only what lies between from and to', async () => {
    const site = harness().site('part');
    const run = await harness().start('roadmap', { site: 'part', from: 1, to: 1 });
    await (await started(run, 'part', 1, 'hybridStorage')).approve();
    const report = await run.result<RoadmapReport>();
    expect(report.phases.map(({ operation }) => operation)).toEqual(['hybridStorage']);
    expect(site.calls).not.toContain('planPrerequisites');
    const only = await harness().start('roadmap', { site: 'part', to: 0 });
    await (await started(only, 'part', 0, 'prerequisites')).approve();
    expect((await only.result<RoadmapReport>()).phases).toHaveLength(1);
    expect((await only.status()).gates).toEqual([]);
  });

  it('plans every phase without a gate with planOnly', async () => {
    const site = harness().site('plans');
    const run = await harness().start('roadmap', { site: 'plans', planOnly: true });
    const report = await run.result<RoadmapReport>();
    expect(report.outcome).toBe('planned');
    expect(report.phases.map(({ outcome }) => outcome)).toEqual(['planned', 'planned']);
    expect(site.walk).toEqual(['planPrerequisites', 'planHybridStorage']);
  });

  it('stops where a person says no-go', async () => {
    const site = harness().site('nogo');
    const run = await harness().start('roadmap', { site: 'nogo' });
    await (await started(run, 'nogo', 0, 'prerequisites')).approve();
    const digest = await run.untilGate('go-no-go-0');
    await run.signal('reject', { gate: 'go-no-go-0', digest, approver: 'bob', reason: 'later' });
    const report = await run.result<RoadmapReport>();
    expect(report).toMatchObject({ outcome: 'rejected', phases: [{ outcome: 'done' }] });
    expect(site.calls).not.toContain('planHybridStorage');
  });

  it('stops where a phase does not end as done', async () => {
    const site = harness().site('refused');
    const run = await harness().start('roadmap', { site: 'refused' });
    const first = await started(run, 'refused', 0, 'prerequisites');
    const digest = await first.untilGate();
    await first.decide({ gate: 'apply', digest, approver: 'bob', decision: 'reject' });
    const report = await run.result<RoadmapReport>();
    expect(report.outcome).toBe('rejected');
    expect(report.steps.find(({ id }) => id === 'phase-0')?.state).toBe('failed');
    expect(site.calls).not.toContain('planHybridStorage');
  });

  it('fails as its phase failed', async () => {
    const site = harness().site('failing');
    site.fail('planPrerequisites', 'SecretMissing');
    const run = await harness().start('roadmap', { site: 'failing' });
    await expect(run.result()).rejects.toMatchObject({
      cause: { type: 'SecretMissing', message: 'planPrerequisites said no.' },
    });
    const status = await run.status<RoadmapStatus>();
    expect(status).toMatchObject({ state: 'failed', children: [{ outcome: 'failed' }] });
  });

  it('says so when a phase runs already on its own', async () => {
    harness().site('twice');
    const alone = await harness().start('prerequisites', { site: 'twice' });
    await alone.untilGate();
    const run = await harness().start('roadmap', { site: 'twice' });
    await expect(run.result()).rejects.toMatchObject({
      cause: {
        type: 'PreconditionFailed',
        message: 'twice/prerequisites is running already; end it first.',
      },
    });
    await alone.signal('abort', { by: 'olga' });
    await alone.result();
  });

  it('refuses decisions of phases that are not its own', async () => {
    harness().site('strict');
    const run = await harness().start('roadmap', { site: 'strict' });
    const first = await started(run, 'strict', 0, 'prerequisites');
    const digest = await first.untilGate();
    const word = { gate: 'apply', digest, approver: 'alice', decision: 'approve' };
    expect(await refusalOf(run.decide(word))).toContain('there is no gate apply');
    await run.signal('abort', { by: 'olga' });
    await run.result();
  });
});

describe('pause, resume and abort of the roadmap', () => {
  it('reach the phase under way, which undoes itself before the roadmap ends', async () => {
    const site = harness().site('stopped');
    const release = site.hold('verifyDatabase');
    const run = await harness().start('roadmap', { site: 'stopped' });
    const first = await started(run, 'stopped', 0, 'prerequisites');
    await first.approve();
    await first.untilState('verifying');
    await run.signal('abort', { by: 'olga', reason: 'wrong site' });
    const told = await first.until(({ abort }) => abort !== null, 'told to abort');
    expect(told.abort).toMatchObject({ by: 'olga', reason: 'wrong site' });
    release();
    const report = await run.result<RoadmapReport>();
    expect(report).toMatchObject({ outcome: 'aborted', phases: [{ outcome: 'aborted' }] });
    expect(site.walk).toContain('deleteEmptyBucket');
  });

  it('hold the phase under way and start no other', async () => {
    const site = harness().site('held');
    const run = await harness().start('roadmap', { site: 'held' });
    const first = await started(run, 'held', 0, 'prerequisites');
    await run.signal('pause', { by: 'olga' });
    await first.approve();
    await first.untilState('paused');
    await run.signal('resume', { by: 'olga' });
    await run.untilGate('go-no-go-0');
    await run.signal('pause', { by: 'olga' });
    await run.approve('alice', 'go-no-go-0');
    await run.untilState('paused');
    expect(site.calls).not.toContain('planHybridStorage');
    await run.signal('resume', { by: 'olga' });
    await (await started(run, 'held', 1, 'hybridStorage')).approve();
    expect(await run.result<RoadmapReport>()).toMatchObject({ outcome: 'done' });
  });

  it('abort between phases just ends', async () => {
    const site = harness().site('between');
    const run = await harness().start('roadmap', { site: 'between' });
    await (await started(run, 'between', 0, 'prerequisites')).approve();
    await run.untilGate('go-no-go-0');
    await run.signal('abort', { by: 'olga' });
    const report = await run.result<RoadmapReport>();
    expect(report).toMatchObject({ outcome: 'aborted', phases: [{ outcome: 'done' }] });
    expect((await run.status()).gates[0]?.state).toBe('withdrawn');
    expect(site.walk).not.toContain('deleteEmptyBucket');
  });

  it('cancelling the roadmap cancels the phase, which undoes itself', async () => {
    const site = harness().site('cancelled');
    site.workUntilCancelled('verifyDatabase');
    const run = await harness().start('roadmap', { site: 'cancelled' });
    const first = await started(run, 'cancelled', 0, 'prerequisites');
    await first.approve();
    await first.untilState('verifying');
    await run.handle.cancel();
    await expect(run.result()).rejects.toThrow();
    expect((await run.handle.describe()).status.name).toBe('CANCELLED');
    expect((await first.handle.describe()).status.name).toBe('CANCELLED');
    expect(site.walk).toContain('deleteEmptyBucket');
  });
});
