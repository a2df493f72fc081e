/** What goes wrong on the way: drift, changes that fail, criteria that are not met, undo, and undo that fails. */
import { describe, expect, it, vi } from 'vitest';
import type { OperationReport, OperationStatus } from '../../src/domain/operation.ts';
import type { FakeSite } from '../support/fake-site.ts';
import { criterion, driftOf, fakeChange } from '../support/fake-site.ts';
import { refusalOf } from '../support/temporal-harness.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

const changes = ['createSharedClaim', 'copyExtensions', 'keepSalts', 'scaleOut'];
const undos = ['restoreScale', 'deleteSalts', 'releaseSharedClaim'];

/** Starts phase 1 at a site of that name and approves its plan. */
async function approved(site: FakeSite, input: object = {}): Promise<Run> {
  const run = await harness().start('hybridStorage', { site: site.site.name, ...input });
  await run.approve();
  return run;
}

function stateOf({ steps }: Pick<OperationStatus, 'steps'>, id: string): string | undefined {
  return steps.find((step) => step.id === id)?.state;
}

/** Which changes and undos ran, in order. */
function mutations(site: FakeSite): string[] {
  return site.walk.filter((name) => changes.includes(name) || undos.includes(name));
}

describe('an operation that needs an operator', () => {
  it('reminds people as often as a gate does, and names the deputies after the deadline', async () => {
    const site = harness().site('forgotten');
    // Before the watch over visitors: while an activity runs, the server's clock cannot jump.
    site.fail('measureBaseline', 'SiteBroken', 1);
    const run = await approved(site);
    await run.untilState('needs-operator');
    const told = () =>
      site.notifications.filter(({ kind }) => kind === 'needs-operator').map(({ title }) => title);
    for (const days of [1, 2, 3]) {
      await harness().pass(86_400_000 + 1_000);
      await expect.poll(() => told().length).toBe(1 + days);
    }
    const what = 'hybridStorage of forgotten needs an operator: baseline';
    expect(told()).toEqual([
      what,
      `Still waiting: ${what}`,
      `Still waiting: ${what}`,
      `Deputies (carol), please answer: ${what}`,
    ]);
    await run.operator({ action: 'retry', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(told()).toHaveLength(4);
  });
});

describe('drift', () => {
  it('before any change plans again, withdraws the approval and asks anew', async () => {
    const site = harness().site('moved');
    let looks = 0;
    site.when('detectDrift', async () => {
      looks += 1;
      if (looks > 1) return [];
      site.changes = [fakeChange('create-shared-claim')];
      return [driftOf('deployment')];
    });
    const before = site.plan('hybridStorage').digest;
    const run = await approved(site);
    const status = await run.until(({ gates }) => gates.length === 2, 'asked again');
    expect(status.gates.map(({ state, digest }) => [state, digest])).toEqual([
      ['withdrawn', before],
      ['open', site.plan('hybridStorage').digest],
    ]);
    expect(mutations(site)).toEqual([]);
    const old = { gate: 'apply', digest: before, approver: 'bob', decision: 'approve' };
    expect(await refusalOf(run.decide(old))).toContain('asks about');
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(mutations(site)).toEqual(['createSharedClaim']);
    expect(report.recoveryPoint?.id).toMatch(/Z-moved-hybridStorage-2$/);
    expect(report.steps.map(({ id }) => id)).toEqual([
      // Not even a recovery point was taken for the plan that drifted.
      ...['site', 'lock', 'plan', 'gate-apply', 'lock-again'],
      ...['plan-2', 'gate-apply-2', 'lock-again-2', 'baseline-2', 'recovery-point-2'],
      ...['hold-plugin-updates-2', 'open-repository-2', 'sentinel-2', 'describe-2'],
      ...[
        ...['snapshot-volumes-2', 'back-up-files-2', 'back-up-database-2'],
        'record-recovery-point-2',
        'release-plugin-updates-2',
        'visitors-2',
      ],
      'create-shared-claim',
      ...['verify-shared-storage', 'verify-plugin-lifecycle', 'verify-admin-and-visitors'],
    ]);
  });

  it('after a change stops for an operator with nothing applied further', async () => {
    const site = harness().site('moved-late');
    let drifted = false;
    site.when('keepSalts', async () => {
      drifted = true;
      return {};
    });
    site.when('detectDrift', async () => (drifted ? [driftOf('service')] : []));
    const run = await approved(site);
    const status = await run.untilState('needs-operator');
    expect(status.drift).toEqual([driftOf('service')]);
    expect(status.operatorQuestion).toMatchObject({
      step: 'scale-out',
      failureType: 'Drifted',
      options: [
        { action: 'retry', safe: true },
        { action: 'skip', safe: false },
        { action: 'compensate', possible: true },
      ],
    });
    expect(site.calls).not.toContain('scaleOut');
    await run.operator({ action: 'retry', by: 'olga' });
    await run.until(({ steps }) => stateOf({ steps }, 'scale-out') === 'failed', 'failed again');
    drifted = false;
    await run.untilState('needs-operator');
    await run.operator({ action: 'retry', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect((await run.status()).drift).toEqual([]);
  });

  it('can be accepted with a reason, which the report keeps', async () => {
    const site = harness().site('moved-fine');
    site.when('detectDrift', async ({ observations }) =>
      site.calls.includes('keepSalts') && observations.some(({ key }) => key === 'service')
        ? [driftOf('service')]
        : [],
    );
    const run = await approved(site);
    await run.untilState('needs-operator');
    await run.operator({ action: 'skip', by: 'olga', reason: 'we added a label' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(report.findings.filter(({ level }) => level !== 'info')).toMatchObject([
      {
        id: 'accepted-drift-before-scale-out',
        level: 'warning',
        message: 'olga accepted drift: we added a label',
        evidence: ['service'],
      },
    ]);
    expect(mutations(site)).toEqual(changes);
  });

  it('is not looked for in what the changes of this run have touched themselves', async () => {
    const site = harness().site('own-steps');
    site.changes = [
      fakeChange('create-shared-claim', { touches: ['deployment'] }),
      fakeChange('scale-out', { touches: ['service'] }),
    ];
    const run = await approved(site);
    await run.result();
    const looked = site.inputs
      .filter(({ name }) => name === 'detectDrift')
      .map(({ input }) =>
        (input as { observations: { key: string }[] }).observations.map(({ key }) => key),
      );
    const everything = ['deployment', 'service'];
    // Once after the approval, then before each change.
    expect(looked).toEqual([everything, everything, ['service']]);
  });
});

describe('a change that fails for good', () => {
  it('stops for an operator who is told what is safe, and retry goes on from there', async () => {
    const site = harness().site('retried');
    site.fail('keepSalts', 'SecretMissing', 1);
    const run = await approved(site);
    const status = await run.untilState('needs-operator');
    expect(status.operatorQuestion).toMatchObject({
      step: 'keep-salts',
      error: expect.stringContaining('keepSalts said no.') as string,
      failureType: 'SecretMissing',
    });
    expect(status.operatorQuestion?.options).toMatchObject([
      { action: 'retry', possible: true, safe: true },
      { action: 'skip', safe: false, why: expect.stringContaining('"Do scale-out"') as string },
      { action: 'compensate', possible: true, safe: true },
    ]);
    expect(status.steps.find(({ id }) => id === 'keep-salts')).toMatchObject({
      state: 'failed',
      error: 'keepSalts said no. Create the secret that the reference names, then retry.',
    });
    await vi.waitFor(() =>
      expect(site.notifications.map(({ kind }) => kind)).toContain('needs-operator'),
    );
    await run.operator({ action: 'retry', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(mutations(site)).toEqual([
      'createSharedClaim',
      'copyExtensions',
      'keepSalts',
      'keepSalts',
      'scaleOut',
    ]);
  });

  it('can be skipped with a reason, which is safe for the last one', async () => {
    const site = harness().site('skipped');
    site.fail('scaleOut', 'RolloutStuck');
    const run = await approved(site);
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion?.options.find(({ action }) => action === 'skip')?.safe).toBe(true);
    const bare = run.operator({ action: 'skip', by: 'olga' });
    expect(await refusalOf(bare)).toContain('skip needs a reason');
    await run.operator({ action: 'skip', by: 'olga', reason: 'scaled by hand' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(report.steps.find(({ id }) => id === 'scale-out')).toMatchObject({
      state: 'skipped',
      result: { skippedBy: 'olga', reason: 'scaled by hand' },
    });
  });

  it('is safe to skip in the middle where no later change needs it', async () => {
    const site = harness().site('aside');
    site.changes = [fakeChange('apply-disruption-budget'), fakeChange('scale-out')];
    site.fail('applyDisruptionBudget', 'Forbidden');
    const run = await approved(site);
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion?.options.find(({ action }) => action === 'skip')?.safe).toBe(true);
    await run.signal('skip', { by: 'olga', reason: 'made by hand' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('is taken back with everything before it, the last first, when the operator says so', async () => {
    const site = harness().site('compensated');
    site.fail('scaleOut', 'RolloutStuck');
    const run = await approved(site);
    await run.untilState('needs-operator');
    await run.operator({ action: 'compensate', by: 'olga' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('undone');
    expect(mutations(site)).toEqual([...changes, ...undos]);
    expect(report.steps.map(({ id, state }) => `${id} ${state}`).slice(16)).toEqual([
      'visitors done',
      'create-shared-claim undone',
      'copy-extensions undone',
      'keep-salts undone',
      'scale-out undone',
      'undo-scale-out done',
      'undo-keep-salts done',
      'undo-create-shared-claim done',
    ]);
    expect((await run.status()).state).toBe('undone');
    expect(site.calls).not.toContain('verifySharedStorage');
  });

  it('is taken back at once, without asking, with onFailure compensate', async () => {
    const site = harness().site('unattended');
    site.fail('keepSalts', 'SecretMissing');
    const run = await approved(site, { onFailure: 'compensate' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
    expect(mutations(site)).toEqual([
      ...['createSharedClaim', 'copyExtensions', 'keepSalts'],
      ...['deleteSalts', 'releaseSharedClaim'],
    ]);
    expect(site.notifications.map(({ kind }) => kind)).not.toContain('needs-operator');
  });

  it('cannot be taken back past a point of no return, and the refusal says why', async () => {
    const site = harness().site('no-return');
    site.changes = [
      fakeChange('create-shared-claim', {
        undo: { possible: false, why: 'the old volume is gone' },
      }),
      fakeChange('scale-out'),
    ];
    site.fail('scaleOut', 'RolloutStuck', 1);
    const run = await approved(site, { onFailure: 'compensate' });
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion?.options[2]).toMatchObject({
      action: 'compensate',
      possible: false,
      safe: false,
      why: '"Do create-shared-claim" cannot be undone: the old volume is gone',
    });
    const refused = run.operator({ action: 'compensate', by: 'olga' });
    expect(await refusalOf(refused)).toContain('the old volume is gone');
    await run.signal('compensate', { by: 'olga' });
    await run.until(({ ignored }) => ignored.length === 1, 'ignored');
    await run.operator({ action: 'retry', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(mutations(site)).toEqual(['createSharedClaim', 'scaleOut', 'scaleOut']);
  });
});

describe('an operator', () => {
  it('is heard only when asked, by name and with a word that exists', async () => {
    const site = harness().site('uncalled');
    site.fail('scaleOut', 'RolloutStuck', 1);
    const run = await harness().start('hybridStorage', { site: 'uncalled' });
    await run.untilGate();
    const early = run.operator({ action: 'retry', by: 'olga' });
    expect(await refusalOf(early)).toContain('no operator is asked');
    await run.signal('compensate', { by: 'olga' });
    await run.approve();
    await run.untilState('needs-operator');
    for (const [input, why] of [
      [{ action: 'shrug', by: 'olga' }, 'must be one of retry, skip, compensate'],
      [{ action: 'retry' }, 'does not say by whom'],
      ['retry', 'must be one of'],
    ] as const) {
      expect(await refusalOf(run.operator(input))).toContain(why);
    }
    await run.signal('skip', { by: 'olga' });
    await run.signal('retry', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect((await run.status()).ignored).toMatchObject([
      { name: 'compensate', by: 'olga', why: 'no operator is asked at the moment' },
      { name: 'skip', by: 'olga', why: expect.stringContaining('skip needs a reason') as string },
    ]);
  });
});

describe('a precaution that cannot be taken', () => {
  it('asks before anything is changed, and compensate then just ends', async () => {
    const site = harness().site('unprotected');
    site.recovery.ready = false;
    site.fail('takeRecoveryPoint', 'Forbidden');
    const run = await approved(site);
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion?.options).toMatchObject([
      { action: 'retry', safe: true },
      { action: 'skip', safe: false, why: expect.stringContaining('without a recovery') as string },
      { action: 'compensate', safe: true, why: expect.stringContaining('Nothing was') as string },
    ]);
    await run.operator({ action: 'compensate', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
    expect(mutations(site)).toEqual([]);
  });
});

describe('a success criterion that is not met', () => {
  it('is measured again on retry', async () => {
    const site = harness().site('unmet');
    let measured = 0;
    site.when('verifyPluginLifecycle', async () => [
      criterion('plugin-on-every-pod', (measured += 1) > 1),
      criterion('plugin-survives'),
    ]);
    const run = await approved(site);
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion).toMatchObject({
      step: 'verify-plugin-lifecycle',
      error: expect.stringContaining(
        '1 of 2 criteria not met. Criterion plugin-on-every-pod: measured false, wanted true',
      ) as string,
    });
    await run.operator({ action: 'retry', by: 'olga' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(report.criteria.filter(({ pass }) => !pass)).toEqual([]);
    expect(report.criteria).toHaveLength(4);
  });

  it('can be accepted with a reason; the report still says that it was not met', async () => {
    const site = harness().site('accepted');
    site.when('verifyPluginLifecycle', async () => [criterion('plugin-on-every-pod', false)]);
    const run = await approved(site);
    await run.untilState('needs-operator');
    await run.operator({ action: 'skip', by: 'olga', reason: 'known, ticket 7' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(report.criteria.find(({ id }) => id === 'plugin-on-every-pod')?.pass).toBe(false);
    expect(report.findings.filter(({ level }) => level !== 'info')).toMatchObject([
      {
        level: 'warning',
        message: expect.stringContaining('1 of 1 criteria not met') as string,
        evidence: { skippedBy: 'olga', reason: 'known, ticket 7' },
      },
    ]);
    expect(stateOf(report, 'verify-plugin-lifecycle')).toBe('skipped');
  });

  it('has everything taken back on compensate', async () => {
    const site = harness().site('unworthy');
    site.when('verifyAdminAndVisitors', async () => [criterion('no-failed-request', false)]);
    const run = await approved(site);
    await run.untilState('needs-operator');
    await run.operator({ action: 'compensate', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
    expect(mutations(site)).toEqual([...changes, ...undos]);
  });

  it('is not met when nothing was measured', async () => {
    const site = harness().site('unmeasured');
    site.when('verifySharedStorage', async () => []);
    const run = await approved(site);
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion?.error).toContain('No criterion was measured.');
    await run.operator({ action: 'skip', by: 'olga', reason: 'later' });
    await run.result();
  });
});

describe('an undo that fails', () => {
  it('stops for an operator, who can have it tried again', async () => {
    const site = harness().site('stuck');
    site.fail('scaleOut', 'RolloutStuck');
    site.fail('deleteSalts', 'Forbidden', 1);
    const run = await approved(site, { onFailure: 'compensate' });
    const { operatorQuestion } = await run.untilState('needs-operator');
    expect(operatorQuestion).toMatchObject({
      step: 'undo-keep-salts',
      failureType: 'Forbidden',
      options: [
        { action: 'retry', safe: true },
        { action: 'skip', safe: false },
        { action: 'compensate', possible: false },
      ],
    });
    await run.operator({ action: 'retry', by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
    expect(mutations(site)).toEqual([
      ...changes,
      ...['restoreScale', 'deleteSalts', 'deleteSalts', 'releaseSharedClaim'],
    ]);
  });

  it('can be passed over with a reason; the changes before it are still taken back', async () => {
    const site = harness().site('left');
    site.fail('scaleOut', 'RolloutStuck');
    site.fail('restoreScale', 'RolloutStuck');
    const run = await approved(site, { onFailure: 'compensate' });
    await run.untilState('needs-operator');
    await run.operator({ action: 'skip', by: 'olga', reason: 'scaled back by hand' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('undone');
    expect(stateOf(report, 'undo-scale-out')).toBe('skipped');
    expect(stateOf(report, 'create-shared-claim')).toBe('undone');
  });
});
