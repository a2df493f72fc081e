import {
  CancellationScope,
  ParentClosePolicy,
  isCancellation,
  sleep,
  startChild,
  uuid4,
} from '@temporalio/workflow';
import type { DrillFindings, DrillInput, DrillPlace } from '../../activities/contracts.ts';
import { describeDuration, durationMs } from '../../domain/durations.ts';
import { compactTime, workflowIds } from '../../domain/identifiers.ts';
import type { DrillReport, Sentinel } from '../../domain/recovery/point.ts';
import type {
  BackupInput,
  BackupReport,
  RestoreDrillInput,
  RestoreDrillReport,
} from '../../domain/recovery/request.ts';
import { runActivity, summaryLine } from './activities.ts';
import { now } from './board.ts';
import { childProblem } from './child.ts';
import { DrillStages } from './drill-stages.ts';
import { runOperation } from './operation.ts';
import type { Operation } from './operation.ts';
import { failure, isOutsideFailure, problemOf } from './problems.ts';
import { together } from './together.ts';
import { keep, shortfall } from './verify.ts';

/** Characters of an id that are drawn. */
const drawn = 4;

/** One rehearsal of a restore. A workflow calls its methods in order; what a method needs and has not got it leaves out. */
export class Drill {
  readonly #operation: Operation;
  readonly #stages: DrillStages;
  /** Names everything that the drill makes. */
  readonly #id: string;
  readonly #fresh: boolean;
  #point: string | null;
  #sentinel: Sentinel | null = null;
  #place: (DrillPlace & { takenAt: string }) | null = null;
  readonly #startedAt = now();
  #restored = false;
  #booted = false;
  #report: DrillReport | null = null;
  #keys: string[] = [];

  constructor(operation: Operation, point: string | null) {
    const { site } = operation.board.status;
    this.#operation = operation;
    // Drills of a given point take no lock: two of a site may begin in the same second, and must not take each other's things for their own.
    this.#id = `${compactTime(new Date(Date.now()))}-${site}-drill-${uuid4().slice(0, drawn)}`;
    this.#point = point;
    this.#fresh = point === null;
    this.#stages = new DrillStages(operation, this.#fresh);
  }

  /** Removes what drills that are no more have left. */
  async sweep(): Promise<void> {
    await this.#stages.prepare('sweep', true, async (title) => {
      const { removed, remaining } = await runActivity('sweepDrills', this.#self(), title);
      this.#warn('drills-left', remaining);
      return { removed };
    });
  }

  /** Takes the backup that is to be restored, as a child, unless a recovery point was given. */
  async takeBackup(): Promise<void> {
    if (!this.#fresh) return;
    await this.#stages.prepare('backup', true, async () => {
      const { recoveryPoint, sentinel, outcome } = await this.#backUp().finally(() =>
        this.#operation.giveLockBack(),
      );
      if (recoveryPoint === null || sentinel === null) {
        throw failure('PreconditionFailed', `The backup ended as ${outcome}, without a point.`);
      }
      this.#point = recoveryPoint.id;
      this.#sentinel = sentinel;
      return { point: recoveryPoint.id };
    });
  }

  /** Makes the throwaway namespace and database. */
  async open(): Promise<void> {
    const ready = !this.#fresh || this.#point !== null;
    await this.#stages.prepare('open', ready, async (title) => {
      const asked = { ...this.#self(), point: this.#point };
      try {
        this.#place = await runActivity('openDrill', asked, title);
      } catch (error) {
        // A point that there is not has nothing beside which a report could be stored.
        if (isOutsideFailure(error) && problemOf(error).type === 'NotFound') this.#point = null;
        throw error;
      }
      this.#point = this.#place.point;
      const { namespace, database, point } = this.#place;
      return { namespace, database, point };
    });
  }

  /** Reads the repository, restores the files and restores the database, side by side. */
  async restore(): Promise<void> {
    const [, files, database] = await together<[boolean, boolean, boolean]>([
      () => this.#measure('repository', true, 'checkDrillRepository'),
      () => this.#measure('files', true, 'restoreDrillFiles'),
      () => this.#measure('database', true, 'restoreDrillDatabase'),
    ]);
    this.#restored = files && database;
  }

  /** Starts WordPress there from the recovery point's image. */
  async boot(): Promise<void> {
    this.#booted = await this.#measure('boot', this.#restored, 'bootDrillSite');
  }

  /** Asks the restored site for what the recovery point says of it, and for the fresh sentinel. */
  async checkSite(): Promise<void> {
    const sentinel = this.#sentinel;
    await this.#stages.measure('check', this.#booted, (title) =>
      runActivity('checkDrillSite', { ...this.#input(), sentinel }, title),
    );
  }

  /**
   * Runs `work` within the site's `drill.timeout`, records what was found and removes what was made, in every ending.
   *
   * @throws ApplicationFailure `RestoreDiffers` when a criterion is not met; CancelledFailure when somebody stopped it.
   */
  async run(work: () => Promise<void>): Promise<Pick<RestoreDrillReport, 'drill' | 'keys'>> {
    const timeout = durationMs(this.#operation.board.site.drill.timeout);
    try {
      this.#operation.board.setState('verifying');
      const late = await withinTime(timeout, work);
      const why = late
        ? `the drill was stopped after ${describeDuration(timeout)}`
        : 'a stage that it needs did not come to a usable end';
      this.#stages.settle(why);
      await CancellationScope.nonCancellable(() => this.#record());
    } finally {
      await CancellationScope.nonCancellable(() => this.#tearDown());
    }
    const kept = { drill: this.#report, keys: this.#keys };
    const missed = shortfall(this.#operation.board.status.criteria);
    if (missed === null) return kept;
    throw failure('RestoreDiffers', `The drill of ${this.#point ?? 'no point'}: ${missed}`, kept);
  }

  async #record(): Promise<void> {
    const { status } = this.#operation.board;
    await this.#stages.finish('record', async (title) => {
      const { report, keys } = await runActivity(
        'recordDrill',
        {
          ...this.#self(),
          point: this.#point,
          startedAt: this.#startedAt,
          takenAt: this.#place?.takenAt ?? null,
          criteria: status.criteria,
          stages: this.#stages.timed,
        },
        title,
      );
      this.#report = report;
      this.#keys = keys;
      // It measures the recovery time and the recovery point against their objectives besides.
      keep(status.criteria, report.criteria);
      return { pass: report.pass, rtoMs: report.rtoMs, rpoMs: report.rpoMs, keys };
    });
  }

  async #tearDown(): Promise<void> {
    await this.#stages.finish('teardown', async (title) => {
      const left = await runActivity('tearDownDrill', this.#self(), title);
      this.#warn('drill-left', left?.remaining);
      return null;
    });
  }

  /** What stays for a person to remove says nothing about the backup. */
  #warn(id: string, remaining: string[] = []): void {
    if (remaining.length === 0) return;
    this.#operation.warn({
      id,
      message: `Left by drills: ${remaining.slice(0, 10).join('; ')}.`,
      advice: 'Delete it by hand; docs/guides/drills.md says why it stays.',
      evidence: remaining,
    });
  }

  async #measure(
    stage: 'repository' | 'files' | 'database' | 'boot',
    ready: boolean,
    activity:
      'checkDrillRepository' | 'restoreDrillFiles' | 'restoreDrillDatabase' | 'bootDrillSite',
  ): Promise<boolean> {
    return this.#stages.measure(
      stage,
      ready && this.#place !== null,
      (title): Promise<DrillFindings> => runActivity(activity, this.#input(), title),
    );
  }

  async #backUp(): Promise<BackupReport> {
    const { site, requestedBy } = this.#operation.board.status;
    // As the drill's own id: another drill of the site may ask for its backup in the same second.
    const own = this.#id.slice(-drawn);
    const workflowId = workflowIds.backup(site, `${compactTime(new Date(Date.now()))}-${own}`);
    const input: BackupInput = {
      site,
      reason: 'drill',
      ...(requestedBy === null ? {} : { requestedBy }),
    };
    try {
      const child = await startChild<(input: BackupInput) => Promise<BackupReport>>('backup', {
        workflowId,
        args: [input],
        staticSummary: summaryLine(`Backup of ${site} for the drill ${this.#id}`),
        // A drill that is terminated by hand has nobody left who wants it; cancelled, it leaves nothing behind.
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      });
      return await child.result();
    } catch (error) {
      throw childProblem(error, workflowId);
    }
  }

  #self() {
    const { site, status } = this.#operation.board;
    return { site, drill: this.#id, operationId: status.workflowId };
  }

  #input(): DrillInput {
    if (this.#place === null) throw new Error('The drill has no place yet; call open first.');
    const { site, operationId } = this.#self();
    const { drill, namespace, database, host, point } = this.#place;
    return { site, operationId, place: { drill, namespace, database, host, point } };
  }
}

/**
 * Runs `work` and cancels it after `timeoutMs`; true when it was cut short so.
 *
 * @throws what `work` throws, and CancelledFailure where somebody else cancelled it.
 */
async function withinTime(timeoutMs: number, work: () => Promise<void>): Promise<boolean> {
  const around = CancellationScope.current();
  const working = new CancellationScope();
  const clock = new CancellationScope();
  const late = { is: false };
  const ticking = clock.run(async () => {
    await sleep(timeoutMs, { summary: `The drill ends after ${describeDuration(timeoutMs)}` });
    late.is = true;
    working.cancel();
  });
  // It always ends by being cancelled, or with `working` cancelled; neither is news to anybody.
  const ticked = ticking.catch((error: unknown) => {
    if (!isCancellation(error)) throw error;
  });
  try {
    await working.run(work);
  } catch (error) {
    if (!late.is || around.consideredCancelled || !isCancellation(error)) throw error;
  } finally {
    clock.cancel();
    await ticked;
  }
  return late.is;
}

/** Runs a drill to its end in every case and reports. The body of the workflow `restoreDrill`. */
export async function rehearse(
  { point, ...asked }: RestoreDrillInput,
  work: (drill: Drill) => Promise<void>,
): Promise<RestoreDrillReport> {
  let kept: Pick<RestoreDrillReport, 'drill' | 'keys'> = { drill: null, keys: [] };
  const report = await runOperation(
    'restoreDrill',
    asked,
    async (operation) => {
      // The backup works under the drill's lock. Waiting for that is no part of the rehearsal: `drill.timeout` runs from here.
      if (point === undefined) await operation.takeLock();
      const drill = new Drill(operation, point ?? null);
      kept = await drill.run(() => work(drill));
    },
    { lock: false, gates: false, tells: { ended: 'finished', failed: 'drill-failed' } },
  );
  return { ...report, ...kept };
}
