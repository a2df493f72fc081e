/** The recovery point before the first change of an operation: full where copies can leave the cluster, named at the gate. */
import { describe, expect, it } from 'vitest';
import type { OperationReport } from '../../src/domain/operation.ts';
import type { Plan } from '../../src/domain/plan.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

describe('where copies can leave the cluster', () => {
  it('the gate names the point that is taken then, and what it holds', async () => {
    const site = harness().site('named');
    const run = await harness().start('hybridStorage', { site: 'named' });
    await run.untilGate();
    const { gates, findings } = await run.status();
    const finding = findings.find(({ id }) => id === 'recovery-point');
    const { id } = finding?.evidence as { id: string };
    expect(finding).toMatchObject({ level: 'info', evidence: { full: true } });
    expect(gates[0]?.body).toContain(
      `The recovery point ${id} is taken before the first change. It will hold the files`,
    );
    const details = await run.handle.query<{ currentDetails: string }>(
      '__temporal_workflow_metadata',
    );
    expect(details.currentDetails).toContain(`The recovery point ${id} is taken before`);
    expect(site.notifications[0]?.body).toContain(id);
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report.recoveryPoint).toMatchObject({
      id,
      contains: ['files', 'database', 'Deployment fake/wordpress'],
    });
    const kept = site.inputs.find(({ name }) => name === 'takeRecoveryPoint');
    expect(kept?.input).toMatchObject({ id, plan: null });
    expect(site.recovery.leftovers).toEqual([]);
  });

  it('a copy that was not whole is taken again before the first change', async () => {
    const site = harness().site('incomplete');
    site.fail('recordRecoveryPoint', 'BackupIncomplete', 1);
    const run = await harness().start('hybridStorage', { site: 'incomplete' });
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report.recoveryPoint?.id).toMatch(/Z-incomplete-hybridStorage-2$/);
    expect(site.inputs.find(({ name }) => name === 'createSharedClaim')?.input).toMatchObject({
      recoveryPoint: { id: report.recoveryPoint?.id },
    });
  });

  it('one that fails for good is a question; retry takes the whole again under another id', async () => {
    const site = harness().site('asked');
    site.failBeside('backUpFiles', 'backUpDatabase', 'NoSpace', 1);
    const run = await harness().start('hybridStorage', { site: 'asked' });
    await run.approve();
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion).toMatchObject({ step: 'recovery-point', failureType: 'NoSpace' });
    expect(site.recovery.leftovers).toEqual([]);
    expect(site.calls).not.toContain('createSharedClaim');
    await run.operator({ action: 'retry', by: 'olga' });
    const report = await run.result<OperationReport>();
    expect(report.recoveryPoint?.id).toMatch(/-hybridStorage-2$/);
  });

  it('passed over, the objects are kept all the same, for undo goes back to them', async () => {
    const site = harness().site('passed-over');
    site.failBeside('backUpFiles', 'backUpDatabase', 'NoSpace');
    const run = await harness().start('hybridStorage', { site: 'passed-over' });
    await run.approve();
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion?.options.find(({ action }) => action === 'skip')?.why).toContain(
      'objects alone',
    );
    await run.operator({ action: 'skip', by: 'olga', reason: 'urgent' });
    const report = await run.result<OperationReport>();
    expect(report.recoveryPoint).toMatchObject({
      missing: ['the database', 'files of plugins and themes'],
    });
    const last = site.inputs.filter(({ name }) => name === 'takeRecoveryPoint').at(-1);
    expect((last?.input as { plan: Plan }).plan.operation).toBe('hybridStorage');
    expect(report.steps.find(({ id }) => id === 'recovery-point-objects')?.state).toBe('done');
  });
});

describe('where they cannot', () => {
  it.each([
    ['is not ready', 'there is no repository password'],
    ['cannot be looked at', 'backupReadiness said no.'],
  ])('the point is as small as before, and the gate warns of it: %s', async (what, why) => {
    const name = what.replaceAll(' ', '-');
    const site = harness().site(name);
    if (what === 'is not ready') site.recovery.ready = false;
    else site.fail('backupReadiness', 'SecretMissing');
    const run = await harness().start('hybridStorage', { site: name });
    await run.untilGate();
    const { gates, findings } = await run.status();
    expect(gates[0]?.body).toContain('it will NOT hold files or the database');
    expect(findings.find(({ id }) => id === 'recovery-point')).toMatchObject({
      level: 'warning',
      message: expect.stringContaining(why) as string,
    });
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report).toMatchObject({
      outcome: 'done',
      recoveryPoint: { missing: ['the database', 'files of plugins and themes'] },
    });
    expect(site.calls).not.toContain('openRepository');
    expect(site.calls.filter((called) => called === 'takeRecoveryPoint')).toHaveLength(1);
  });
});
