/** Recovery points, drills and rolled-back layers of a fake site: what the activities leave behind, and take away again. */
import { ApplicationFailure } from '@temporalio/common';
import type {
  DrillFindings,
  DrillInput,
  DrillPlace,
  PointInput,
} from '../../src/activities/contracts.ts';
import type { CriterionResult } from '../../src/domain/criterion.ts';
import type {
  ContentVolume,
  DatabasePart,
  DrillReport,
  FilesPart,
  RecoveryPoint,
  RecoveryPointState,
  Sentinel,
  VolumeSnapshotRef,
  WordPressPart,
} from '../../src/domain/recovery/point.ts';
import type { LostPoints } from '../../src/domain/recovery/opened-repository.ts';

const AT = '2026-11-23T18:00:00.000Z';

const volume: ContentVolume = {
  claim: 'wp-content',
  subPath: '',
  provides: ['wp-content/plugins', 'wp-content/themes'],
  storageClass: 'rwx',
  accessModes: ['ReadWriteMany'],
  size: '5Gi',
};

const wordpress: WordPressPart = {
  version: '6.8.12',
  databaseVersion: 60421,
  php: '8.3.1',
  siteUrl: 'https://fake.example.com',
  tablePrefix: 'wp_',
  plugins: [{ file: 'shop/shop.php', version: '1.0', active: true }],
  themes: [],
  options: {},
  saltsFingerprint: null,
  newestPostAt: null,
  samples: { frontPageTitle: 'Fake', post: null },
};

function found(id: string): CriterionResult {
  return { id, title: `Criterion ${id}`, measured: true, target: true, pass: true, evidence: null };
}

/** What a drill's stage finds where all is well. */
export function findings(id: string): DrillFindings {
  const stage = { id, title: id, startedAt: AT, ms: 1_000, countsForRto: true };
  return { criteria: [found(id)], stages: [stage], usable: true };
}

/** The same with one criterion that is not met. */
export function corrupted(id: string, usable = true): DrillFindings {
  const criteria = [found(`${id}-readable`), { ...found(id), measured: false, pass: false }];
  return { ...findings(id), criteria, usable };
}

/** Which change each undo takes back. */
const undoes: Record<string, string> = {
  unstageDatabase: 'stageDatabase',
  deleteForkedDatabase: 'forkDatabase',
  unstageExtensions: 'stageExtensions',
  switchDatabaseBack: 'switchDatabase',
  moveBackFromForkedDatabase: 'moveToForkedDatabase',
  switchExtensionsBack: 'switchExtensions',
  returnOptions: 'restoreOptions',
  returnApp: 'restoreApp',
  returnCdnRules: 'restoreCdnRules',
  endMaintenance: 'beginMaintenance',
};
const does = new Set([...Object.values(undoes), 'purgeCdn', 'deleteKept']);

/** What there is at one fake site; every member is what an outside system would hold. */
export class FakeRecovery {
  ready = true;
  objectLock: boolean | null = true;
  /** What an emptied repository does not hold any more. */
  lost: LostPoints | null = null;
  unheld: string | null = null;
  /** Sentences of `backupReadiness` and of what a point without copies does not hold. */
  readonly unready = ['there is no repository password (site.backup.password)'];
  /** Points whose copying holds automatic plugin updates. */
  readonly held = new Set<string>();
  /** Points that were begun and neither recorded nor discarded. */
  readonly unfinished = new Set<string>();
  readonly points = new Map<string, RecoveryPoint>();
  readonly states = new Map<string, RecoveryPointState>();
  /** The word that is in the live site now. */
  sentinel: Sentinel | null = null;
  /** Namespaces and databases of drills. */
  readonly drills = new Set<string>();
  readonly reports: { drill: string; point: string | null; criteria: CriterionResult[] }[] = [];
  /** Rollback's changes that are in effect, in the order in which they were made. */
  readonly inEffect: string[] = [];

  /** Nothing is held, half-made or left over. */
  get leftovers(): string[] {
    return [...this.held, ...this.unfinished, ...this.drills];
  }

  /** The answer of an activity about recovery, or undefined for any other. */
  answer(name: string, input: unknown): unknown {
    return this.#aboutPoints(name, input) ?? this.#aboutDrills(name, input) ?? this.#change(name);
  }

  #aboutPoints(name: string, input: unknown): unknown {
    const { id } = input as PointInput;
    switch (name) {
      case 'backupReadiness':
        return { ready: this.ready, missing: this.ready ? [] : this.unready };
      case 'holdPluginUpdates':
        this.held.add(id);
        return { unheld: this.unheld };
      case 'openRepository':
        return {
          repository: 's3:fake/presslift',
          ...{ created: this.lost !== null, lost: this.lost },
        };
      case 'writeSentinel':
        this.sentinel = { nonce: `nonce-${id}`, writtenAt: AT, file: '.presslift-sentinel' };
        return this.sentinel;
      case 'describeWordPress':
        return wordpress;
      case 'takeRecoveryPoint': {
        const copies = (input as { plan: unknown }).plan === null;
        if (copies) this.unfinished.add(id);
        return {
          id,
          takenAt: AT,
          contains: ['Deployment fake/wordpress'],
          missing: copies ? [] : ['the database', 'files of plugins and themes'],
          objectsSecret: `presslift-recovery-${id}`,
        };
      }
      case 'describeApp':
        return {
          deployment: 'wordpress',
          replicas: 2,
          images: { php: 'wordpress@sha256:1' },
          templateDigest: 'sha256:t',
          configMaps: [],
          secrets: [],
          objectsSecret: (input as { objectsSecret: string }).objectsSecret,
        };
      case 'describeCdn':
        return { provider: 'cloudflare', zoneId: 'zone', rulesets: [] };
      case 'describeObjectStorage':
        return {
          provider: 'spaces',
          bucket: 'media',
          versioning: true,
          objectLock: this.objectLock,
          asOf: AT,
        };
      case 'snapshotVolumes': {
        this.unfinished.add(id);
        const snapshot: VolumeSnapshotRef = {
          claim: volume.claim,
          kind: 'csi',
          name: `snap-${id}`,
          takenAt: AT,
        };
        return { volumes: [volume], snapshots: [snapshot] };
      }
      case 'backUpFiles':
        return this.#files(input as { snapshots: VolumeSnapshotRef[] });
      case 'backUpDatabase':
        return this.#database();
      case 'recordRecoveryPoint':
        return this.#record((input as { point: RecoveryPoint }).point);
      case 'releasePluginUpdates':
        this.held.delete(id);
        return null;
      case 'discardRecoveryPoint':
        this.unfinished.delete(id);
        return null;
      case 'applyRetention':
        return { kept: this.points.size, removed: ['20261101T030000Z-fake-backup'] };
      case 'checkRepository':
        return [found('repository-sound')];
      case 'measureBackupAge':
        return { newest: '20261123T030000Z-fake-backup', ageSeconds: 3_600, late: false };
      case 'listRecoveryPoints':
        return [...this.points.values()].map((point) => ({
          id: point.id,
          takenAt: point.takenAt,
          state: this.#stateOf(point.id),
        }));
      case 'showRecoveryPoint':
        return this.#show((input as { point: string }).point);
      case 'pinRecoveryPoint': {
        const { point, pinned } = input as { point: string; pinned: { by: string } | null };
        this.#show(point);
        const state = { ...this.#stateOf(point), pinned };
        this.states.set(point, state as RecoveryPointState);
        return state;
      }
      case 'verifyRecoveryPoint':
        return [found('signature'), found('data')];
      default:
        return undefined;
    }
  }

  #files({ snapshots }: { snapshots: VolumeSnapshotRef[] }): FilesPart {
    return {
      repository: 's3:fake/presslift',
      snapshotId: 'f'.repeat(64),
      volumes: [volume],
      localSnapshots: snapshots,
      files: 1_200,
      bytes: 3_000_000,
      manifestDigest: 'sha256:files',
      bytesAdded: 1_000,
    };
  }

  #database(): DatabasePart {
    const table = { name: 'wp_posts', rows: 7, checksum: 'aa', structure: 'sha256:s' };
    return {
      repository: 's3:fake/presslift',
      snapshotId: 'd'.repeat(64),
      bytes: 500_000,
      manifest: {
        schema: 'wordpress',
        charset: 'utf8mb4',
        collation: 'utf8mb4_unicode_520_ci',
        tables: [table, { ...table, name: 'wp_options', rows: 3 }],
        triggers: {},
        routines: {},
        events: {},
        views: {},
      },
      server: { version: '8.4.0', host: 'db' },
      gtid: null,
      managedBackups: [],
    };
  }

  #record(point: RecoveryPoint) {
    this.points.set(point.id, point);
    this.unfinished.delete(point.id);
    const { id, takenAt, missing } = point;
    const contains = ['files', 'database', 'Deployment fake/wordpress'];
    return { ref: { id, takenAt, contains, missing }, digest: 'sha256:point' };
  }

  #stateOf(id: string): RecoveryPointState {
    return this.states.get(id) ?? { pinned: null, bad: null, proved: null };
  }

  #show(id: string) {
    const point = this.points.get(id);
    if (point !== undefined) return { point, state: this.#stateOf(id), drills: [] };
    throw ApplicationFailure.create({ type: 'NotFound', message: `No recovery point ${id}.` });
  }

  #aboutDrills(name: string, input: unknown): unknown {
    const { drill } = input as { drill: string };
    switch (name) {
      case 'sweepDrills': {
        const removed = [...this.drills];
        this.drills.clear();
        return { removed };
      }
      case 'openDrill': {
        const { point } = this.#show((input as { point: string }).point);
        this.drills.add(drill);
        const place: DrillPlace = {
          drill,
          namespace: 'presslift-drill-1',
          database: 'presslift_drill_1',
          host: 'fake.drill.invalid',
          point: point.id,
        };
        return { ...place, takenAt: point.takenAt };
      }
      case 'checkDrillRepository':
        return findings('repository-data');
      case 'restoreDrillFiles':
        return findings('files-hashes');
      case 'restoreDrillDatabase':
        return findings('tables');
      case 'bootDrillSite':
        return findings('boots');
      case 'checkDrillSite':
        return this.#demandSentinel(input as DrillInput & { sentinel: Sentinel | null });
      case 'recordDrill':
        return this.#report(input as { drill: string; point: string; criteria: CriterionResult[] });
      case 'tearDownDrill':
        this.drills.delete(drill);
        return null;
      default:
        return undefined;
    }
  }

  #demandSentinel({ place, sentinel }: DrillInput & { sentinel: Sentinel | null }): DrillFindings {
    const carried = this.points.get(place.point)?.sentinel?.nonce ?? null;
    const wanted = sentinel === null ? carried : sentinel.nonce;
    return carried === wanted ? findings('fresh-sentinel') : corrupted('fresh-sentinel');
  }

  #report(input: { drill: string; point: string; criteria: CriterionResult[] }) {
    const { drill, point, criteria } = input;
    this.reports.push({ drill, point, criteria });
    const all = [...criteria, found('rto'), found('rpo')];
    const report = { drill, point, rtoMs: 5_000, rpoMs: 1_000, criteria: all };
    const pass = all.every((one) => one.pass);
    return {
      report: { ...report, pass } as DrillReport,
      keys: [`recovery-points/${point}/drills/${drill}.json`],
    };
  }

  #change(name: string): unknown {
    const undone = undoes[name];
    if (undone !== undefined && this.inEffect.includes(undone)) {
      this.inEffect.splice(this.inEffect.lastIndexOf(undone), 1);
      return { undid: undone };
    }
    if (!does.has(name)) return undefined;
    this.inEffect.push(name);
    return { did: name };
  }
}
