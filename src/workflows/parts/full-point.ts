import { CancellationScope } from '@temporalio/workflow';
import type { PointInput } from '../../activities/contracts.ts';
import type { Json } from '../../domain/json.ts';
import type { RecoveryPointRef } from '../../domain/operation.ts';
import type {
  AppPart,
  CdnPart,
  ContentVolume,
  DatabasePart,
  FilesPart,
  ObjectStoragePart,
  RecoveryPoint,
  RecoveryPointReason,
  Sentinel,
  VolumeSnapshotRef,
  WordPressPart,
} from '../../domain/recovery/point.ts';
import type { PreparedBackup } from '../../domain/recovery/prepared-backup.ts';
import { runActivity } from './activities.ts';
import { now } from './board.ts';
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
  'prepare-backup': 'Open the repository and hold plugin updates',
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

/** What is described besides the copies; a part that could not be is null. */
interface Description {
  objects: RecoveryPointRef;
  wordpress: WordPressPart | null;
  app: AppPart | null;
  cdn: CdnPart | null;
  objectStorage: ObjectStoragePart | null;
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
    const prepared = await this.#step(
      'prepare-backup',
      (title) => runActivity('prepareBackup', this.#input, title),
      ({ repository, created }) => ({ repository, created }),
    );
    this.#warnOf(prepared);
    const sentinel = await this.#writeSentinel();
    const description = await this.#describe();
    const takenAt = now();
    const { volumes, snapshots } = await this.#step(
      'snapshot-volumes',
      (title) => runActivity('snapshotVolumes', this.#input, title),
      (taken) => ({
        volumes: taken.volumes.map(({ claim }) => claim),
        snapshots: taken.snapshots.map(({ kind, name }) => name ?? kind),
      }),
    );
    const [files, database] = await this.#copyOff(volumes, snapshots);
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

  /** What was found of the repository and of WordPress that does not keep the copy from being taken, but is to be known. */
  #warnOf({ repository, lost, unheld }: PreparedBackup): void {
    const { board } = this.#operation;
    // Once an operation, however often the copy is taken.
    if (lost && !board.status.findings.some(({ id }) => id === POINTS_LOST)) {
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
    if (unheld) {
      this.#operation.warn({
        id: `updates-not-held-${this.#input.id}`,
        message: `WordPress's own updates could not be held while ${this.#input.id} is taken: ${unheld}`,
        advice: 'A plugin that is updated meanwhile is noticed, and the copy taken again.',
        evidence: null,
      });
    }
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

  /** The objects have to be kept, for undo goes back to them; what else is not answered is missing and said to be. */
  async #describe(): Promise<Description> {
    return this.#step(
      'describe',
      async () => {
        const { objectsSecret, ...objects } = await runActivity(
          'takeRecoveryPoint',
          { ...this.#input, plan: null },
          'Keep the Kubernetes objects',
        );
        return { objects, ...(await this.#describeParts(objectsSecret)) };
      },
      describeResult,
    );
  }

  async #describeParts(objectsSecret: string): Promise<Omit<Description, 'objects'>> {
    const { site, id } = this.#input;
    const app = { ...this.#input, objectsSecret };
    const patience = this.#patience;
    const describe = {
      wordpress: () => runActivity('describeWordPress', this.#input, 'Ask WordPress', patience),
      app: () => runActivity('describeApp', app, 'Describe the Deployment', patience),
      cdn: () => runActivity('describeCdn', { site, id }, "Describe the CDN's rules", patience),
      bucket: () => runActivity('describeObjectStorage', { site }, 'Describe the bucket', patience),
    };
    const [wordpress, described, cdn, objectStorage] = await together<
      [WordPressPart | null, AppPart | null, CdnPart | null, ObjectStoragePart | null]
    >([
      () => this.#orMissing('what WordPress says of itself', describe.wordpress),
      () => this.#orMissing('the description of the Deployment', describe.app),
      () => this.#orMissing("the CDN's rules", describe.cdn),
      () => this.#orMissing("the bucket's state", describe.bucket),
    ]);
    return { wordpress, app: described, cdn, objectStorage };
  }

  async #copyOff(
    volumes: ContentVolume[],
    snapshots: VolumeSnapshotRef[],
  ): Promise<[FilesPart, DatabasePart]> {
    return together<[FilesPart, DatabasePart]>([
      () =>
        this.#step(
          'back-up-files',
          (title) => runActivity('backUpFiles', { ...this.#input, volumes, snapshots }, title),
          ({ snapshotId, files, bytes, bytesAdded }) => ({ snapshotId, files, bytes, bytesAdded }),
        ),
      () =>
        this.#step(
          'back-up-database',
          (title) => runActivity('backUpDatabase', this.#input, title),
          ({ snapshotId, bytes, manifest, lockedMs }) => ({
            snapshotId,
            bytes,
            ...(lockedMs !== undefined && { lockedMs }),
            tables: manifest.tables.length,
            rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
          }),
        ),
    ]);
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

/** What changed while it was copied is in the copy, if at all, without proof. */
function unsettledIn({ unsettled = [] }: FilesPart): string[] {
  if (unsettled.length === 0) return [];
  const more = unsettled.length > 3 ? `, … (${unsettled.length})` : '';
  return [
    `proof of files that changed while they were copied: ${unsettled.slice(0, 3).join(', ')}${more}`,
  ];
}

/** What no recovery point of this site can hold. */
function limitsOf(objectStorage: ObjectStoragePart | null): string[] {
  return [
    'values of Secrets (their names alone)',
    ...(objectStorage === null || objectStorage.versioning
      ? []
      : [`earlier versions of what is in the bucket ${objectStorage.bucket} (no versioning)`]),
    ...(objectStorage?.objectLock === null
      ? [
          `object lock on its document (no keys of the site may ask whether the bucket ${objectStorage.bucket} has it)`,
        ]
      : []),
  ];
}

function describeResult({ objects, wordpress, app, cdn, objectStorage }: Description): Json {
  return {
    objects: objects.contains.length,
    wordpress: wordpress?.version ?? null,
    plugins: wordpress?.plugins.length ?? null,
    images: app === null ? null : Object.values(app.images),
    rulesets: cdn?.rulesets.length ?? null,
    bucket: objectStorage?.bucket ?? null,
  };
}
