/** The volume driver's services on a real folder; mounting is shown by the sandbox itself. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CreateVolumeRequest } from '../../../deploy/sandbox/csi/messages.ts';
import { controllerService } from '../../../deploy/sandbox/csi/services.ts';
import type { VolumeStore } from '../../../deploy/sandbox/csi/store.ts';
import { createVolumeStore } from '../../../deploy/sandbox/csi/store.ts';

let folder: string;
let store: VolumeStore;
let controller: ReturnType<typeof controllerService>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csi-'));
  store = createVolumeStore(folder);
  controller = controllerService(store);
});

afterEach(() => rm(folder, { recursive: true }));

function request(name: string, mode: string, accessModes: string): CreateVolumeRequest {
  return {
    name,
    capacity_range: { required_bytes: String(5 * 1024 ** 3), limit_bytes: '0' },
    volume_capabilities: [{ access_mode: { mode }, access_type: 'mount' }],
    parameters: { accessModes },
  };
}

describe('the volume driver', () => {
  it('records the capacity that was asked for', async () => {
    const { volume } = await controller.CreateVolume(
      request('pvc-1', 'MULTI_NODE_MULTI_WRITER', 'shared'),
    );
    expect(volume).toMatchObject({ volume_id: 'pvc-1', capacity_bytes: 5 * 1024 ** 3 });
    expect((await store.volume('pvc-1')).capacityBytes).toBe(5 * 1024 ** 3);
  });

  it.each(['MULTI_NODE_MULTI_WRITER', 'MULTI_NODE_READER_ONLY'])(
    'refuses %s to a class for one node',
    async (mode) => {
      const refused = controller.CreateVolume(request('pvc-1', mode, 'single'));
      await expect(refused).rejects.toMatchObject({ kind: 'invalid' });
      await expect(store.volume('pvc-1')).rejects.toMatchObject({ kind: 'missing' });
    },
  );

  it('refuses a parameter that it does not know', async () => {
    const refused = controller.CreateVolume(request('pvc-1', 'SINGLE_NODE_WRITER', 'many'));
    await expect(refused).rejects.toThrow('single or shared, not many');
  });

  it('gives the same volume for the same request, and refuses another one under its name', async () => {
    const wanted = request('pvc-1', 'SINGLE_NODE_WRITER', 'single');
    await controller.CreateVolume(wanted);
    await writeFile(join(store.volumePath('pvc-1'), 'file'), 'kept');
    await controller.CreateVolume(wanted);
    expect(await readFile(join(store.volumePath('pvc-1'), 'file'), 'utf8')).toBe('kept');
    const larger = { ...wanted, capacity_range: { required_bytes: '9', limit_bytes: '0' } };
    await expect(controller.CreateVolume(larger)).rejects.toMatchObject({ kind: 'exists' });
  });

  it('takes snapshots that later writes do not change, and restores them', async () => {
    await controller.CreateVolume(request('pvc-1', 'SINGLE_NODE_WRITER', 'single'));
    const file = join(store.volumePath('pvc-1'), 'file');
    await writeFile(file, 'before');
    const { snapshot } = await controller.CreateSnapshot({
      name: 'snap-1',
      source_volume_id: 'pvc-1',
    });
    expect(snapshot).toMatchObject({ ready_to_use: true, size_bytes: 5 * 1024 ** 3 });
    await writeFile(file, 'after');
    await controller.CreateVolume({
      ...request('pvc-2', 'SINGLE_NODE_WRITER', 'single'),
      volume_content_source: { snapshot: { snapshot_id: 'snap-1' } },
    });
    expect(await readFile(join(store.volumePath('pvc-2'), 'file'), 'utf8')).toBe('before');
    // A retry of the request keeps the snapshot as it was.
    await controller.CreateSnapshot({ name: 'snap-1', source_volume_id: 'pvc-1' });
    await controller.DeleteVolume({ volume_id: 'pvc-1' });
    expect(await readFile(join(folder, 'snapshots', 'snap-1', 'file'), 'utf8')).toBe('before');
  });

  it('refuses to restore into a smaller volume', async () => {
    await controller.CreateVolume(request('pvc-1', 'SINGLE_NODE_WRITER', 'single'));
    await controller.CreateSnapshot({ name: 'snap-1', source_volume_id: 'pvc-1' });
    const small = controller.CreateVolume({
      ...request('pvc-2', 'SINGLE_NODE_WRITER', 'single'),
      capacity_range: { required_bytes: '1024', limit_bytes: '0' },
      volume_content_source: { snapshot: { snapshot_id: 'snap-1' } },
    });
    await expect(small).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('makes a volume anew that was left half made', async () => {
    const half = createVolumeStore(folder);
    await half.createVolume({ id: 'pvc-1', capacityBytes: 1, accessModes: 'single' });
    await writeFile(join(half.volumePath('pvc-1'), 'rest'), 'of a copy');
    await rm(`${half.volumePath('pvc-1')}.json`);
    await store.createVolume({ id: 'pvc-1', capacityBytes: 1, accessModes: 'single' });
    await expect(readFile(join(store.volumePath('pvc-1'), 'rest'))).rejects.toThrow('ENOENT');
  });

  it('removes what is gone already, and nothing outside its folder', async () => {
    expect(await controller.DeleteVolume({ volume_id: 'pvc-never' })).toEqual({});
    const outside = controller.DeleteVolume({ volume_id: '../volumes' });
    await expect(outside).rejects.toMatchObject({ kind: 'invalid' });
  });
});
