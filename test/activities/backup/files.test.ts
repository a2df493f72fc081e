// Proves, with real restic, object storage and files: volumes are copied whole, with a manifest that a restore agrees with; what
// changes during a copy is copied again or refused; an attempt that was cut off is adopted, and a cancelled one leaves nothing.
import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackupActivities } from '../../../src/activities/backup/index.ts';
import { digestOfTree } from '../../../src/activities/backup/record.ts';
import type { BackupActivities } from '../../../src/activities/contracts.ts';
import { openObjectStorage } from '../../../src/activities/object-storage/client.ts';
import { restoreFiles, sameFiles } from '../../../src/activities/recovery/restore.ts';
import { Secret } from '../../../src/activities/secrets/index.ts';
import type {
  ContentVolume,
  FilesPart,
  RecoveryPoint,
} from '../../../src/domain/recovery/point.ts';
import { labNamespace, startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
let backup: BackupActivities;
beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  lab.site.backup.exclude = [
    'wp-content/cache',
    'wp-content/upgrade',
    'wp-content/plugins/shop/tmp',
    'wp-content/plugins/shop/[a-z]*.log',
  ];
  backup = createBackupActivities(lab.deps);
  await lab.script(`restic_run init > /dev/null; say '{}'`);
});
afterAll(() => lab?.stop());

const shared: ContentVolume = {
  claim: 'wp-content',
  subPath: '',
  provides: ['wp-content/plugins', 'wp-content/themes', 'wp-content/upgrade'],
  storageClass: null,
  accessModes: ['ReadWriteMany'],
  size: '5Gi',
};
const old: ContentVolume = {
  claim: 'wordpress',
  subPath: 'www/wp-content/uploads',
  provides: ['wp-content/uploads'],
  storageClass: null,
  accessModes: ['ReadWriteMany'],
  size: '5Gi',
};

let count = 0;
const newId = () => `20261123T0300${String((count += 1)).padStart(2, '0')}Z-acme-backup`;
const inputOf = (id: string, volumes: ContentVolume[]) => ({
  ...{ site: lab.site, id, operationId: `acme/backup/${id}`, volumes },
  snapshots: volumes.map(({ claim }) => ({
    claim,
    kind: 'none' as const,
    name: null,
    takenAt: '',
  })),
});

async function fill(claim: string, files: Record<string, string>): Promise<string> {
  const root = await lab.node.claim(claim);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

const pointOf = (id: string, files: FilesPart): RecoveryPoint => ({
  ...{ schema: 1, id, site: 'acme', reason: 'manual', operationId: 'acme/backup/1' },
  ...{ takenAt: '2026-11-23T03:00:00Z', finishedAt: '2026-11-23T03:01:00Z', sentinel: null },
  ...{
    wordpress: null,
    files,
    database: null,
    app: null,
    cdn: null,
    objectStorage: null,
    missing: [],
  },
});

const snapshots = () =>
  lab.script<{ list: { id: string; hostname: string; tags: string[]; paths: string[] }[] }>(
    `restic_run snapshots --json > $work/list; say "$(jq -c '{list: [.[] | {id, hostname, tags, paths}]}' $work/list)"`,
  );
const locks = () =>
  lab.script<{ locks: number }>(
    `restic list locks --no-lock > $work/locks; say "{\\"locks\\":$(wc -l < $work/locks)}"`,
  );

describe('a copy of content volumes', () => {
  const plugins: Record<string, string> = {
    'shop/shop.php': '<?php // Shop',
    'shop/odd [name]* \\ ünï.php': 'odd',
    'hello.php': '<?php // Hello',
  };
  const id = newId();
  let files: FilesPart;

  beforeAll(async () => {
    const root = await fill('wp-content', {
      ...Object.fromEntries(
        Object.entries(plugins).map(([path, text]) => [`plugins/${path}`, text]),
      ),
      'plugins/shop/tmp/junk': 'excluded',
      'plugins/shop/[a-z]*.log': 'excluded, a file with characters of patterns in its name',
      'plugins/.presslift/kept/old.php': 'kept by a rollback',
      'themes/garden/style.css': 'body {}',
      'upgrade/half/update.php': 'excluded',
      'upgrade-temp-backup/x': 'not provided',
      '.presslift/manifest': 'not content',
    });
    await mkdir(join(root, 'plugins/empty'));
    await symlink('shop/shop.php', join(root, 'plugins/link'));
    await chmod(root, 0o2750);
    await chown(root, 33, 44);
    await fill('wordpress', {
      'www/wp-content/uploads/2026/a.jpg': 'image',
      'www/wp-content/uploads/.presslift-sentinel': `{"point":"${id}","nonce":"word","writtenAt":"now"}`,
      'www/wp-content/themes/old/style.css': 'of before phase 1',
    });
    files = await backup.backUpFiles(inputOf(id, [shared, old]));
  });

  it('is one snapshot under the site, the point and its kind', async () => {
    const { list } = await snapshots();
    expect(list.filter((one) => one.id === files.snapshotId)).toEqual([
      {
        id: files.snapshotId,
        hostname: 'presslift-acme',
        tags: ['presslift', 'site:acme', `point:${id}`, 'kind:files'],
        paths: expect.arrayContaining([
          '/presslift/point',
          '/presslift/volumes/wordpress',
          '/presslift/volumes/wp-content/plugins',
        ]) as string[],
      },
    ]);
  });

  it('holds all content and nothing else, as a restore of every volume proves', async () => {
    const targets = [shared, old].map(({ claim }) => ({ claim, into: { claim: `${claim}-back` } }));
    const result = await restoreFiles(lab.deps, lab.site, {
      ...{ name: 'restore-all', operationId: 'acme/test', point: pointOf(id, files), targets },
    });
    expect(result).toMatchObject({ manifestIntact: true, errors: [], files: 6, expected: 6 });
    expect(sameFiles(result)).toBe(true);
    const seen = await lab.script<{ root: string; paths: string[] }>(
      `say "$(cd /v && find . -mindepth 1 -printf '%P\\n' | sort | jq -Rnc --arg root "$(stat -c '%a %u:%g' .)" '{$root, paths: [inputs]}')"`,
      { volumes: [{ claim: 'wp-content-back', mountPath: '/v' }] },
    );
    expect(seen.root).toBe('2750 33:44');
    expect(seen.paths).toEqual(
      [
        ...['plugins', 'plugins/empty', 'plugins/hello.php', 'plugins/link', 'plugins/shop'],
        ...['plugins/shop/odd [name]* \\ ünï.php', 'plugins/shop/shop.php', 'plugins/shop/tmp'],
        ...['themes', 'themes/garden', 'themes/garden/style.css', 'upgrade'],
      ].sort(),
    );
  });

  it('counts files and bytes and names the sentinel', () => {
    expect(files).toMatchObject({ files: 6, sentinel: 'word', localSnapshots: [] });
    expect(files.manifestDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(files.repository).toMatch(/^s3:https:.*\/presslift\/acme\/restic$/);
  });

  it('digests plugins as the agent does, without what is excluded', () => {
    const hashes = Object.fromEntries(
      Object.entries({
        ...{ ...plugins, 'shop/tmp/junk': 'x' },
        ...{ 'shop/[a-z]*.log': 'x', '.presslift/kept/old.php': 'x' },
      }).map(([path, text]) => [path, createHash('sha256').update(text).digest('hex')]),
    );
    expect(files.trees?.['wp-content/plugins']).toEqual({
      files: 3,
      bytes: Object.values(plugins).reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      digest: digestOfTree(hashes, ['shop/tmp', 'shop/[a-z]*.log']),
    });
    expect(digestOfTree(hashes, [])).not.toBe(files.trees?.['wp-content/plugins']?.digest);
  });

  it('carries manifest and objects, and no login', async () => {
    const seen = await lab.script<{ lines: number; objects: { schema: number } }>(
      `restic_run dump ${files.snapshotId} /presslift/point/files.tsv > $work/m
       restic_run dump ${files.snapshotId} /presslift/point/objects.json > $work/o
       say "$(jq -c --argjson lines "$(wc -l < $work/m)" '{$lines, objects: .}' $work/o)"`,
    );
    expect(seen.lines).toBeGreaterThan(10);
    expect(seen.objects).toMatchObject({ schema: 1, claims: [] });
    expect(JSON.stringify(seen.objects)).not.toContain('session');
  });

  it('costs next to nothing when nothing has changed', async () => {
    const again = await backup.backUpFiles(inputOf(newId(), [shared, old]));
    expect(again.files).toBe(6);
    expect(again.bytesAdded).toBeLessThan(6_000);
  });
});

describe('a volume that changes while it is copied', () => {
  /** Writes, renames and removes files for as long as the work takes. */
  async function whileWritten<T>(folder: string, work: () => Promise<T>): Promise<T> {
    let writing = true;
    const writer = (async () => {
      for (let at = 0; writing; at += 1) {
        await writeFile(join(folder, `upload-${at % 50}`), String(at));
        if (at % 7 === 0) await rm(join(folder, `upload-${(at + 20) % 50}`), { force: true });
        await delay(20);
      }
    })();
    try {
      return await work();
    } finally {
      writing = false;
      await writer;
    }
  }

  it('is copied all the same when it never holds still, and what changed is named', async () => {
    const busy = { ...old, claim: 'busy', subPath: '' };
    const root = await fill('busy', { '2026/a.txt': 'a', '2026/b.txt': 'b' });
    const id = newId();
    const files = await whileWritten(root, () => backup.backUpFiles(inputOf(id, [busy])));
    expect(files.unsettled?.length).toBeGreaterThan(5);
    expect(files.unsettled?.every((path) => /^busy\/upload-\d+$/.test(path))).toBe(true);
    const targets = [{ claim: 'busy', into: { claim: 'busy-back' } }];
    const restore = (name: string, part: FilesPart) =>
      restoreFiles(lab.deps, lab.site, {
        ...{ name, operationId: 'acme/test', point: pointOf(id, part), targets },
      });
    const result = await restore('restore-busy', files);
    // Uploads that kept still during the last attempt belong to it like any other file.
    expect(result).toMatchObject({ manifestIntact: true, files: result.expected });
    expect(result.expected).toBeGreaterThanOrEqual(2);
    expect(sameFiles(result)).toBe(true);
    // What the document names is what differs.
    expect(sameFiles(await restore('restore-all-of-it', { ...files, unsettled: [] }))).toBe(false);
  });

  it('is refused when plugins never hold still, and nothing is left', async () => {
    const busy = { ...shared, claim: 'busy-plugins' };
    const root = await fill('busy-plugins', { 'plugins/shop/shop.php': 'a', 'themes/x': '' });
    const copying = whileWritten(join(root, 'plugins/shop'), () =>
      backup.backUpFiles(inputOf(newId(), [busy])),
    );
    await expect(copying).rejects.toMatchObject({
      type: 'BackupIncomplete',
      message: expect.stringMatching(
        /changed during each of 3 copies: busy-plugins\/plugins\/shop\/upload-/,
      ) as string,
    });
    expect(await jobs()).toEqual([]);
  });

  it('is copied again when it does in between, and the copy then is of one state', async () => {
    const calm = { ...old, claim: 'calm', subPath: '' };
    const root = await fill('calm', { 'a.txt': 'a' });
    const id = newId();
    let writing = true;
    const writer = (async () => {
      for (let at = 0; writing; at += 1) {
        await writeFile(join(root, 'counter'), String(at));
        await delay(20);
      }
    })();
    const before = await stored();
    const copying = backup.backUpFiles(inputOf(id, [calm]));
    await untilMore(before);
    writing = false;
    await writer;
    const files = await copying;
    const result = await restoreFiles(lab.deps, lab.site, {
      ...{ name: 'restore-calm', operationId: 'acme/test', point: pointOf(id, files) },
      targets: [{ claim: 'calm', into: { claim: 'calm-back' } }],
    });
    expect(sameFiles(result)).toBe(true);
    const { list } = await snapshots();
    expect(list.filter(({ tags }) => tags.includes(`point:${id}`)).length).toBeGreaterThan(1);
  });

  it('an empty volume is no backup', async () => {
    await lab.node.claim('hollow');
    const hollow = { ...old, claim: 'hollow', subPath: '' };
    await expect(backup.backUpFiles(inputOf(newId(), [hollow]))).rejects.toMatchObject({
      type: 'BackupIncomplete',
      message: expect.stringContaining('no files at all') as string,
    });
  });
});

describe('a copy that is cut off', () => {
  const large = { ...old, claim: 'large', subPath: '' };
  /** Their copy has to take a few seconds. */
  const films = 48;
  beforeAll(async () => {
    const root = await lab.node.claim('large');
    for (let at = 0; at < films; at += 1) {
      await writeFile(join(root, `film-${at}`), randomBytes(16 * 1024 * 1024));
    }
  });
  afterAll(async () => rm(await lab.node.claim('large'), { recursive: true, force: true }));

  it('tells how far it is', async () => {
    const environment = new MockActivityEnvironment();
    const seen: { progress?: { totalBytes: number | null; bytes: number | null } }[] = [];
    environment.on('heartbeat', (details) => seen.push(details as never));
    await environment.run(() => backup.backUpFiles(inputOf(newId(), [large])));
    const told = seen.flatMap(({ progress }) => progress ?? []);
    expect(told.length).toBeGreaterThan(0);
    expect(told.at(-1)?.totalBytes).toBeGreaterThan(1_000_000);
  });

  it('leaves no Job, no Secret and no lock when it is cancelled', async () => {
    const before = (await snapshots()).list.length;
    const environment = new MockActivityEnvironment();
    const id = newId();
    await rewrite('film-0');
    const copying = environment.run(() => backup.backUpFiles(inputOf(id, [large])));
    copying.catch(() => undefined);
    await untilRuns(id);
    await delay(700);
    environment.cancel('CANCELLED', cancelRequested);
    await expect(copying).rejects.toThrow();
    expect(await jobs()).toEqual([]);
    expect(await locks()).toEqual({ locks: 0 });
    expect((await snapshots()).list.length).toBe(before);
  });

  it('is adopted by the next attempt when the worker stops', async () => {
    const id = newId();
    const environment = new MockActivityEnvironment();
    await rewrite('film-1');
    const first = environment.run(() => backup.backUpFiles(inputOf(id, [large])));
    first.catch(() => undefined);
    await untilRuns(id);
    environment.cancel('WORKER_SHUTDOWN', { ...cancelRequested, cancelRequested: false });
    await expect(first).rejects.toThrow();
    expect(await jobs()).toHaveLength(1);
    const files = await backup.backUpFiles(inputOf(id, [large]));
    expect(files.files).toBe(films);
    const own = (await snapshots()).list.filter(({ tags }) => tags.includes(`point:${id}`));
    expect(own.map((one) => one.id)).toEqual([files.snapshotId]);
    expect(await jobs()).toEqual([]);
  });

  /** So that there is something to upload. */
  async function rewrite(name: string): Promise<void> {
    const root = await lab.node.claim('large');
    for (let at = 0; at < 8; at += 1) {
      await writeFile(
        join(root, at === 0 ? name : `film-${at + 8}`),
        randomBytes(16 * 1024 * 1024),
      );
    }
  }
});

async function jobs(): Promise<string[]> {
  const { batch, core } = lab.plane.admin;
  const made = await batch.listNamespacedJob({ namespace: labNamespace });
  const secrets = await core.listNamespacedSecret({ namespace: labNamespace });
  const names = new Set(
    [...made.items, ...secrets.items].map(({ metadata }) => metadata?.name ?? ''),
  );
  return [...names].filter((name) => name.startsWith('presslift-backup-'));
}

async function untilRuns(id: string): Promise<void> {
  const environmentOf = (pod: {
    spec?: { containers: { env?: { name: string; value?: string }[] }[] };
  }) => pod.spec?.containers[0]?.env?.find(({ name }) => name === 'POINT')?.value;
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const { items } = await lab.plane.admin.core.listNamespacedPod({ namespace: labNamespace });
    if (items.some((pod) => environmentOf(pod) === id && pod.status?.phase === 'Running')) return;
    await delay(50);
  }
  throw new Error(`No pod copies ${id}`);
}

/** Waits for one more snapshot in the repository than there were. */
async function untilMore(before: number): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if ((await stored()) > before) return;
    await delay(20);
  }
  throw new Error('No further snapshot');
}

/** How many snapshots the bucket holds. */
async function stored(): Promise<number> {
  const { objects } = lab.site.storage;
  const keys = {
    accessKeyId: lab.storage.root.accessKeyId,
    secretAccessKey: new Secret(lab.storage.root.secretAccessKey),
  };
  const storage = openObjectStorage({ objects, keys, ca: lab.storage.ca });
  try {
    const list = await storage.client.send(
      new ListObjectsV2Command({
        Bucket: objects.bucket,
        Prefix: 'presslift/acme/restic/snapshots/',
      }),
    );
    return (list.Contents ?? []).length;
  } finally {
    storage.close();
  }
}

const cancelRequested = {
  notFound: false,
  cancelRequested: true,
  paused: false,
  timedOut: false,
  workerShutdown: false,
  reset: false,
};
