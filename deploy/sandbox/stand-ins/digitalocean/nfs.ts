/**
 * Network File Storage: a share is a folder of this machine, a snapshot a real copy of it in the share's hidden folder
 * `.snapshot/<name>`, where a client of the real service finds it too.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../command.ts';
import type { JsonFile } from '../json-file.ts';
import { ApiError, notFound } from './api-error.ts';
import type { HandlerRequest, Handlers } from './server.ts';

interface StoredShare {
  id: string;
  name: string;
  region: string;
  sizeGib: number;
  vpcIds: string[];
  tier: string;
  /** ISO 8601. */
  createdAt: string;
  folder: string;
  /** Whether the folder is the stand-in's own, so that it goes with the share. */
  ours: boolean;
}

interface StoredSnapshot {
  id: string;
  name: string;
  shareId: string;
  region: string;
  sizeGib: number;
  status: 'CREATING' | 'ACTIVE' | 'FAILED';
  createdAt: string;
}

export interface NfsState {
  shares: StoredShare[];
  snapshots: StoredSnapshot[];
}

/** Where a client of the real service sees a share's snapshots. */
export const snapshotsFolder = '.snapshot';

const smallestGib = 50;

interface ActionBody {
  type: string;
  params?: {
    name?: string;
    size_gib?: number;
    vpc_id?: string;
    old_vpc_id?: string;
    new_vpc_id?: string;
    performance_tier?: string;
  };
}

export interface Nfs {
  handlers: Handlers;
  /** Makes a share of a folder that is there already. */
  addShare: (share: { name: string; region: string; folder: string }) => Promise<object>;
  /** Ends what an earlier process left: a copy that broke off has no instant any more, and so has failed. */
  resume(): Promise<void>;
  /** Resolves when no copy is under way. */
  settled(): Promise<void>;
}

/** The NFS operations. @param home folder of shares that the API makes */
export function createNfs(file: JsonFile<NfsState>, home: string, now: () => Date): Nfs {
  const copies = new Set<Promise<void>>();

  async function shareOf({ path, query }: HandlerRequest): Promise<StoredShare> {
    const share = (await file.read()).shares.find(({ id }) => id === path['nfs_id']);
    if (!share || !inRegion(share, query)) throw notFound();
    return share;
  }

  async function snapshotOf({ path, query }: HandlerRequest): Promise<StoredSnapshot> {
    const { snapshots } = await file.read();
    const snapshot = snapshots.find(({ id }) => id === path['nfs_snapshot_id']);
    if (!snapshot || !inRegion(snapshot, query)) throw notFound();
    return snapshot;
  }

  async function keep(share: Omit<StoredShare, 'id' | 'createdAt'>): Promise<StoredShare> {
    const kept = { ...share, id: randomUUID(), createdAt: now().toISOString() };
    await file.update((state) => void state.shares.push(kept));
    return kept;
  }

  async function changeShare(id: string, change: (share: StoredShare) => void): Promise<void> {
    await file.update((state) => change(state.shares.find((each) => each.id === id)!));
  }

  async function settled(): Promise<void> {
    while (copies.size > 0) await Promise.all(copies);
  }

  async function setStatus(id: string, status: StoredSnapshot['status']): Promise<void> {
    await file.update((state) => {
      const snapshot = state.snapshots.find((each) => each.id === id);
      if (snapshot) snapshot.status = status;
    });
  }

  async function takeSnapshot(share: StoredShare, name: string): Promise<void> {
    const { id: shareId, region, sizeGib } = share;
    const snapshot: StoredSnapshot = {
      ...{ id: randomUUID(), name, shareId, region, sizeGib },
      ...{ status: 'CREATING', createdAt: now().toISOString() },
    };
    await file.update((state) => {
      const taken = state.snapshots.some((each) => each.shareId === shareId && each.name === name);
      // Two could not both be `.snapshot/<name>`.
      if (taken) throw new ApiError(409, 'conflict', 'a snapshot with that name exists already.');
      state.snapshots.push(snapshot);
    });
    const copy = copyShare(share.folder, name)
      .then(() => setStatus(snapshot.id, 'ACTIVE'))
      .catch(() => setStatus(snapshot.id, 'FAILED'))
      .finally(() => copies.delete(copy));
    copies.add(copy);
  }

  const handlers: Handlers = {
    nfs_list: async ({ query }) => {
      const shares = (await file.read()).shares.filter((share) => inRegion(share, query));
      return { status: 200, body: { shares: shares.map(shownShare) } };
    },
    nfs_create: async ({ body }) => {
      const wanted = body as { name: string; size_gib: number; region: string } & {
        vpc_ids: string[];
        performance_tier?: string;
      };
      if (wanted.size_gib < smallestGib) {
        const message = `The value for 'size_gib' must be greater than or equal to ${smallestGib}Gib.`;
        throw new ApiError(400, 'bad_request', message);
      }
      const folder = join(home, randomUUID());
      await mkdir(folder, { recursive: true });
      const share = await keep({
        ...{ name: wanted.name, region: wanted.region, sizeGib: wanted.size_gib },
        ...{ vpcIds: wanted.vpc_ids, tier: wanted.performance_tier ?? 'standard' },
        ...{ folder, ours: true },
      });
      return { status: 201, body: { share: shownShare(share) } };
    },
    nfs_get: async (request) => ({
      status: 200,
      body: { share: shownShare(await shareOf(request)) },
    }),
    nfs_delete: async (request) => {
      const share = await shareOf(request);
      await file.update((state) => {
        state.shares = state.shares.filter(({ id }) => id !== share.id);
        state.snapshots = state.snapshots.filter(({ shareId }) => shareId !== share.id);
      });
      await settled();
      const own = share.ours ? share.folder : join(share.folder, snapshotsFolder);
      await rm(own, { recursive: true, force: true });
      return { status: 204 };
    },
    nfs_create_action: async (request) => {
      const share = await shareOf(request);
      const { type, params = {} } = request.body as ActionBody;
      await act(share, type, params);
      return {
        status: 201,
        body: {
          action: {
            ...{ id: randomUUID(), region_slug: share.region, resource_id: share.id },
            ...{ resource_type: 'SHARE', type: `${type.toUpperCase()}_SHARE` },
            ...{ status: 'IN_PROGRESS', started_at: now().toISOString() },
          },
        },
      };
    },
    nfs_list_snapshot: async ({ query }) => {
      const snapshots = (await file.read()).snapshots
        .filter((snapshot) => inRegion(snapshot, query))
        .filter(({ shareId }) => query['share_id'] === undefined || query['share_id'] === shareId);
      return { status: 200, body: { snapshots: snapshots.map(shownSnapshot) } };
    },
    nfs_get_snapshot: async (request) => ({
      status: 200,
      body: { snapshot: shownSnapshot(await snapshotOf(request)) },
    }),
    nfs_delete_snapshot: async (request) => {
      const { id, shareId, name } = await snapshotOf(request);
      const share = (await file.read()).shares.find((each) => each.id === shareId);
      await settled();
      await file.update((state) => {
        state.snapshots = state.snapshots.filter((each) => each.id !== id);
      });
      if (share) {
        const folder = join(share.folder, snapshotsFolder, name);
        await rm(folder, { recursive: true, force: true });
      }
      return { status: 204 };
    },
  };

  async function act(
    share: StoredShare,
    type: string,
    params: NonNullable<ActionBody['params']>,
  ): Promise<void> {
    const { name, size_gib: size, vpc_id: vpc, performance_tier: tier } = params;
    const missing = () => new ApiError(422, 'unprocessable_entity', `${type} lacks a parameter.`);
    if (type === 'snapshot') {
      if (!name || !/^[\w][\w.-]{0,127}$/.test(name)) throw missing();
      return takeSnapshot(share, name);
    }
    if (type === 'resize') {
      if (size === undefined || size < share.sizeGib) throw missing();
      return changeShare(share.id, (each) => void (each.sizeGib = size));
    }
    if (type === 'switch_performance_tier') {
      if (!tier) throw missing();
      return changeShare(share.id, (each) => void (each.tier = tier));
    }
    const leaves = type === 'reassign' ? params.old_vpc_id : vpc;
    const joins = type === 'reassign' ? params.new_vpc_id : vpc;
    if (!leaves || !joins) throw missing();
    return changeShare(share.id, (each) => {
      each.vpcIds = each.vpcIds.filter((id) => id !== leaves);
      if (type !== 'detach') each.vpcIds.push(joins);
    });
  }

  return {
    handlers,
    async addShare({ name, region, folder }) {
      const rest = { sizeGib: smallestGib, vpcIds: ['default'], tier: 'standard', ours: false };
      return shownShare(await keep({ name, region, folder, ...rest }));
    },
    async resume() {
      await file.update((state) => {
        for (const snapshot of state.snapshots) {
          if (snapshot.status === 'CREATING') snapshot.status = 'FAILED';
        }
      });
    },
    settled,
  };
}

/** A copy of everything but the snapshots, under its name only when it is complete. */
async function copyShare(folder: string, name: string): Promise<void> {
  const snapshots = join(folder, snapshotsFolder);
  const draft = join(snapshots, `.unfinished-${name}`);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  try {
    const entries = (await readdir(folder)).filter((entry) => entry !== snapshotsFolder);
    const sources = entries.map((entry) => join(folder, entry));
    if (sources.length > 0) {
      await runCommand('cp', [
        '-a',
        '--reflink=auto',
        '--target-directory',
        draft,
        '--',
        ...sources,
      ]);
    }
    await rename(draft, join(snapshots, name));
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

function inRegion({ region }: { region: string }, query: HandlerRequest['query']): boolean {
  return query['region'] === undefined || query['region'] === region;
}

function shownShare(share: StoredShare) {
  return {
    ...{ id: share.id, name: share.name, size_gib: share.sizeGib, region: share.region },
    status: share.vpcIds.length > 0 ? 'ACTIVE' : 'INACTIVE',
    ...{ created_at: share.createdAt, vpc_ids: share.vpcIds, performance_tier: share.tier },
    ...{ mount_path: `/presslift/${share.id}`, host: '10.85.0.1' },
  };
}

function shownSnapshot(snapshot: StoredSnapshot) {
  const { id, name, region, status } = snapshot;
  return {
    ...{ id, name, region, status, size_gib: snapshot.sizeGib },
    ...{ created_at: snapshot.createdAt, share_id: snapshot.shareId },
  };
}
