import { CancellationScope } from '@temporalio/workflow';
import type { PointInput } from '../../activities/contracts.ts';
import type { Json } from '../../domain/json.ts';
import type { RecoveryPointRef } from '../../domain/operation.ts';
import type {
  DatabasePart,
  FilesPart,
  RecoveryPoint,
  RecoveryPointReason,
  Sentinel,
} from '../../domain/recovery/point.ts';
import type { OpenedRepository } from '../../domain/recovery/opened-repository.ts';
import { runActivity } from './activities.ts';
import { now } from './board.ts';
import { describeResult, describeSite, limitsOf, unsettledIn } from './description.ts';
import type { Description, OrMissing } from './description.ts';
import type { Operation } from './operation.ts';
import { isOutsideFailure, isStop, problemOf } from './problems.ts';
import { together } from './together.ts';

/** A copy that was changed under our hands is taken again as a whole, this often in all. */
const COPIES = 3;

/** The finding that an empty repository holds nothing of earlier points. */
export const POINTS_LOST = 'earlier-points-lost';

/** In a finding's evidence; the catalogue has them all. */
const MOST_NAMED = 20;

const titles = {
  'hold-plugin-updates': 'Hold plugin updates',
  'open-repository': 'Open the repository',
  sentinel: 'Write the row and the file that a restore must bring back',
  describe: 'Describe WordPress, its Deployment, the CDN and the bucket',
  'snapshot-volumes': 'Copy every content volume at one instant',
  'back-up-files': 'Copy the files off the cluster',
  'back-up-database': 'Copy the database off the cluster',
  'record-recovery-point': 'Compare the copies and write the catalogue',
  'release-plugin-updates': 'Let plugin updates go on',
} as const;

type StepId = keyof typeof titles;

/** What is to be taken. */
export interface FullPointRequest {
  /** The next id to take it under: a copy that was given up leaves its id to nobody else. */
  nextId(): string;
  reason: RecoveryPointReason;
  /** Step ids of the round that takes it. */
  named(id: string): string;
}

export interface FullPoint {
  ref: RecoveryPointRef;
  sentinel: Sentinel | null;
}

/** The steps of a full recovery point, to be announced. */
export function fullPointSteps(named: (id: string) => string): { id: string; title: string }[] {
  return Object.entries(titles).map(([id, title]) => ({ id: named(id), title }));
}

/**
 * Copies files, database, objects, rules and what WordPress says of itself off the cluster, and records them as one
 * recovery point. Whatever the end, plugin updates go on after it, and of a point that was not recorded nothing is left.
 *
 * @throws what its activities throw; BackupIncomplete when plugins or themes changed during each of the copies.
 */
export async function takeFullPoint(
  operation: Operation,
  request: FullPointRequest,
): Promise<FullPoint> {
  for (let copy = 1; ; copy += 1) {
    const id = request.nextId();
    try {
      return await new Copy(operation, request, id).take();
    } catch (error) {
      if (isStop(error) || !isOutsideFailure(error)) throw error;
      const { type, message } = problemOf(error);
      if (type !== 'BackupIncomplete' || copy === COPIES) throw error;
      operation.warn({
        id: `copied-again-${id}`,
        message: `The copy ${id} was not whole and is taken again: ${message}`,
        advice: null,
        evidence: { copy, of: COPIES },
      });
    }
  }
}

/** What there is before anything is copied. */
interface Noted {
  sentinel: Sentinel | null;
  description: Description;
}

/** One copy under one id. */
class Copy {
  readonly #operation: Operation;
  readonly #request: FullPointRequest;
  readonly #input: PointInput;
  readonly #missing: string[] = [];

  constructor(operation: Operation, request: FullPointRequest, id: string) {
    const { site, status } = operation.board;
    this.#operation = operation;
    this.#request = request;
    this.#input = { site, id, operationId: status.workflowId };
  }

  /** The profile of what can be done without; undefined for its usual one. */
  get #patience(): 'brief' | undefined {
    return this.#request.reason === 'before-change' ? 'brief' : undefined;
  }

  async take(): Promise<FullPoint> {
    const outcome = { recorded: false };
    try {
      const point = await this.#copy();
      const { ref } = await this.#step(
        'record-recovery-point',
        (title) => runActivity('recordRecoveryPoint', { site: this.#input.site, point }, title),
        ({ ref: recorded, digest }) => ({ id: recorded.id, digest }),
      );
      outcome.recorded = true;
      return { ref, sentinel: point.sentinel };
    } finally {
      await CancellationScope.nonCancellable(() => this.#tidy(outcome.recorded));
    }
  }

  async #copy(): Promise<RecoveryPoint> {
    const { id, site, operationId } = this.#input;
    await this.#holdUpdates();
    // Storage may give few snapshots an hour: none is taken before the repository is known to open.
    const [, { sentinel, description }] = await together<[void, Noted]>([
      () => this.#openRepository(),
      async () => ({
        sentinel: await this.#writeSentinel(),
        description: await this.#describe(),
      }),
    ]);
    const takenAt = now();
    const [files, database] = await together<[FilesPart, DatabasePart]>([
      () => this.#copyFiles(),
      () => this.#copyDatabase(),
    ]);
    const { wordpress, app, cdn, objectStorage } = description;
    return {
      schema: 1,
      id,
      site: site.name,
      reason: this.#request.reason,
      operationId,
      takenAt,
      finishedAt: now(),
      sentinel,
      wordpress,
      files,
      database,
      app,
      cdn,
      objectStorage,
      missing: [
        ...description.objects.missing,
        ...this.#missing,
        ...unsettledIn(files),
        ...limitsOf(objectStorage),
      ],
    };
  }

  async #holdUpdates(): Promise<void> {
    const { id } = this.#input;
    const { unheld } = await this.#step(
      'hold-plugin-updates',
      (title) => runActivity('holdPluginUpdates', this.#input, title),
      (outcome) => outcome,
    );
    if (unheld === null) return;
    this.#operation.warn({
      id: `updates-not-held-${id}`,
      message: `WordPress's own updates could not be held while ${id} is taken: ${unheld}`,
      advice: 'A plugin that is updated meanwhile is noticed, and the copy taken again.',
      evidence: null,
    });
  }

  async #openRepository(): Promise<void> {
    const opened = await this.#step(
      'open-repository',
      (title) => runActivity('openRepository', this.#input, title),
      ({ repository, created }) => ({ repository, created }),
    );
    this.#warnOfLost(opened);
  }

  /** Does not keep the copy from being taken, but is to be known. */
  #warnOfLost({ repository, lost }: OpenedRepository): void {
    const { board } = this.#operation;
    // Once an operation, however often the copy is taken.
    if (lost === null || board.status.findings.some(({ id }) => id === POINTS_LOST)) return;
    const { points, localSnapshots } = lost;
    this.#operation.warn({
      id: POINTS_LOST,
      message: `The repository ${repository} holds nothing of ${points.length} earlier recovery points of the catalogue; ${localSnapshots.length} of their snapshots of volumes are left. The copy goes into it as its first one.`,
      advice:
        'Find out who emptied it (a lifecycle rule of the bucket, another address in the site file). The snapshots stay: delete them yourself when nobody needs them.',
      evidence: {
        points: points.slice(0, MOST_NAMED),
        localSnapshots: localSnapshots.slice(0, MOST_NAMED),
      },
    });
  }

  /** A drill has nothing to demand without it; a site that is broken already is copied without. */
  async #writeSentinel(): Promise<Sentinel | null> {
    const write = () =>
      this.#step(
        'sentinel',
        (title) => runActivity('writeSentinel', this.#input, title, this.#patience),
        ({ file, writtenAt }) => ({ file, writtenAt }),
      );
    return this.#request.reason === 'drill' ? write() : this.#orMissing('a fresh sentinel', write);
  }

  async #describe(): Promise<Description> {
    const patience = this.#patience;
    const orMissing: OrMissing = (what, work) => this.#orMissing(what, work);
    return this.#step(
      'describe',
      () => describeSite(this.#input, { patience, orMissing }),
      describeResult,
    );
  }

  async #copyFiles(): Promise<FilesPart> {
    const { volumes, snapshots } = await this.#step(
      'snapshot-volumes',
      (title) => runActivity('snapshotVolumes', this.#input, title),
      (taken) => ({
        volumes: taken.volumes.map(({ claim }) => claim),
        snapshots: taken.snapshots.map(({ kind, name }) => name ?? kind),
      }),
    );
    return this.#step(
      'back-up-files',
      (title) => runActivity('backUpFiles', { ...this.#input, volumes, snapshots }, title),
      ({ snapshotId, files, bytes, bytesAdded }) => ({ snapshotId, files, bytes, bytesAdded }),
    );
  }

  async #copyDatabase(): Promise<DatabasePart> {
    return this.#step(
      'back-up-database',
      (title) => runActivity('backUpDatabase', this.#input, title),
      ({ snapshotId, bytes, manifest, lockedMs }) => ({
        snapshotId,
        bytes,
        ...(lockedMs !== undefined && { lockedMs }),
        tables: manifest.tables.length,
        rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
      }),
    );
  }

  async #step<T>(
    id: StepId,
    work: (title: string) => Promise<T>,
    describe: (value: T) => Json,
  ): Promise<T> {
    const { controls, steps } = this.#operation;
    const title = titles[id];
    await controls.holdWhilePaused();
    return steps.run(this.#request.named(id), title, () => work(title), describe);
  }

  async #orMissing<T>(what: string, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (isStop(error) || !isOutsideFailure(error)) throw error;
      const { message } = problemOf(error);
      this.#missing.push(`${what} (${message})`);
      this.#operation.warn({
        id: `recovery-point-without-${this.#missing.length}`,
        message: `The recovery point ${this.#input.id} does not hold ${what}: ${message}`,
        advice: null,
        evidence: null,
      });
      return null;
    }
  }

  /** Updates go on in any case; what is left of a point that nobody can use is removed. */
  async #tidy(recorded: boolean): Promise<void> {
    await this.#clean('release-plugin-updates', titles['release-plugin-updates'], (title) =>
      runActivity('releasePluginUpdates', this.#input, title),
    );
    if (recorded) return;
    await this.#clean(
      'discard-recovery-point',
      `Remove what the unfinished point ${this.#input.id} left`,
      (title) => runActivity('discardRecoveryPoint', this.#input, title),
    );
  }

  /** What cannot be tidied up ends by itself or is removed before the next copy, so it is only said. */
  async #clean(id: string, title: string, work: (title: string) => Promise<void>): Promise<void> {
    try {
      await this.#operation.steps.run(this.#request.named(id), title, () => work(title));
    } catch (error) {
      if (!isOutsideFailure(error)) throw error;
      this.#operation.warn({
        id: `${id}-${this.#input.id}`,
        message: `Not done: ${title}. ${problemOf(error).message}`,
        advice: 'The hold on updates expires by itself; the next backup removes what is left.',
        evidence: null,
      });
    }
  }
}
