/** Holding, stopping and breaking off from outside: pause, resume, abort, cancellation. */
import { describe, expect, it } from 'vitest';
import { CancelledFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import type { OperationReport, OperationStatus } from '../../src/domain/operation.ts';
import type { FakeSite } from '../support/fake-site.ts';
import { fakeChange } from '../support/fake-site.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

const changes = ['createSharedClaim', 'copyExtensions', 'keepSalts', 'scaleOut'];
const undos = ['restoreScale', 'deleteSalts', 'releaseSharedClaim'];

async function approved(site: FakeSite): Promise<Run> {
  const run = await harness().start('hybridStorage', { site: site.site.name });
  await run.approve();
  return run;
}

async function untilRunning(run: Run, id: string): Promise<OperationStatus> {
  return run.until(
    ({ steps }) => steps.some((step) => step.id === id && step.state === 'running'),
    `running ${id}`,
  );
}

function mutations(site: FakeSite): string[] {
  return site.walk.filter((name) => changes.includes(name) || undos.includes(name));
}

describe('pause', () => {
  it('lets the change under way end, holds before the next, and resume goes on', async () => {
    const site = harness().site('held');
    const release = site.hold('copyExtensions');
    const run = await approved(site);
    await untilRunning(run, 'copy-extensions');
    await run.signal('pause', { by: 'olga', reason: 'sale until noon' });
    const asked = await run.until(({ pause }) => pause !== null, 'asked to pause');
    expect(asked).toMatchObject({
      state: 'applying',
      pause: { by: 'olga', reason: 'sale until noon' },
    });
    release();
    const paused = await run.untilState('paused');
    expect(paused.steps.find(({ id }) => id === 'copy-extensions')?.state).toBe('done');
    expect(mutations(site)).toEqual(['createSharedClaim', 'copyExtensions']);
    await run.signal('resume', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(mutations(site)).toEqual(changes);
    expect((await run.status()).pause).toBeNull();
  });

  it('holds an approved plan before its first step, and resuming twice is noted', async () => {
    const site = harness().site('held-early');
    const run = await harness().start('hybridStorage', { site: 'held-early' });
    await run.untilGate();
    await run.signal('pause', { by: 'olga' });
    await run.approve();
    await run.untilState('paused');
    expect(site.walk).toEqual(['planHybridStorage']);
    await run.signal('resume', { by: 'olga' });
    await run.signal('resume', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect((await run.status()).ignored).toMatchObject([
      { name: 'resume', by: 'olga', why: 'it is not paused' },
    ]);
  });
});

describe('abort', () => {
  it('stops the change under way, takes back what was done and reports', async () => {
    const site = harness().site('aborted');
    site.workUntilCancelled('scaleOut');
    const run = await approved(site);
    await untilRunning(run, 'scale-out');
    await run.signal('abort', { by: 'olga', reason: 'wrong site' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('aborted');
    expect(mutations(site)).toEqual([...changes, ...undos]);
    expect(report.steps.find(({ id }) => id === 'visitors')).toMatchObject({
      state: 'done',
      result: { failed: 0 },
    });
    expect((await run.status()).state).toBe('aborted');
  });

  it('waits for a change that cannot be stopped before it takes that back', async () => {
    const site = harness().site('finishing');
    const release = site.hold('keepSalts');
    const run = await approved(site);
    await untilRunning(run, 'keep-salts');
    await run.signal('abort', { by: 'olga' });
    await run.until(({ abort }) => abort?.by === 'olga', 'aborting');
    expect(mutations(site)).not.toContain('deleteSalts');
    release();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect(mutations(site)).toEqual([
      ...['createSharedClaim', 'copyExtensions', 'keepSalts'],
      ...['deleteSalts', 'releaseSharedClaim'],
    ]);
  });

  it('at a gate withdraws it and changes nothing', async () => {
    const site = harness().site('aborted-early');
    const run = await harness().start('hybridStorage', { site: 'aborted-early' });
    await run.untilGate();
    await run.signal('abort', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect((await run.status()).gates).toMatchObject([{ state: 'withdrawn' }]);
    expect(site.walk).toEqual(['planHybridStorage']);
  });

  it('answers an operator question by taking everything back', async () => {
    const site = harness().site('aborted-asked');
    site.fail('copyExtensions', 'JobFailed');
    const run = await approved(site);
    await run.untilState('needs-operator');
    await run.signal('abort', { by: 'olga' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect(mutations(site)).toEqual(['createSharedClaim', 'copyExtensions', 'releaseSharedClaim']);
    expect((await run.status()).operatorQuestion).toBeNull();
  });

  it('during the last measurement counts, although that came to its end', async () => {
    const site = harness().site('aborted-late');
    const release = site.hold('verifyAdminAndVisitors');
    const run = await approved(site);
    await untilRunning(run, 'verify-admin-and-visitors');
    await run.signal('abort', { by: 'olga' });
    await run.until(({ abort }) => abort?.by === 'olga', 'aborting');
    release();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect(mutations(site)).toEqual([...changes, ...undos]);
  });

  it('comes too late while everything is taken back already, and says so', async () => {
    const site = harness().site('aborted-twice');
    site.fail('scaleOut', 'RolloutStuck');
    const release = site.hold('restoreScale');
    const run = await harness().start('hybridStorage', {
      site: 'aborted-twice',
      onFailure: 'compensate',
    });
    await run.approve();
    await run.untilState('compensating');
    await run.signal('abort', { by: 'olga' });
    await run.until(({ ignored }) => ignored.length === 1, 'ignored');
    release();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'undone' });
    expect((await run.status()).ignored).toMatchObject([
      { name: 'abort', by: 'olga', why: 'it is ending already' },
    ]);
  });

  it('past a point of no return takes nothing back and reports that', async () => {
    const site = harness().site('aborted-past');
    site.changes = [
      fakeChange('create-shared-claim'),
      fakeChange('keep-salts', { undo: { possible: false, why: 'they are in use' } }),
      fakeChange('scale-out'),
    ];
    site.workUntilCancelled('scaleOut');
    const run = await approved(site);
    await untilRunning(run, 'scale-out');
    await run.signal('abort', { by: 'olga' });
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('aborted');
    expect(mutations(site)).toEqual(['createSharedClaim', 'keepSalts', 'scaleOut']);
    expect(report.findings.filter(({ level }) => level !== 'info')).toMatchObject([
      {
        id: 'not-undone',
        level: 'error',
        message: expect.stringContaining('Do keep-salts') as string,
        evidence: ['keep-salts'],
      },
    ]);
  });
});

describe('cancelling the workflow', () => {
  it('takes back every change, the last first, and cannot be cancelled out of that', async () => {
    const site = harness().site('cancelled');
    site.workUntilCancelled('scaleOut');
    const release = site.hold('restoreScale');
    const run = await approved(site);
    await untilRunning(run, 'scale-out');
    await run.handle.cancel();
    await run.untilState('compensating');
    await run.handle.cancel();
    release();
    const failure = await run.result().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(mutations(site)).toEqual([...changes, ...undos]);
    expect((await run.handle.describe()).status.name).toBe('CANCELLED');
    expect(await run.status()).toMatchObject({ state: 'aborted' });
    expect(await harness().lock('cancelled').query('holder')).toBeNull();
  });
});
