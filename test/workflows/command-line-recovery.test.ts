/**
 * Proves on the real server that the command line starts, follows and shows recovery operations, with the right exit codes,
 * and that it makes schedules which stay as the site file wants them. Activities are fakes: what they do is proved elsewhere.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Context, heartbeat } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { main } from '../../src/client/main.ts';
import type { OperationView } from '../../src/client/operations.ts';
import type { Reconciled, ScheduleView } from '../../src/client/schedules.ts';
import type { DrillReport, RecoveryPointSummary } from '../../src/domain/recovery/point.ts';
import { searchAttributes } from '../../src/domain/search-attributes.ts';
import type { SiteFile } from '../../src/domain/site/schema.ts';
import { startDevServer } from '../support/dev-server.ts';
import { corrupted } from '../support/fake-recovery.ts';
import type { FakeSite } from '../support/fake-site.ts';
import { Harness } from '../support/temporal-harness.ts';
import { fakeTerminal } from '../unit/client/support.ts';

let server: Awaited<ReturnType<typeof startDevServer>>;
let harness: Harness;
let sitesDir: string;

beforeAll(async () => {
  server = await startDevServer({});
  harness = await Harness.start(
    { kind: 'address', address: server.address },
    inject('workflowBundle'),
  );
  sitesDir = await mkdtemp('/tmp/presslift-sites-');
});
afterAll(async () => {
  await harness.stop();
  await server.stop();
  await rm(sitesDir, { recursive: true });
});

/** Runs a command line against the server; `answers` are typed at a terminal. */
async function presslift(args: string, answers: string[] | null = null) {
  const terminal = fakeTerminal(answers);
  const env = {
    HOME: '/nonexistent',
    TEMPORAL_ADDRESS: server.address,
    PRESSLIFT_SITES_DIR: sitesDir,
    PRESSLIFT_APPROVER: 'alice',
  };
  const code = await main(args.split(' '), { terminal, env });
  const out = terminal.output.join('\n');
  return { code, out, notes: terminal.notes.join('\n') };
}

async function json<T>(args: string): Promise<T> {
  const { out, notes } = await presslift(`${args} --json`);
  expect(out, notes).not.toBe('');
  return JSON.parse(out) as T;
}

const acme = parse(readFileSync('sites/acme.yaml', 'utf8')) as SiteFile;

/** Writes a site file: that of acme with other members. */
async function writeSite(name: string, change: (site: SiteFile) => void = () => undefined) {
  const site = structuredClone({ ...acme, name });
  change(site);
  await writeFile(`${sitesDir}/${name}.yaml`, stringify(site));
}

const eventually = async <T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> => {
  const until = Date.now() + 45_000;
  for (;;) {
    const seen = await look();
    if (good(seen) || Date.now() > until) return seen;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

describe('schedules', () => {
  const apply = (name: string) => json<Reconciled[]>(`schedules ${name} apply`);
  const did = (done: Reconciled[]) => done.map(({ id, did: what }) => [id, what]);
  const show = (name: string) => json<ScheduleView[]>(`schedules ${name}`);

  test('are made as the site file says, and applying again writes nothing', async () => {
    await writeSite('made', (site) => {
      site.backup = { ...site.backup, timeZone: 'Europe/Berlin', schedule: '*/30 2-4 * * 1-5' };
      site.backup.maxAge = 'P4D';
      site.drill = { ...site.drill, rpo: 'P3D' };
    });
    expect(did(await apply('made'))).toEqual([
      ['made/backup', 'created'],
      ['made/drill', 'created'],
      ['made/backup-watch', 'created'],
    ]);
    const found = await harness.client.schedule.getHandle('made/backup').describe();
    expect(found).toMatchObject({
      spec: { timezone: 'Europe/Berlin', jitter: 300_000 },
      policies: { overlap: 'BUFFER_ONE', catchupWindow: 3_600_000, pauseOnFailure: false },
      action: {
        workflowType: 'backup',
        workflowId: 'made/backup/scheduled',
        taskQueue: 'presslift',
        args: [{ site: 'made', reason: 'scheduled', requestedBy: 'schedule' }],
      },
      state: { paused: false },
    });
    expect(found.memo?.presslift).toContain('site file made');
    for (const attributes of [found.typedSearchAttributes, found.action.typedSearchAttributes]) {
      expect(attributes).toBeDefined();
      const get = (key: (typeof searchAttributes)['site']) =>
        (attributes as typeof found.typedSearchAttributes).get(key);
      expect([get(searchAttributes.site), get(searchAttributes.operation)]).toEqual([
        'made',
        'backup',
      ]);
    }
    const drill = await harness.client.schedule.getHandle('made/drill').describe();
    expect(drill.policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 21_600_000 });
    const watch = await harness.client.schedule.getHandle('made/backup-watch').describe();
    expect(watch.action).toMatchObject({ workflowType: 'backupWatch', args: [{ site: 'made' }] });
    // The server's own reading: every time of the next ones is one of the expression, plus the jitter.
    for (const time of found.info.nextActionTimes) {
      const local = new Intl.DateTimeFormat('en-GB', {
        timeZone: 'Europe/Berlin',
        weekday: 'short',
        hour: '2-digit',
        minute: '2-digit',
      }).format(time);
      expect(local).toMatch(/^(Mon|Tue|Wed|Thu|Fri),? 0[234]:(0[0-5]|3[0-5])$/);
    }
    const written = found.info.lastUpdatedAt;
    expect(did(await apply('made')).map(([, what]) => what)).toEqual(Array(3).fill('unchanged'));
    const again = await harness.client.schedule.getHandle('made/backup').describe();
    expect(again.info.lastUpdatedAt).toEqual(written);
  });

  test('follow the site file, stay paused, and lose what somebody changed by hand', async () => {
    await writeSite('moved');
    await apply('moved');
    const paused = await presslift('schedules moved pause drill --reason full --as carol');
    expect(paused).toMatchObject({ code: 0, out: 'moved/drill paused, by carol: full' });
    const handle = harness.client.schedule.getHandle('moved/backup');
    await handle.update(({ spec, action, policies, state }) => ({
      action,
      state,
      spec: { ...spec, calendars: spec.calendars, cronExpressions: ['0 12 * * *'] },
      policies: { ...policies, overlap: 'ALLOW_ALL' },
    }));
    await writeSite('moved', (site) => {
      site.drill = { ...site.drill, schedule: '15 4 * * SUN' };
    });
    const seen = await presslift('schedules moved');
    expect(seen.out).toContain('moved/drill 0 5 * * 1 UTC\n  paused (paused, by carol: full)');
    expect(seen.out).toContain('times: 0 5 * * 1 → 15 4 * * 0');
    expect(seen.out).toContain('overlap: ALLOW_ALL → BUFFER_ONE');
    const [backup, drill, watch] = await apply('moved');
    expect(backup?.changes).toEqual([
      { what: 'times', from: '0 3 * * * and 0 12 * * *', to: '0 3 * * *' },
      { what: 'overlap', from: 'ALLOW_ALL', to: 'BUFFER_ONE' },
    ]);
    expect(drill).toMatchObject({
      did: 'updated',
      paused: true,
      changes: [{ what: 'times', from: '0 5 * * 1', to: '15 4 * * 0' }],
    });
    expect(watch?.did).toBe('unchanged');
    expect((await show('moved')).map(({ differences }) => differences)).toEqual([[], [], []]);
    const still = await harness.client.schedule.getHandle('moved/drill').describe();
    expect(still.state).toMatchObject({ paused: true, note: 'paused, by carol: full' });
    await presslift('schedules moved resume');
    expect((await show('moved')).map(({ paused: held }) => held)).toEqual([false, false, false]);
  });

  test('go with what they need', async () => {
    await writeSite('less');
    await apply('less');
    await writeSite('less', (site) => delete site.database.adminCredentials);
    expect(did(await apply('less'))).toContainEqual(['less/drill', 'deleted']);
    await writeSite('less', (site) => delete site.backup?.password);
    const nothing = await presslift('schedules less apply');
    expect(nothing.out).toContain('less/backup deleted: backup.password is not set');
    expect(nothing.out).toContain('less/drill left out: backup.password is not set');
    expect(await show('less')).toMatchObject(Array(3).fill({ exists: false }));
    expect(await presslift('schedules less pause')).toMatchObject({ code: 6 });
    expect(await presslift('schedules less trigger backup')).toMatchObject({ code: 6 });
  });

  test('a triggered one starts the backup as scheduled; deleting asks', async () => {
    await writeSite('fired');
    const site = harness.site('fired');
    await apply('fired');
    const { started } = await json<{ started: { workflowId: string; runId: string } }>(
      'schedules fired trigger backup',
    );
    expect(started.workflowId).toMatch(/^fired\/backup\/scheduled-\d{4}-\d\d-\d\dT/);
    const handle = harness.client.workflow.getHandle(started.workflowId, started.runId);
    expect(await handle.result()).toMatchObject({ outcome: 'done', operation: 'backup' });
    expect([...site.recovery.points.values()].map(({ reason }) => reason)).toEqual(['scheduled']);
    expect(await presslift('schedules fired')).toMatchObject({
      out: expect.stringContaining(started.workflowId) as string,
    });
    expect((await presslift('schedules fired delete')).code).toBe(2);
    expect((await presslift('schedules fired delete', ['no'])).code).toBe(8);
    expect((await presslift('schedules fired delete', ['yes'])).code).toBe(0);
    expect((await show('fired')).map(({ exists }) => exists)).toEqual([false, false, false]);
  });
});

function drillReport(pass: boolean, criteria: DrillReport['criteria']): DrillReport {
  const at = '2026-11-23T18:00:00.000Z';
  return {
    schema: 1,
    site: 'x',
    drill: 'drill-1',
    point: 'point-1',
    pass,
    startedAt: at,
    endedAt: at,
    rtoMs: 250_000,
    rpoMs: 12_000,
    targets: { rtoMs: 300_000, rpoMs: 86_400_000 },
    stages: [
      { id: 'files', title: 'Restore the files', startedAt: at, ms: 40_000, countsForRto: true },
    ],
    criteria,
    trend: [],
  };
}

/** Lets the fake drill answer with a whole report. */
function reporting(site: FakeSite): FakeSite {
  site.when('recordDrill', async ({ criteria }) => ({
    report: drillReport(
      criteria.every(({ pass }) => pass),
      criteria,
    ),
    keys: [],
  }));
  return site;
}

describe('backup and drill', () => {
  test('a backup is followed to its end', async () => {
    harness.site('saved');
    const ended = await presslift('backup saved');
    expect(ended.code, ended.notes).toBe(0);
    expect(ended.out).toMatch(/^started saved\/backup\/\d{8}T\d{6}Z \(run /);
    expect(ended.out).toMatch(/Recovery point \d{8}T\d{6}Z-saved-backup/);
    expect(ended.out).toMatch(/saved\/backup\/\S+ ended: done$/);
  });

  test('a backup that fails ends with 1, what is wrong and what to do', async () => {
    harness.site('refused').fail('openRepository', 'RepositoryRefused');
    const ended = await presslift('backup refused --wait');
    expect(ended.code).toBe(1);
    expect(ended.out).toContain('RepositoryRefused: ');
    expect(ended.out).toContain('check its password');
  });

  test('a good drill ends with 0 and its times, a failed one with 1 and what was not met', async () => {
    reporting(harness.site('proved'));
    const good = await presslift('drill proved');
    expect(good.code, good.out).toBe(0);
    expect(good.out).toContain('recovery time 4 min 10 s (target 5 min 0 s)');
    expect(good.out).toContain('criteria met');
    reporting(harness.site('spoiled')).when('restoreDrillDatabase', async () =>
      corrupted('tables-checksums'),
    );
    const bad = await presslift('drill spoiled');
    expect(bad.code).toBe(1);
    expect(bad.out).toContain('✗ Criterion tables-checksums: false, wanted true');
    expect(bad.out).toContain('RestoreDiffers');
    const asJson = JSON.parse((await presslift('drill spoiled --json')).out) as {
      failure: { type: string };
      report: { criteria: { id: string; pass: boolean }[] };
    };
    expect(asJson.failure.type).toBe('RestoreDiffers');
    expect(asJson.report.criteria).toContainEqual(
      expect.objectContaining({ id: 'tables-checksums', pass: false }),
    );
    const [, point] = /of (\S+) passed/.exec(good.out) ?? [];
    expect(point).toBe('point-1');
  });

  test('a drill of a point that is not there ends with 1 and says so', async () => {
    harness.site('unknown');
    const ended = await presslift('drill unknown --point 20200101T000000Z-unknown-backup');
    expect(ended.code).toBe(1);
    expect(ended.out).toContain('No recovery point 20200101T000000Z-unknown-backup.');
  });

  test('progress of what runs is shown, and abort of the site goes to the whole drill', async () => {
    const site = harness.site('slow');
    const progress = {
      files: 1_200,
      totalFiles: 20_000,
      bytes: 536_870_912,
      totalBytes: 1_073_741_824,
      secondsRemaining: 41.2,
    };
    const held = site.hold('backUpDatabase');
    site.when('backUpFiles', async () => {
      const beat = setInterval(() => heartbeat({ progress }), 20);
      return Context.current().cancelled.finally(() => clearInterval(beat));
    });
    const started = await presslift('drill slow --detach');
    expect(started.code).toBe(0);
    const shown = '1,200 of 20,000 files, 512 MiB of 1.0 GiB, 50 %, about 42 s left';
    const seen = await eventually(
      () => presslift('status slow'),
      ({ out }) => out.includes(shown),
    );
    expect(seen.out).toMatch(new RegExp(`backUpFiles, [\\d.]+ s: ${shown}`));
    const views = await json<OperationView[]>('status slow');
    expect(views.map(({ operation }) => operation)).toEqual(['restoreDrill', 'backup']);
    expect(views[1]?.activities).toContainEqual(
      expect.objectContaining({ type: 'backUpFiles', attempt: 1, progress }),
    );
    const aborted = await presslift('abort slow --yes');
    expect(aborted.out).toMatch(/^abort: slow\/drill\/\d{8}T\d{6}Z was told/);
    held();
    const id = views[0]?.workflowId ?? '';
    await eventually(
      () => harness.client.workflow.getHandle(id).describe(),
      ({ status }) => status.name !== 'RUNNING',
    );
    expect((await presslift('status slow')).code).toBe(1);
  });
});

test('without a worker a plan and the catalogue say so at once, name their workflow and end with 5', async () => {
  harness.site('alone');
  await harness.stopFirstWorker();
  try {
    for (const args of ['rollback alone --plan-only', 'recovery-points alone']) {
      const ended = await presslift(args);
      expect(ended.code, ended.notes).toBe(5);
      expect(ended.notes).toMatch(/^started alone\/\S+ \(run \S+\)\npresslift: No worker answers/);
      expect(ended.out).toBe('');
    }
  } finally {
    await harness.restartWorker();
  }
});

describe('rollback', () => {
  test('shows its plan alone and changes nothing', async () => {
    const site = harness.site('planned');
    const ended = await presslift('rollback planned --layers plugins-themes --plan-only');
    expect(ended.code, ended.notes).toBe(0);
    expect(ended.out).toMatch(/^rollback of planned: 3 changes\ndigest sha256:/);
    expect(site.recovery.inEffect).toEqual([]);
    const input = site.inputs.find(({ name }) => name === 'planRollback')?.input;
    expect(input).toMatchObject({ request: { layers: ['plugins-themes'] } });
  });

  test('stops at the gate, is listed, approved and ends', async () => {
    const site = harness.site('back');
    const stopped = await presslift('rollback back --maintenance');
    expect(stopped.code, stopped.notes).toBe(3);
    expect(stopped.out).toMatch(/presslift approve back\/rollback\/\S+ --gate apply/);
    const listed = await eventually(
      () => presslift('gates'),
      ({ out }) => out.includes('rollback of back'),
    );
    expect(listed.out).toContain('rollback of back waiting-for-approval');
    const approved = await presslift('approve back --as alice', ['yes']);
    expect(approved.code, approved.notes).toBe(0);
    const done = await eventually(
      () => presslift('status back'),
      ({ out }) => out.includes('rollback of back done'),
    );
    expect(done.code, done.out).toBe(0);
    expect(site.recovery.inEffect).toEqual([
      'stageExtensions',
      'switchExtensions',
      'restoreOptions',
    ]);
  });

  test('with --yes goes through; rejected at the terminal ends with 4', async () => {
    harness.site('through');
    expect((await presslift('rollback through --yes')).code).toBe(0);
    const rejected = await presslift('rollback through --wait', ['no']);
    expect(rejected.code, rejected.notes).toBe(4);
    const site = await presslift('status through');
    expect(site.code).toBe(4);
  });
});

test('status of a site has the newest backup and drill in one line each', async () => {
  reporting(harness.site('whole'));
  await presslift('backup whole');
  await presslift('drill whole');
  await presslift('migrate whole --to 0 --yes');
  const seen = await eventually(
    () => presslift('status whole'),
    ({ out }) => out.includes('Recovery, newest of each') && /restoreDrill +done/.test(out),
  );
  expect(seen.code, seen.out).toBe(0);
  expect(seen.out).toContain('roadmap of whole done');
  expect(seen.out).toMatch(/backup +done .*whole\/backup\/\d{8}T\d{6}Z/);
  expect(seen.out).toMatch(/restoreDrill +done .*whole\/drill\//);
});

describe('recovery-points', () => {
  test('lists, shows, pins, verifies and prunes', async () => {
    const site = harness.site('kept');
    await presslift('backup kept');
    const [id = ''] = site.recovery.points.keys();
    site.when('listRecoveryPoints', async () => [
      {
        id,
        takenAt: '2026-11-23T18:00:00.000Z',
        reason: 'manual',
        files: 1_200,
        bytes: 3_000_000,
        tables: 2,
        rows: 10,
        missing: [],
        state: { pinned: null, bad: null, proved: null },
        error: null,
      } satisfies RecoveryPointSummary,
    ]);
    const listed = await presslift('recovery-points kept');
    expect(listed.out, listed.notes).toMatch(
      new RegExp(`^id .*\\n${id} .* manual  1,200  2\\.9 MiB`),
    );
    const shown = await presslift(`recovery-points kept show ${id}`);
    expect(shown.out).toContain('restic snapshot ffff');
    const pinned = await presslift(`recovery-points kept pin ${id} --reason sale`);
    expect(pinned).toMatchObject({ code: 0, out: `${id}: pinned by alice (sale)` });
    const unpinned = await json<{ pinned: null }>(`recovery-points kept unpin ${id}`);
    expect(unpinned.pinned).toBeNull();
    expect(await presslift(`recovery-points kept verify ${id}`)).toMatchObject({ code: 0 });
    expect((await presslift('recovery-points kept prune')).code).toBe(2);
    const pruned = await presslift('recovery-points kept prune --yes');
    expect(pruned.out).toBe('removed 20261101T030000Z-fake-backup\n1 removed, 1 kept');
  });

  test('end with 6 for a point that is not there, and with 1 for one that is not sound', async () => {
    const site = harness.site('broken');
    const missing = await presslift('recovery-points broken show 20200101T000000Z-x');
    expect(missing).toMatchObject({ code: 6, out: '' });
    expect(missing.notes).toContain('No recovery point 20200101T000000Z-x.');
    site.when('verifyRecoveryPoint', async () => corrupted('data').criteria);
    const unsound = await presslift('recovery-points broken verify 20200101T000000Z-x');
    expect(unsound.code).toBe(1);
    expect(unsound.out).toContain('NOT sound');
  });
});
