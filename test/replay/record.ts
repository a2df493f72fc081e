/**
 * Records histories of every workflow type into test/replay/histories: `node test/replay/record.ts`. To be run when a
 * type is new or its code has changed on purpose in a way that no run under way can meet; then the old files go.
 * Histories come from a real server where that can be, from the time-skipping one where days pass.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { workflowIds } from '../../src/domain/identifiers.ts';
import type { Step } from '../../src/domain/operation.ts';
import { corrupted } from '../support/fake-recovery.ts';
import { criterion, driftOf } from '../support/fake-site.ts';
import type { Run } from '../support/temporal-harness.ts';
import { startDevServer } from '../support/dev-server.ts';
import { Harness } from '../support/temporal-harness.ts';
import { findTestServer } from '../support/temporal-server.ts';
import type { FoundServer } from '../support/temporal-server.ts';
import { bundleWorkflows } from '../support/temporal-setup.ts';

const project = join(import.meta.dirname, '../..');
const histories = join(import.meta.dirname, 'histories');

/** Plays one scenario with a site of its name and returns the workflows to keep. */
type Scenario = (harness: Harness, name: string) => Promise<Run[]>;

const onRealServer: Record<string, Scenario> = {
  /** Both phases with their gates, and the lock that passed from one to the next. */
  'roadmap-done': async (harness, name) => {
    harness.site(name);
    const run = await harness.start('roadmap', { site: name, requestedBy: 'dave' });
    const phase0 = harness.run(workflowIds.operation(name, 'prerequisites'));
    const phase1 = harness.run(workflowIds.operation(name, 'hybridStorage'));
    await started(phase0);
    await phase0.approve();
    await run.approve('bob', 'go-no-go-0');
    await started(phase1);
    await phase1.approve();
    await run.handle.result();
    return [run, phase0, phase1, harness.run(workflowIds.siteLock(name))];
  },
  /** Stopped for an operator three times, paused in between, one criterion accepted. */
  'operator-asked': async (harness, name) => {
    const site = harness.site(name);
    site.fail('copyExtensions', 'JobFailed', 1);
    site.fail('scaleOut', 'RolloutStuck');
    site.when('verifyPluginLifecycle', async () => [criterion('plugin-on-every-pod', false)]);
    const run = await harness.start('hybridStorage', { site: name });
    const digest = await run.untilGate();
    await run.signal('approve', { gate: 'apply', digest: 'sha256:other', approver: 'alice' });
    await run.signal('pause', { by: 'olga' });
    await run.signal('approve', { gate: 'apply', digest, approver: 'alice' });
    await run.untilState('paused');
    await run.signal('resume', { by: 'olga' });
    await run.untilState('needs-operator');
    await run.signal('retry', { by: 'olga' });
    await run.until(({ operatorQuestion }) => operatorQuestion?.step === 'scale-out', 'stuck');
    await run.operator({ action: 'skip', by: 'olga', reason: 'scaled by hand' });
    await run.until(
      ({ operatorQuestion }) => operatorQuestion?.step === 'verify-plugin-lifecycle',
      'unmet',
    );
    await run.operator({ action: 'skip', by: 'olga', reason: 'known' });
    await run.handle.result();
    return [run];
  },
  /** Drift before the first change, a second plan and gate, and everything taken back in the end. */
  'drifted-then-undone': async (harness, name) => {
    const site = harness.site(name);
    let looks = 0;
    site.when('detectDrift', async () => ((looks += 1) === 1 ? [driftOf('deployment')] : []));
    site.fail('scaleOut', 'RolloutStuck');
    const run = await harness.start('hybridStorage', { site: name, onFailure: 'compensate' });
    await run.approve();
    await run.until(({ gates }) => gates.length === 2, 'asked again');
    await run.approve('bob');
    await run.handle.result();
    return [run];
  },
  /** Cancelled in the middle of a change. */
  cancelled: async (harness, name) => {
    const site = harness.site(name);
    site.workUntilCancelled('scaleOut');
    const run = await harness.start('hybridStorage', { site: name });
    await run.approve();
    await run.until(({ steps }) => isRunning(steps, 'scale-out'), 'scaling');
    await run.handle.cancel();
    await run.handle.result().catch(() => {});
    return [run];
  },
  /** A backup as its Schedule starts it; the first copy was not whole. */
  'backup-done': async (harness, name) => {
    const site = harness.site(name);
    site.fail('recordRecoveryPoint', 'BackupIncomplete', 1);
    site.fail('describeCdn', 'Unauthorized');
    const run = await harness.start('backup', { site: name, reason: 'scheduled' });
    await run.handle.result();
    const watch = await harness.start('backupWatch', { site: name });
    await watch.handle.result();
    const list = await harness.start('recoveryPoints', { site: name, action: 'list' });
    await list.handle.result();
    return [run, watch, list];
  },
  /** A backup that failed, with a copy beside it under way, and the watch that says so. */
  'backup-failed': async (harness, name) => {
    const site = harness.site(name);
    site.workUntilCancelled('backUpFiles');
    site.fail('backUpDatabase', 'TlsRejected');
    site.when('measureBackupAge', async () => ({ newest: null, ageSeconds: null, late: true }));
    const run = await harness.start('backup', { site: name });
    await run.handle.result().catch(() => {});
    const watch = await harness.start('backupWatch', { site: name });
    await watch.handle.result();
    return [run, watch];
  },
  /** Paused and cancelled in the middle of the copies. */
  'backup-cancelled': async (harness, name) => {
    const site = harness.site(name);
    const release = site.hold('snapshotVolumes');
    site.workUntilCancelled('backUpFiles');
    const run = await harness.start('backup', { site: name });
    await run.until(({ steps }) => isRunning(steps, 'snapshot-volumes'), 'at the snapshots');
    await run.signal('pause', { by: 'olga' });
    release();
    await run.untilState('paused');
    await run.signal('resume', { by: 'olga' });
    await run.until(({ steps }) => isRunning(steps, 'back-up-files'), 'copying');
    await run.handle.cancel();
    await run.handle.result().catch(() => {});
    return [run];
  },
  /** Drills with their own backup: all well, two things wrong, cancelled in the middle. */
  'drill-passed': async (harness, name) => {
    harness.site(name);
    const run = await harness.start('restoreDrill', { site: name });
    await run.handle.result();
    return [run];
  },
  'drill-failed': async (harness, name) => {
    const site = harness.site(name);
    site.fail('checkDrillRepository', 'RepositoryRefused');
    site.when('restoreDrillDatabase', async () => corrupted('tables', false));
    const run = await harness.start('restoreDrill', { site: name });
    await run.handle.result().catch(() => {});
    return [run];
  },
  'drill-cancelled': async (harness, name) => {
    const site = harness.site(name);
    site.workUntilCancelled('bootDrillSite');
    const run = await harness.start('restoreDrill', { site: name });
    await run.until(({ steps }) => isRunning(steps, 'boot'), 'booting');
    await run.handle.cancel();
    await run.handle.result().catch(() => {});
    return [run];
  },
  /** To a point that a drill found bad: a second gate, and in the end everything taken back. */
  'rollback-undone': async (harness, name) => {
    const site = harness.site(name);
    site.findings = [
      { id: 'recovery-point-bad', level: 'warning', message: 'Bad.', advice: null, evidence: null },
    ];
    site.fail('restoreOptions', 'RestoreDiffers');
    const run = await harness.start('rollback', { site: name, layers: ['plugins-themes'] });
    await run.approve();
    await run.approve('alice', 'bad-point');
    await run.untilState('needs-operator');
    await run.operator({ action: 'compensate', by: 'olga' });
    await run.handle.result();
    return [run];
  },
  'rollback-done': async (harness, name) => {
    const site = harness.site(name);
    site.recovery.ready = false;
    const run = await harness.start('rollback', { site: name });
    await run.approve();
    await run.handle.result();
    const prune = await harness.start('recoveryPoints', { site: name, action: 'prune' });
    await prune.handle.result();
    return [run, prune];
  },
  /** Two operations at once: one waits and then goes on. */
  'lock-queued': async (harness, name) => {
    harness.site(name);
    const first = await harness.start('hybridStorage', { site: name });
    await first.holdLock();
    const second = await harness.start('prerequisites', { site: name });
    await second.until(({ waitingFor }) => waitingFor !== null, 'waiting');
    await first.signal('abort', { by: 'olga' });
    await first.handle.result();
    await second.approve();
    await second.handle.result();
    return [first, second, harness.run(workflowIds.siteLock(name))];
  },
};

const onSkippedTime: Record<string, Scenario> = {
  /** Nobody decides: reminders, deputies, closed; then the lock ends idle. */
  'gate-expired': async (harness, name) => {
    harness.site(name);
    const run = await harness.start('prerequisites', { site: name });
    await run.result();
    await harness.skipping(harness.lock(name).result());
    return [run, harness.run(workflowIds.siteLock(name))];
  },
};

/** Stack traces name files below the project, wherever that is and its packages are. */
function withoutMachine(text: string): string {
  return text.replaceAll(project, '').replaceAll(/\/[^\s()"]*(?=\/node_modules\/)/g, '');
}

function isRunning(steps: Step[], id: string): boolean {
  return steps.some((step) => step.id === id && step.state === 'running');
}

/** A child workflow is there only once its parent has started it. */
async function started(run: Run): Promise<void> {
  for (;;) {
    const known = await run.handle.describe().then(
      () => true,
      () => false,
    );
    if (known) return;
  }
}

async function record(found: FoundServer, bundle: string, scenarios: Record<string, Scenario>) {
  const harness = await Harness.start(found, bundle);
  try {
    for (const [name, play] of Object.entries(scenarios)) {
      for (const { handle } of await play(harness, name)) {
        const { type } = await handle.describe();
        const text = withoutMachine(historyToJSON(await handle.fetchHistory()));
        const file = `${type}.${name}.json`;
        await writeFile(join(histories, file), `${text.trimEnd()}\n`);
        console.log(`recorded ${file}`);
      }
    }
  } finally {
    await harness.stop();
  }
}

for (const file of await readdir(histories)) await rm(join(histories, file));
const folder = await mkdtemp(join(tmpdir(), 'presslift-record-'));
const bundle = join(folder, 'bundle.js');
await writeFile(bundle, await bundleWorkflows());
const server = await startDevServer();
try {
  await record({ kind: 'address', address: server.address }, bundle, onRealServer);
  await record(await findTestServer(console.log), bundle, onSkippedTime);
} finally {
  await server.stop();
  await rm(folder, { recursive: true });
}
