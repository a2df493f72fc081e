// Proves, on a real bucket and with real restic, what `presslift recovery-points` gets: lists that tell what cannot be trusted,
// pins, and a verification that reads every byte.
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStorage } from '../../../src/activities/object-storage/client.ts';
import { openCatalogue, type Catalogue } from '../../../src/activities/recovery/catalogue.ts';
import { createCatalogueActivities } from '../../../src/activities/recovery/catalogue-activities.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import { backupLab } from '../../support/backup-lab.ts';
import {
  first,
  keyOf,
  openLabCatalogue,
  putObject,
  second,
  third,
} from '../../support/catalogue-lab.ts';
import { pointOf, startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
let storage: ObjectStorage;
let catalogue: Catalogue;
let Bucket = '';
let site: Site;

beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
});
afterAll(() => lab?.stop());

beforeEach(async () => {
  const opened = await openLabCatalogue(lab);
  ({ Bucket, site, storage, catalogue } = opened);
  return opened.close;
});

const put = (key: string, text: string) => putObject(storage, Bucket, key, text);

describe('the activities', () => {
  const operationId = 'acme/recovery-points/verify';

  it('list points newest first, and tell which cannot be trusted', async () => {
    const activities = createCatalogueActivities(lab.deps);
    expect(await activities.listRecoveryPoints({ site })).toEqual([]);
    await catalogue.write(pointOf(first));
    await catalogue.write(pointOf(third));
    await put(keyOf(second), 'x');
    const list = await activities.listRecoveryPoints({ site });
    expect(list.map(({ id, error }) => [id, error === null])).toEqual([
      [third, true],
      [second, false],
      [first, true],
    ]);
    expect(list[1]?.takenAt).toBe('2026-11-22T03:00:00Z');
  });

  it('pin a point once, show it, and take the pin away', async () => {
    const activities = createCatalogueActivities(lab.deps);
    await catalogue.write(pointOf(first));
    const pinned = { by: 'alice', reason: 'before the sale' };
    const once = await activities.pinRecoveryPoint({ site, point: first, pinned });
    expect(await activities.pinRecoveryPoint({ site, point: first, pinned })).toEqual(once);
    const shown = await activities.showRecoveryPoint({ site, point: first });
    expect(shown).toMatchObject({ point: { id: first }, state: once, drills: [] });
    expect(
      (await activities.pinRecoveryPoint({ site, point: first, pinned: null })).pinned,
    ).toBeNull();
  });

  it('find a document that somebody changed unsound, and measure nothing further of it', async () => {
    const activities = createCatalogueActivities(lab.deps);
    await catalogue.write(pointOf(first));
    await put(keyOf(first), '{"schema":1}');
    const criteria = await activities.verifyRecoveryPoint({ site, id: first, operationId });
    expect(criteria.map(({ id, measured, pass }) => [id, measured, pass])).toEqual([
      ['document-signed', false, false],
      ['files-readable', null, false],
      ['files-manifest', null, false],
      ['database-readable', null, false],
      ['database-size', null, false],
    ]);
    expect(criteria[0]?.evidence).toContain('it is no document of this kind');
  });

  it('read every byte of a point, and tell which part cannot be read', async () => {
    const activities = createCatalogueActivities(lab.deps);
    const made = await lab.script<{ files: string; database: string; digest: string }>(
      `restic_run init > /dev/null
       mkdir -p /presslift/point /presslift/volumes/content
       echo content > /presslift/volumes/content/file
       file_manifest_begin; file_manifest_add /presslift/volumes/content content/; file_manifest_end /presslift/point/files.tsv
       id() { jq -r 'select(.message_type == "summary") | .snapshot_id' $work/out; }
       restic_run backup --json /presslift/volumes /presslift/point > $work/out; files=$(id)
       restic_run backup --json --stdin-from-command --stdin-filename database.sql -- echo dump > $work/out
       say "$(jq -cn --arg files $files --arg database $(id) --arg digest "$(manifest_digest /presslift/point/files.tsv)" '{$files, $database, $digest}')"`,
    );
    const parts = (
      changes: { digest?: string; database?: string } = {},
    ): Partial<RecoveryPoint> => ({
      files: {
        repository: 's3:',
        snapshotId: made.files,
        volumes: [],
        localSnapshots: [],
        files: 1,
        bytes: 8,
        manifestDigest: changes.digest ?? made.digest,
        bytesAdded: 0,
      },
      database: {
        repository: 's3:',
        snapshotId: changes.database ?? made.database,
        bytes: 5,
        manifest: {
          schema: 'wordpress',
          charset: '',
          collation: '',
          tables: [],
          triggers: {},
          routines: {},
          events: {},
          views: {},
        },
        server: { version: '', host: '' },
        gtid: null,
        managedBackups: [],
      },
    });
    const bucket = await openCatalogue(lab.deps, lab.site);
    await bucket.write(pointOf(first, parts()));
    await bucket.write(
      pointOf(second, parts({ digest: `sha256:${'0'.repeat(64)}`, database: '0'.repeat(64) })),
    );
    await bucket.write(pointOf(third));
    bucket.close();
    const failing = async (id: string) =>
      (await activities.verifyRecoveryPoint({ site: lab.site, id, operationId }))
        .filter(({ pass }) => !pass)
        .map((criterion) => criterion.id);
    expect(await failing(first)).toEqual([]);
    expect(await failing(second)).toEqual(['files-manifest', 'database-readable', 'database-size']);
    expect(await failing(third)).toEqual([
      'files-readable',
      'files-manifest',
      'database-readable',
      'database-size',
    ]);
    const listed = await activities.listRecoveryPoints({ site: lab.site });
    const bad = new Map(listed.map(({ id, state }) => [id, state.bad]));
    expect(bad.get(first)).toBeNull();
    expect(bad.get(second)).toMatchObject({
      by: operationId,
      findings: ['files-manifest', 'database-readable', 'database-size'],
    });
    // It never held files or a database; nothing of it is damaged.
    expect(bad.get(third)).toBeNull();
  });

  it('leave no lock when they are cancelled while they read a dump', async () => {
    const id = '20261124T030000Z-acme-backup';
    const activities = createCatalogueActivities(lab.deps);
    const { snapshot } = await lab.script<{ snapshot: string }>(
      `restic cat config > /dev/null 2>&1 || restic_run init > /dev/null
       restic_run backup --json --stdin-from-command --stdin-filename database.sql -- head -c 600000000 /dev/urandom > $work/out
       say "$(jq -c 'select(.message_type == "summary") | {snapshot: .snapshot_id}' $work/out)"`,
      { timeoutMs: 200_000 },
    );
    const bucket = await openCatalogue(lab.deps, lab.site);
    await bucket.write(
      pointOf(id, {
        database: {
          ...{ repository: 's3:', snapshotId: snapshot, bytes: 600_000_000 },
          ...{ gtid: null, managedBackups: [], server: { version: '', host: '' } },
          manifest: {
            ...{ schema: 'wordpress', charset: '', collation: '', tables: [] },
            ...{ triggers: {}, routines: {}, events: {}, views: {} },
          },
        },
      }),
    );
    bucket.close();
    const tools = backupLab(lab);
    const environment = new MockActivityEnvironment();
    const verifying = environment.run(() =>
      activities.verifyRecoveryPoint({ site: lab.site, id, operationId }),
    );
    verifying.catch(() => undefined);
    await tools.untilLocks(1);
    environment.cancel('CANCELLED', {
      ...{ notFound: false, cancelRequested: true, paused: false, timedOut: false },
      ...{ workerShutdown: false, reset: false },
    });
    await expect(verifying).rejects.toThrow('CANCELLED');
    expect(await tools.lockCount()).toBe(0);
  });
});
