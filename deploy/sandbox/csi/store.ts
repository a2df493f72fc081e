/** Volumes and snapshots as folders with a small record beside each. No gRPC here. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface VolumeRecord {
  id: string;
  /** Bytes asked for; recorded, not enforced. */
  capacityBytes: number;
  accessModes: 'single' | 'shared';
  /** ISO 8601. */
  createdAt: string;
  source?: VolumeSource;
}

export interface SnapshotRecord {
  id: string;
  volumeId: string;
  /** Capacity of the volume: a restored one must not be smaller. */
  sizeBytes: number;
  createdAt: string;
}

export type VolumeSource = { snapshot: string } | { volume: string };

/** Why a request cannot be done; `kind` is mapped to a status of gRPC. */
export class StoreError extends Error {
  override name = 'StoreError';
  readonly kind: 'invalid' | 'missing' | 'exists' | 'busy';

  constructor(kind: StoreError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface VolumeStore {
  /** Makes a volume, empty or as a copy; again with the same wish is a no-op. */
  createVolume(wanted: Omit<VolumeRecord, 'createdAt'>): Promise<VolumeRecord>;
  deleteVolume(id: string): Promise<void>;
  volume(id: string): Promise<VolumeRecord>;
  /** The folder with the volume's files. */
  volumePath(id: string): string;
  /** Copies a volume's files; again with the same id is a no-op. */
  createSnapshot(id: string, volumeId: string): Promise<SnapshotRecord>;
  deleteSnapshot(id: string): Promise<void>;
  snapshot(id: string): Promise<SnapshotRecord>;
}

/** A store in the folders `volumes` and `snapshots` of `dataDir`. */
export function createVolumeStore(dataDir: string): VolumeStore {
  const path = (kind: 'volumes' | 'snapshots', id: string): string =>
    join(dataDir, kind, safeId(id));
  const busy = new Set<string>();

  /** Only one thing at a time is done to a folder; the caller asks again later. */
  async function alone<T>(folder: string, work: () => Promise<T>): Promise<T> {
    if (busy.has(folder)) throw new StoreError('busy', `${folder} is being worked on`);
    busy.add(folder);
    try {
      return await work();
    } finally {
      busy.delete(folder);
    }
  }

  /** A folder and its record appear together: the record is written last, and alone says that the folder is whole. */
  async function make(folder: string, record: object, source: string | undefined): Promise<void> {
    await remove(folder);
    await mkdir(folder, { recursive: true });
    // Pods write as whatever user they run; a copy has the modes of its source.
    await chmod(folder, 0o777);
    if (source) await promisify(execFile)('cp', ['-a', '--reflink=auto', `${source}/.`, folder]);
    await writeFile(`${folder}.json.new`, `${JSON.stringify(record, null, 2)}\n`);
    await rename(`${folder}.json.new`, `${folder}.json`);
  }

  async function remove(folder: string): Promise<void> {
    await rm(`${folder}.json`, { force: true });
    await rm(folder, { recursive: true, force: true });
  }

  async function read<T>(folder: string): Promise<T | undefined> {
    try {
      return JSON.parse(await readFile(`${folder}.json`, 'utf8')) as T;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function required<T>(kind: 'volumes' | 'snapshots', id: string): Promise<T> {
    const record = await read<T>(path(kind, id));
    if (!record) throw new StoreError('missing', `There is no ${kind.slice(0, -1)} ${id}`);
    return record;
  }

  async function sourcePath(source: VolumeSource, capacityBytes: number): Promise<string> {
    if ('snapshot' in source) {
      const { sizeBytes } = await required<SnapshotRecord>('snapshots', source.snapshot);
      assertLargeEnough(capacityBytes, sizeBytes);
      return path('snapshots', source.snapshot);
    }
    const volume = await required<VolumeRecord>('volumes', source.volume);
    assertLargeEnough(capacityBytes, volume.capacityBytes);
    return path('volumes', source.volume);
  }

  return {
    volumePath: (id) => path('volumes', id),
    volume: (id) => required('volumes', id),
    snapshot: (id) => required('snapshots', id),

    createVolume: (wanted) =>
      alone(path('volumes', wanted.id), async () => {
        const folder = path('volumes', wanted.id);
        const there = await read<VolumeRecord>(folder);
        if (there) {
          const same =
            there.capacityBytes === wanted.capacityBytes &&
            there.accessModes === wanted.accessModes;
          if (!same)
            throw new StoreError('exists', `Volume ${wanted.id} exists and is another one`);
          return there;
        }
        const source = wanted.source && (await sourcePath(wanted.source, wanted.capacityBytes));
        const record = { ...wanted, createdAt: new Date().toISOString() };
        await make(folder, record, source);
        return record;
      }),

    deleteVolume: (id) => alone(path('volumes', id), () => remove(path('volumes', id))),

    createSnapshot: (id, volumeId) =>
      alone(path('snapshots', id), async () => {
        const folder = path('snapshots', id);
        const there = await read<SnapshotRecord>(folder);
        if (there) {
          if (there.volumeId === volumeId) return there;
          throw new StoreError('exists', `Snapshot ${id} exists and is of ${there.volumeId}`);
        }
        const { capacityBytes } = await required<VolumeRecord>('volumes', volumeId);
        const createdAt = new Date().toISOString();
        const record = { id, volumeId, sizeBytes: capacityBytes, createdAt };
        await make(folder, record, path('volumes', volumeId));
        return record;
      }),

    deleteSnapshot: (id) => alone(path('snapshots', id), () => remove(path('snapshots', id))),
  };
}

/** Ids become names of folders. */
function safeId(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id)) throw new StoreError('invalid', `Not an id: ${id}`);
  return id;
}

function assertLargeEnough(wantedBytes: number, sourceBytes: number): void {
  if (wantedBytes >= sourceBytes) return;
  throw new StoreError('invalid', `${wantedBytes} bytes are too few for a copy of ${sourceBytes}`);
}
