/** The three services of a CSI driver, without their transport: each method takes a request and gives its answer. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rmdir, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import type {
  CreateSnapshotRequest,
  CreateVolumeRequest,
  PublishRequest,
  SnapshotRequest,
  StatsRequest,
  UnpublishRequest,
  ValidateRequest,
  VolumeCapability,
  VolumeRequest,
} from './messages.ts';
import { accessModesParameter, driverName } from './names.ts';
import type { SnapshotRecord, VolumeRecord, VolumeSource, VolumeStore } from './store.ts';
import { StoreError } from './store.ts';

const run = promisify(execFile);

const version = '1.0.0';

/** When a claim asks for no size. */
const defaultBytes = 1024 ** 3;

export function identityService() {
  return {
    GetPluginInfo: async () => ({ name: driverName, vendor_version: version }),
    GetPluginCapabilities: async () => ({
      capabilities: [{ service: { type: 'CONTROLLER_SERVICE' } }],
    }),
    Probe: async () => ({ ready: { value: true } }),
  };
}

/** Makes and removes volumes and snapshots. */
export function controllerService(store: VolumeStore) {
  const capabilities = [
    'CREATE_DELETE_VOLUME',
    'CREATE_DELETE_SNAPSHOT',
    'CLONE_VOLUME',
    'SINGLE_NODE_MULTI_WRITER',
  ];
  return {
    ControllerGetCapabilities: async () => ({
      capabilities: capabilities.map((type) => ({ rpc: { type } })),
    }),

    async CreateVolume(request: CreateVolumeRequest) {
      const accessModes = accessModesOf(request.parameters);
      assertSupported(request.volume_capabilities, accessModes);
      const source = sourceOf(request);
      const volume = await store.createVolume({
        id: request.name,
        capacityBytes: Number(request.capacity_range?.required_bytes ?? 0) || defaultBytes,
        accessModes,
        source,
      });
      return {
        volume: {
          volume_id: volume.id,
          capacity_bytes: volume.capacityBytes,
          content_source: request.volume_content_source ?? undefined,
        },
      };
    },

    async DeleteVolume({ volume_id }: VolumeRequest) {
      await store.deleteVolume(volume_id);
      return {};
    },

    async ValidateVolumeCapabilities({ volume_id, volume_capabilities }: ValidateRequest) {
      const { accessModes } = await store.volume(volume_id);
      try {
        assertSupported(volume_capabilities, accessModes);
      } catch (error) {
        return { message: error instanceof Error ? error.message : String(error) };
      }
      return { confirmed: { volume_capabilities } };
    },

    async CreateSnapshot({ name, source_volume_id }: CreateSnapshotRequest) {
      return { snapshot: snapshotMessage(await store.createSnapshot(name, source_volume_id)) };
    },

    async DeleteSnapshot({ snapshot_id }: SnapshotRequest) {
      await store.deleteSnapshot(snapshot_id);
      return {};
    },
  };
}

/** Mounts volumes for pods. It must run in the node's mount namespace. */
export function nodeService(store: VolumeStore, nodeId: string) {
  return {
    NodeGetInfo: async () => ({ node_id: nodeId }),

    NodeGetCapabilities: async () => ({
      capabilities: ['GET_VOLUME_STATS', 'SINGLE_NODE_MULTI_WRITER'].map((type) => ({
        rpc: { type },
      })),
    }),

    async NodePublishVolume({ volume_id, target_path, readonly }: PublishRequest) {
      await store.volume(volume_id);
      await mkdir(target_path, { recursive: true });
      if (await isMounted(target_path)) return {};
      await run('mount', ['--bind', store.volumePath(volume_id), target_path]);
      if (readonly) await run('mount', ['-o', 'remount,ro,bind', target_path]);
      return {};
    },

    async NodeUnpublishVolume({ target_path }: UnpublishRequest) {
      if (await isMounted(target_path)) await run('umount', [target_path]);
      // Never recursively: if the mount were still there, that would delete the volume's files.
      await rmdir(target_path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      return {};
    },

    /** What the volume was asked for is its capacity; the files of all volumes share one disk. */
    async NodeGetVolumeStats({ volume_id }: StatsRequest) {
      const volume: VolumeRecord = await store.volume(volume_id);
      const { bavail, bsize, files, ffree } = await statfs(store.volumePath(volume_id));
      const available = Math.min(bavail * bsize, volume.capacityBytes);
      return {
        usage: [
          {
            unit: 'BYTES',
            total: volume.capacityBytes,
            available,
            used: volume.capacityBytes - available,
          },
          { unit: 'INODES', total: files, available: ffree, used: files - ffree },
        ],
      };
    },
  };
}

function accessModesOf(parameters: Readonly<Record<string, string>>): VolumeRecord['accessModes'] {
  const value = parameters[accessModesParameter] ?? 'single';
  if (value === 'single' || value === 'shared') return value;
  const name = accessModesParameter;
  throw new StoreError(
    'invalid',
    `Parameter ${name} of the StorageClass is single or shared, not ${value}`,
  );
}

function assertSupported(
  capabilities: readonly VolumeCapability[],
  accessModes: VolumeRecord['accessModes'],
): void {
  for (const { access_mode, access_type } of capabilities) {
    if (access_type === 'block') {
      throw new StoreError('invalid', 'Raw block volumes are not supported');
    }
    const mode = access_mode?.mode ?? 'UNKNOWN';
    if (accessModes === 'single' && mode.startsWith('MULTI_NODE')) {
      throw new StoreError(
        'invalid',
        `${mode} is refused: volumes of this class are for one node (ReadWriteOnce); use a class with ${accessModesParameter}: shared`,
      );
    }
  }
}

function sourceOf({
  volume_content_source: source,
}: CreateVolumeRequest): VolumeSource | undefined {
  if (source?.snapshot) return { snapshot: source.snapshot.snapshot_id };
  if (source?.volume) return { volume: source.volume.volume_id };
  return undefined;
}

function snapshotMessage({ id, volumeId, sizeBytes, createdAt }: SnapshotRecord) {
  const milliseconds = Date.parse(createdAt);
  return {
    snapshot_id: id,
    source_volume_id: volumeId,
    size_bytes: sizeBytes,
    ready_to_use: true,
    creation_time: {
      seconds: Math.floor(milliseconds / 1000),
      nanos: (milliseconds % 1000) * 1e6,
    },
  };
}

async function isMounted(path: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  return mounts.split('\n').some((line) => line.split(' ')[4] === path);
}
