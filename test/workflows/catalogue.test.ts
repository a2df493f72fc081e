/** `recoveryPoints`: one thing at a time with the catalogue. `backupWatch`: people are told once of a backup that is late. */
import { describe, expect, it } from 'vitest';
import type { RecoveryPoint } from '../../src/domain/recovery/point.ts';
import type { BackupWatchReport } from '../../src/domain/recovery/request.ts';
import { TASK_QUEUE } from '../../src/domain/identifiers.ts';
import { searchAttributes } from '../../src/domain/search-attributes.ts';
import type { FakeSite } from '../support/fake-site.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

const POINT = '20261120T030000Z-some-backup';

function siteWithPoint(name: string): FakeSite {
  const site = harness().site(name);
  const point = { id: POINT, takenAt: '2026-11-20T03:00:00.000Z' };
  site.recovery.points.set(POINT, point as RecoveryPoint);
  return site;
}

/** What `recoveryPoints` answers. */
async function ask(site: FakeSite, input: object): Promise<unknown> {
  const run = await harness().start('recoveryPoints', { site: site.site.name, ...input });
  return run.result();
}

describe('the catalogue', () => {
  it('lists, without the lock, which another operation has, and tells nobody', async () => {
    const site = siteWithPoint('list');
    const holder = await harness().start('hybridStorage', { site: 'list' });
    await holder.holdLock();
    // In real time: a clock that jumps would reach the end of what is paused.
    const run = await harness().start('recoveryPoints', { site: 'list', action: 'list' });
    expect(await run.handle.result()).toMatchObject([{ id: POINT }]);
    expect(site.notifications.filter(({ kind }) => kind === 'finished')).toEqual([]);
    await holder.signal('abort', { by: 'olga' });
    await holder.result();
  });

  it('shows one', async () => {
    expect(await ask(siteWithPoint('show'), { action: 'show', point: POINT })).toMatchObject({
      point: { id: POINT },
      drills: [],
    });
  });

  it('pins one by name and takes the pin away', async () => {
    const site = siteWithPoint('pin');
    const pin = { action: 'pin', point: POINT, by: 'dave', reason: 'before the sale' };
    expect(await ask(site, pin)).toMatchObject({
      pinned: { by: 'dave', reason: 'before the sale' },
    });
    expect(await ask(site, { action: 'unpin', point: POINT })).toMatchObject({ pinned: null });
  });

  it('verifies one and leaves the verdict to who asked', async () => {
    const site = siteWithPoint('verify');
    expect(await ask(site, { action: 'verify', point: POINT })).toMatchObject([
      { id: 'signature' },
      { id: 'data' },
    ]);
    expect(site.inputs.find(({ name }) => name === 'verifyRecoveryPoint')?.input).toMatchObject({
      id: POINT,
    });
  });

  it('prunes under the lock, for which it waits', async () => {
    const site = siteWithPoint('prune');
    const holder = await harness().start('hybridStorage', { site: 'prune' });
    await holder.holdLock();
    const run = await harness().start('recoveryPoints', { site: 'prune', action: 'prune' });
    await run.until(({ waitingFor }) => waitingFor !== null, 'told by the lock');
    expect(site.calls).not.toContain('applyRetention');
    await holder.signal('abort', { by: 'olga' });
    await holder.result();
    expect(await run.result()).toEqual({ kept: 1, removed: ['20261101T030000Z-fake-backup'] });
    expect(await harness().lock('prune').query('holder')).toBeNull();
  });

  it('fails for a point that there is not', async () => {
    const run = await harness().start('recoveryPoints', {
      site: siteWithPoint('none').site.name,
      action: 'show',
      point: 'nothing',
    });
    await expect(run.result()).rejects.toMatchObject({
      cause: { type: 'NotFound', message: 'No recovery point nothing.' },
    });
  });

  it('gives no answer when it is aborted', async () => {
    const site = siteWithPoint('stopped');
    site.workUntilCancelled('verifyRecoveryPoint');
    const run = await harness().start('recoveryPoints', {
      site: 'stopped',
      action: 'verify',
      point: POINT,
    });
    await expect.poll(() => site.calls.includes('verifyRecoveryPoint')).toBe(true);
    await run.signal('abort', { by: 'olga' });
    await expect(run.result()).rejects.toThrow();
    expect(await run.status()).toMatchObject({ state: 'aborted' });
  });
});

describe('the watch over backups', () => {
  const late = { newest: POINT, ageSeconds: 100_000, late: true };

  /** Runs the watch as a Schedule does: each run gets what the one before returned. */
  async function hourly(
    site: FakeSite,
    hours: number,
    eachHour: (hour: number) => void,
  ): Promise<void> {
    let hour = 0;
    const usual = site.behaviourOf('loadSite');
    site.when('loadSite', async (input) => {
      eachHour((hour += 1));
      return usual(input);
    });
    const handle = await harness().client.workflow.start('backupWatch', {
      workflowId: `${site.site.name}/backup-watch`,
      taskQueue: TASK_QUEUE,
      args: [{ site: site.site.name }],
      cronSchedule: '0 * * * *',
    });
    await harness().skipping(expect.poll(() => hour).toBeGreaterThan(hours));
    // Its next run has not begun: the clock stands still again.
    const begun = async () =>
      ((await handle.fetchHistory()).events ?? []).some(
        (event) => event.workflowTaskStartedEventAttributes,
      );
    await expect.poll(begun).toBe(false);
    await handle.terminate();
  }

  function told(site: FakeSite): string[] {
    return site.notifications.map(({ kind, title }) => `${kind} ${title}`);
  }

  it('is short, shows fresh and says nothing while all is well', async () => {
    const site = harness().site('well');
    const run = await harness().start('backupWatch', { site: 'well' });
    expect(await run.result<BackupWatchReport>()).toEqual({
      state: 'fresh',
      newest: '20261123T030000Z-fake-backup',
      ageSeconds: 3_600,
      told: false,
    });
    const shown = (await run.handle.describe()).typedSearchAttributes;
    expect(shown.get(searchAttributes.backup)).toBe('fresh');
    expect(shown.get(searchAttributes.site)).toBe('well');
    expect(site.notifications).toEqual([]);
    expect(site.calls).not.toContain('requestLock');
  });

  it('says how old the newest point is when it is late, and how to take one', async () => {
    const site = harness().site('late');
    site.when('measureBackupAge', async () => late);
    const run = await harness().start('backupWatch', { site: 'late' });
    expect(await run.result<BackupWatchReport>()).toMatchObject({ state: 'late', told: true });
    expect(site.notifications).toMatchObject([
      {
        kind: 'backup-late',
        title: 'Backup of late: late',
        body: expect.stringContaining('at most PT26H is wanted') as string,
        commands: [expect.stringContaining(`--type backup`) as string],
      },
    ]);
    expect((await run.handle.describe()).typedSearchAttributes.get(searchAttributes.backup)).toBe(
      'late',
    );
  });

  it('says so once for each time that it is late, not every hour', async () => {
    const site = harness().site('hourly');
    const states = [true, true, true, false, true, true];
    await hourly(site, states.length, (hour) => {
      const now = states[hour - 1] ?? true;
      site.when('measureBackupAge', async () => ({ ...late, late: now }));
    });
    expect(told(site)).toEqual([
      'backup-late Backup of hourly: late',
      'backup-late Backup of hourly: late',
    ]);
  });

  it('tries again in the next hour when no channel took the message', async () => {
    const site = harness().site('unheard');
    site.when('measureBackupAge', async () => late);
    site.fail('notify', 'Forbidden', 1);
    await hourly(site, 3, () => {});
    expect(told(site)).toHaveLength(2);
  });

  it('says once too that the age cannot be told, and counts that as failed', async () => {
    const site = harness().site('dark');
    site.fail('measureBackupAge', 'Unauthorized');
    await hourly(site, 3, () => {});
    expect(told(site)).toEqual(['backup-late Backup of dark: unknown']);
    const run = await harness().start(
      'backupWatch',
      { site: 'dark' },
      { workflowId: 'dark/again' },
    );
    expect(await run.result<BackupWatchReport>()).toMatchObject({
      state: 'failed',
      ageSeconds: null,
    });
    expect((await run.handle.describe()).typedSearchAttributes.get(searchAttributes.backup)).toBe(
      'failed',
    );
  });

  it('fails for a site file that cannot be read', async () => {
    const site = harness().site('crooked');
    site.fail('loadSite', 'InvalidSite');
    const run = await harness().start('backupWatch', { site: 'crooked' });
    await expect(run.result()).rejects.toMatchObject({ cause: { type: 'InvalidSite' } });
    expect((await run.handle.describe()).typedSearchAttributes.get(searchAttributes.backup)).toBe(
      'failed',
    );
  });
});
