/** The site's lock: one mutating operation at a time, in order, and none that waits for a dead one. */
import { describe, expect, it } from 'vitest';
import type { LockHolder, OperationReport } from '../../src/domain/operation.ts';
import { TASK_QUEUE, workflowIds } from '../../src/domain/identifiers.ts';
import { driftOf } from '../support/fake-site.ts';
import type { FakeSite } from '../support/fake-site.ts';
import { terminate } from '../support/temporal-harness.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

const holderOf = (site: string) => harness().lock(site).query<LockHolder | null>('holder');
const queueOf = (site: string) => harness().lock(site).query<LockHolder[]>('queue');

/** An operation that has the lock and keeps it, paused, and another one that waits for the lock. */
async function two(name: string): Promise<{ site: FakeSite; first: Run; second: Run }> {
  const site = harness().site(name);
  const first = await harness().start('hybridStorage', { site: name });
  await first.holdLock();
  const second = await harness().start('prerequisites', { site: name });
  return { site, first, second };
}

describe('the lock of a site', () => {
  it('lets a second operation wait, says for whom, and hands over when the first ends', async () => {
    const { site, first, second } = await two('busy');
    const waiting = await second.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    expect(waiting).toMatchObject({
      state: 'waiting-for-lock',
      waitingFor: { workflowId: 'busy/hybridStorage', operation: 'hybridStorage' },
    });
    expect(await holderOf('busy')).toMatchObject({ workflowId: 'busy/hybridStorage' });
    expect(await queueOf('busy')).toMatchObject([{ workflowId: 'busy/prerequisites' }]);
    expect(site.calls).not.toContain('planPrerequisites');
    site.changes = [];
    await first.signal('resume', { by: 'olga' });
    await first.result();
    const report = await second.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(await second.status()).toMatchObject({ waitingFor: null });
    expect(site.calls.indexOf('planPrerequisites')).toBeGreaterThan(
      site.calls.indexOf('verifyAdminAndVisitors'),
    );
  });

  it('tells those who still wait who has it after a hand-over', async () => {
    const { first, second } = await two('three');
    await second.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    const third = await harness().start(
      'hybridStorage',
      { site: 'three' },
      { workflowId: 'three/again' },
    );
    await third.until(
      ({ waitingFor }) => waitingFor?.workflowId === 'three/hybridStorage',
      'waiting for the first',
    );
    await first.signal('abort', { by: 'olga' });
    await third.until(
      ({ waitingFor }) => waitingFor?.workflowId === 'three/prerequisites',
      'waiting for the second',
    );
    for (const run of [second, third]) {
      await run.untilGate();
      await run.signal('abort', { by: 'olga' });
      await run.result();
    }
  });

  it('is free while people decide: a backup runs meanwhile, and then it is taken again', async () => {
    const site = harness().site('asked');
    const run = await harness().start('hybridStorage', { site: 'asked' });
    await run.untilGate();
    expect(await holderOf('asked')).toBeNull();
    const backup = await harness().start('backup', { site: 'asked' });
    expect(await backup.handle.result()).toMatchObject({ outcome: 'done' });
    expect((await run.status()).state).toBe('waiting-for-approval');
    const release = site.hold('measureBaseline');
    await run.approve();
    await run.until(({ state }) => state === 'applying', 'going on');
    expect(await holderOf('asked')).toMatchObject({ workflowId: 'asked/hybridStorage' });
    release();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(await holderOf('asked')).toBeNull();
  });

  it('is waited for after the approval, and what the other one changed leads to a new plan', async () => {
    const site = harness().site('overtaken');
    const run = await harness().start('hybridStorage', { site: 'overtaken' });
    const before = await run.untilGate();
    const other = await harness().start('prerequisites', { site: 'overtaken' });
    await other.holdLock();
    await run.approve();
    const waiting = await run.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    expect(waiting.waitingFor).toMatchObject({ workflowId: 'overtaken/prerequisites' });
    expect(site.calls).not.toContain('measureBaseline');
    let drifted = true;
    site.when('detectDrift', async () => {
      const drift = drifted ? [driftOf('claim')] : [];
      drifted = false;
      return drift;
    });
    await other.signal('abort', { by: 'olga' });
    await other.result();
    const again = await run.until(({ gates }) => gates.length === 2, 'asked again');
    expect(again.gates.map(({ state }) => state)).toEqual(['withdrawn', 'open']);
    expect(again.gates[0]?.digest).toBe(before);
    expect(await holderOf('overtaken')).toBeNull();
    await run.approve();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('is not needed for a plan alone, which holds no one up and waits for no one', async () => {
    const { first, second } = await two('planning');
    const plan = await harness().start(
      'hybridStorage',
      { site: 'planning', planOnly: true },
      { workflowId: 'planning/plan' },
    );
    expect(await plan.handle.result()).toMatchObject({ outcome: 'planned' });
    expect((await plan.status()).steps.map(({ id }) => id)).toEqual(['site', 'plan']);
    for (const run of [second, first]) {
      await run.signal('abort', { by: 'olga' });
      await run.result();
    }
  });

  it('is not taken by a grant that comes late, while people decide', async () => {
    const site = harness().site('late-grant');
    const run = await harness().start('hybridStorage', { site: 'late-grant' });
    await run.untilGate();
    const other = await harness().start('prerequisites', { site: 'late-grant' });
    await other.holdLock();
    const since = '2026-11-23T18:00:00.000Z';
    const { workflowId, runId } = await run.status();
    await run.signal('lockGranted', { workflowId, runId, operation: 'hybridStorage', since });
    await run.approve();
    await run.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    expect(site.calls).not.toContain('measureBaseline');
    for (const one of [run, other]) {
      await one.signal('abort', { by: 'olga' });
      await one.result();
    }
  });

  it('is free again after an operation that failed', async () => {
    const site = harness().site('broken');
    site.fail('planHybridStorage', 'Forbidden');
    const run = await harness().start('hybridStorage', { site: 'broken' });
    await expect(run.result()).rejects.toMatchObject({ cause: { type: 'Forbidden' } });
    expect(await holderOf('broken')).toBeNull();
  });

  it('is taken from a holder that was ended by hand as soon as somebody waits', async () => {
    const { site, first, second } = await two('dead');
    await second.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    await terminate(first.handle);
    site.changes = [];
    expect(await second.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    const third = await harness().start('hybridStorage', { site: 'dead' });
    expect(await third.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('is taken from a holder that died before anybody waited, without a wait', async () => {
    const site = harness().site('long-dead');
    const first = await harness().start('hybridStorage', { site: 'long-dead' });
    await first.holdLock();
    await terminate(first.handle);
    const second = await harness().start('prerequisites', { site: 'long-dead' });
    await second.holdLock();
    expect(await holderOf('long-dead')).toMatchObject({ workflowId: 'long-dead/prerequisites' });
    await second.signal('abort', { by: 'olga' });
    await second.result();
    expect(site.calls.filter((name) => name === 'isHolderAlive')).toHaveLength(1);
  });

  it('is not taken from a holder that cannot be looked at', async () => {
    const site = harness().site('unseen');
    site.fail('isHolderAlive', 'Forbidden');
    const first = await harness().start('hybridStorage', { site: 'unseen' });
    await first.holdLock();
    const second = await harness().start('prerequisites', { site: 'unseen' });
    await second.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    expect(await holderOf('unseen')).toMatchObject({ workflowId: 'unseen/hybridStorage' });
    for (const run of [second, first]) {
      await run.signal('abort', { by: 'olga' });
      await run.result();
    }
  });

  it('is given back by an operation that is stopped while it waits', async () => {
    const { first, second } = await two('impatient');
    await second.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    await second.signal('abort', { by: 'olga' });
    expect(await second.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
    expect(await queueOf('impatient')).toEqual([]);
    expect(await holderOf('impatient')).toMatchObject({ workflowId: 'impatient/hybridStorage' });
    await first.signal('abort', { by: 'olga' });
    await first.result();
  });

  it('is asked for again when the lock was ended by hand', async () => {
    const { first, second } = await two('relocked');
    await second.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    await terminate(harness().lock('relocked'));
    await first.signal('abort', { by: 'olga' });
    await first.result();
    await harness().pass(16 * 60_000);
    await second.untilGate();
    await second.signal('abort', { by: 'olga' });
    expect(await second.result<OperationReport>()).toMatchObject({ outcome: 'aborted' });
  });

  it('ignores requests that do not say which run asks', async () => {
    const site = harness().site('garbled');
    const run = await harness().start('hybridStorage', { site: 'garbled' });
    await run.holdLock();
    const lock = harness().lock('garbled');
    for (const nonsense of [undefined, null, 'me', { workflowId: 'x' }, [1]]) {
      await lock.signal('requestLock', nonsense);
      await lock.signal('releaseLock', nonsense);
    }
    expect(await holderOf('garbled')).toMatchObject({ workflowId: 'garbled/hybridStorage' });
    expect(await queueOf('garbled')).toEqual([]);
    expect(site.calls).not.toContain('isHolderAlive');
    await run.signal('abort', { by: 'olga' });
    await run.result();
  });

  it('ends when nobody has asked for a while, and the next request starts it again', async () => {
    const site = harness().site('idle');
    site.changes = [];
    const run = await harness().start('hybridStorage', { site: 'idle' });
    await run.result();
    await harness().skipping(harness().lock('idle').result());
    expect((await harness().lock('idle').describe()).status.name).toBe('COMPLETED');
    const next = await harness().start('hybridStorage', { site: 'idle' });
    expect(await next.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('starts with who held it and who waited when it continues as new', async () => {
    harness().site('renewed').changes = [];
    const alive = await harness().start('hybridStorage', { site: 'renewed' });
    await alive.result();
    const gone: LockHolder = {
      workflowId: 'renewed/hybridStorage',
      runId: (await alive.handle.describe()).runId,
      operation: 'hybridStorage',
      since: '2026-11-23T18:00:00.000Z',
    };
    await harness().skipping(harness().lock('renewed').result());
    const waiting = { ...gone, runId: 'a-run-that-never-was' };
    await harness().client.workflow.start('siteLock', {
      workflowId: workflowIds.siteLock('renewed'),
      taskQueue: TASK_QUEUE,
      args: [{ site: 'renewed', state: { holder: gone, queue: [waiting] } }],
    });
    await harness().skipping(harness().lock('renewed').result());
    expect(await holderOf('renewed')).toBeNull();
    expect(await queueOf('renewed')).toEqual([]);
  });
});
