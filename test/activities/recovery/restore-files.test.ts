// Proves, with real restic and object storage and files with owners and modes: what was copied comes back as it was, and every
// way in which it does not is told. The copies are made by the shortest scripts that follow the layout of a recovery point; the
// real ones are proved in test/activities/backup.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  restoreFiles,
  sameFiles,
  type RestoreTarget,
} from '../../../src/activities/recovery/restore.ts';
import type { FilesComparison } from '../../../src/domain/recovery/files-comparison.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import {
  openLabStorage,
  pointOf,
  startRecoveryLab,
  type RecoveryLab,
} from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  await lab.script(`restic_run init > /dev/null; say '{}'`);
});
afterAll(() => lab?.stop());

let count = 0;
const jobName = () => `restore-${(count += 1)}`;
const emptyPoint = pointOf('20261123T030000Z-acme-backup');

describe('files', () => {
  const oddName = 'tab\there, new\nline, back\\slash, "quotes", [brackets] *ünï🌱';
  let point: RecoveryPoint;
  let source: string;

  const plugins = {
    'akismet/akismet.php': '<?php // Akismet',
    'akismet/views/notice.php': '<?php // notice',
    'hello.php': '<?php // Hello',
    [oddName]: 'odd',
    empty: '',
  };

  beforeAll(async () => {
    source = await lab.node.claim('content');
    for (const [path, content] of Object.entries(plugins)) {
      const file = join(source, 'plugins', path);
      await mkdir(join(file, '..'), { recursive: true });
      await writeFile(file, content);
      await chown(file, 33, 33);
    }
    await mkdir(join(source, 'themes/empty-theme'), { recursive: true });
    await mkdir(join(source, 'plugin'), { recursive: true });
    await writeFile(join(source, 'plugin/not-in-plugins'), 'x');
    await chmod(join(source, 'plugins/hello.php'), 0o4640);
    await chmod(join(source, 'themes/empty-theme'), 0o2775);
    await chown(join(source, 'themes/empty-theme'), 33, 44);
    await symlink('../hello.php', join(source, 'plugins/akismet/link'));
    await symlink('nowhere', join(source, 'plugins/dangling'));
    await chmod(source, 0o751);
    await chown(source, 33, 33);
    point = await copied('content');
  });

  async function copied(claim: string): Promise<RecoveryPoint> {
    const made = await lab.script<{ snapshotId: string; digest: string; files: number }>(
      `mkdir -p /presslift/point; m=/presslift/point/files.tsv
       file_manifest_begin; file_manifest_add /presslift/volumes/${claim} ${claim}/; file_manifest_end $m
       restic_run backup --json --tag kind:files /presslift/volumes/${claim} /presslift/point > $work/out
       say "$(jq -cn --arg snapshotId "$(jq -r 'select(.message_type == "summary") | .snapshot_id' $work/out)" \\
         --arg digest "$(manifest_digest $m)" --argjson files "$(manifest_files $m)" '{$snapshotId, $digest, $files}')"`,
      { volumes: [{ claim, mountPath: `/presslift/volumes/${claim}`, readOnly: true }] },
    );
    return {
      ...emptyPoint,
      files: {
        repository: 's3:',
        snapshotId: made.snapshotId,
        volumes: [
          { claim, subPath: '', provides: [''], storageClass: null, accessModes: [], size: '' },
        ],
        localSnapshots: [],
        files: made.files,
        bytes: 0,
        manifestDigest: made.digest,
        roots: { [claim]: { mode: '751', owner: '33:33' } },
        bytesAdded: 0,
      },
    };
  }

  const restore = (
    into: RestoreTarget['into'],
    options: { include?: string[]; point?: RecoveryPoint } = {},
  ): Promise<FilesComparison> =>
    restoreFiles(lab.deps, lab.site, {
      name: jobName(),
      operationId: 'acme/test',
      point: options.point ?? point,
      targets: [{ claim: 'content', into, include: options.include }],
    });

  it('come back with content, owners, modes, links, empty folders and odd names', async () => {
    const result = await restore({ claim: 'whole' });
    expect(result).toEqual({
      files: 6,
      bytes: expect.any(Number) as number,
      expected: 6,
      missing: [],
      changed: [],
      extra: [],
      permissions: [],
      counts: { missing: 0, changed: 0, extra: 0, permissions: 0 },
      manifestIntact: true,
      errors: [],
    });
    const target = await lab.node.claim('whole');
    expect(await listing(target)).toEqual(await listing(source));
    const [before, after] = [await stat(source), await stat(target)];
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    expect(await readFile(join(target, 'plugins', oddName), 'utf8')).toBe('odd');
  });

  it('come back in part, beside what is there', async () => {
    const target = await lab.node.claim('part');
    await mkdir(join(target, 'live'));
    await writeFile(join(target, 'live/keep'), 'kept');
    const result = await restore(
      { claim: 'part', folder: 'staged/here' },
      { include: ['plugins'] },
    );
    expect(result).toMatchObject({ files: 5, expected: 5, counts: { missing: 0, extra: 0 } });
    expect(sameFiles(result)).toBe(true);
    expect(await readdir(join(target, 'staged/here'))).toEqual(['plugins']);
    expect(await readFile(join(target, 'live/keep'), 'utf8')).toBe('kept');
  });

  it('are completed by a second attempt over half of a first one', async () => {
    await restore({ claim: 'again' });
    const target = await lab.node.claim('again');
    await rm(join(target, 'plugins/akismet'), { recursive: true });
    await writeFile(join(target, 'plugins/hello.php'), 'half');
    await chmod(join(target, 'plugins/empty'), 0o600);
    expect(sameFiles(await restore({ claim: 'again' }))).toBe(true);
  });

  it('that are there too much are told', async () => {
    const target = await lab.node.claim('extra');
    await writeFile(join(target, 'malware.php'), 'x');
    await mkdir(join(target, 'lost+found'));
    const result = await restore({ claim: 'extra' });
    expect(result).toMatchObject({ extra: ['content/malware.php'], counts: { extra: 1 } });
    expect(sameFiles(result)).toBe(false);
  });

  /** A snapshot whose files differ from its manifest: the copy of a damaged tree with the manifest of the whole one. */
  async function damaged(damage: string): Promise<RecoveryPoint> {
    const made = await lab.script<{ snapshotId: string }>(
      `restic_run restore ${point.files?.snapshotId ?? ''} --target / > /dev/null
       cd /presslift/volumes/content
       ${damage}
       restic_run backup --json --tag kind:files /presslift/volumes/content /presslift/point > $work/out
       say "$(jq -c 'select(.message_type == "summary") | {snapshotId: .snapshot_id}' $work/out)"`,
    );
    if (point.files === null) throw new Error('no files');
    return { ...point, files: { ...point.files, snapshotId: made.snapshotId } };
  }

  const damages: [string, string, Partial<FilesComparison>][] = [
    ['a lost file', 'rm plugins/hello.php', { missing: ['content/plugins/hello.php'] }],
    [
      'a lost empty folder',
      'rmdir themes/empty-theme',
      { missing: ['content/themes/empty-theme'] },
    ],
    [
      'a changed file',
      'echo "<?php // hello" > plugins/hello.php; chmod 4640 plugins/hello.php; chown 33:33 plugins/hello.php',
      { changed: ['content/plugins/hello.php'] },
    ],
    [
      'a link that points elsewhere',
      'ln -sfn ../other plugins/akismet/link',
      { changed: ['content/plugins/akismet/link'] },
    ],
    [
      'a mode',
      'chmod 644 plugins/hello.php',
      { permissions: ['content/plugins/hello.php (644 33:33 instead of 4640 33:33)'] },
    ],
    [
      'an owner',
      'chown 0:0 plugins/empty; chmod 644 plugins/empty',
      { permissions: ['content/plugins/empty (644 0:0 instead of 644 33:33)'] },
    ],
    [
      'a file become a folder',
      'rm plugins/empty; mkdir plugins/empty; chmod 644 plugins/empty; chown 33:33 plugins/empty',
      { changed: ['content/plugins/empty'] },
    ],
  ];
  it.each(damages)('tell %s', async (what, damage, expected) => {
    const claim = `damage-${what.replaceAll(' ', '-')}`;
    const result = await restore({ claim }, { point: await damaged(damage) });
    expect(result).toMatchObject({
      missing: [],
      changed: [],
      extra: [],
      permissions: [],
      ...expected,
    });
    expect(result.manifestIntact).toBe(true);
    expect(sameFiles(result)).toBe(false);
  });

  it('of an empty volume are all missing', async () => {
    const result = await restore({ claim: 'empty' }, { point: await damaged('rm -r ./*') });
    expect(result).toMatchObject({ files: 0, expected: 6 });
    expect(result.counts.missing).toBe(14);
  });

  it('with a manifest that is not the one of the catalogue are not trusted', async () => {
    const other = await damaged(
      `sed -i '/hello.php$/d' /presslift/point/files.tsv; rm plugins/hello.php`,
    );
    const result = await restore({ claim: 'manifest' }, { point: other });
    expect(result).toMatchObject({ manifestIntact: false, counts: { missing: 0 } });
    expect(sameFiles(result)).toBe(false);
  });

  it('of a snapshot that is gone are NotFound', async () => {
    if (point.files === null) throw new Error('no files');
    const gone = { ...point, files: { ...point.files, snapshotId: 'f'.repeat(64) } };
    await expect(restore({ claim: 'gone' }, { point: gone })).rejects.toMatchObject({
      type: 'NotFound',
    });
  });

  it('do not fit on a volume that is full: NoSpace', async () => {
    await lab.node.claim('small');
    await expect(
      restoreFiles(lab.deps, lab.site, {
        name: jobName(),
        operationId: 'acme/test',
        point: await damaged('head -c 3000000 /dev/urandom > big'),
        targets: [{ claim: 'content', into: { claim: 'tmpfs-2m' } }],
      }),
    ).rejects.toMatchObject({ type: 'NoSpace' });
  });

  it('in a damaged pack are told', async () => {
    const fresh = await copiedUnique();
    const storage = openLabStorage(lab);
    const Bucket = lab.site.storage.objects.bucket;
    const list = await storage.client.send(
      new ListObjectsV2Command({ Bucket, Prefix: 'presslift/acme/restic/data/' }),
    );
    const largest = (list.Contents ?? []).sort((a, b) => (b.Size ?? 0) - (a.Size ?? 0))[0];
    await storage.client.send(
      new PutObjectCommand({
        Bucket,
        Key: largest?.Key,
        Body: Buffer.alloc(largest?.Size ?? 0, 7),
      }),
    );
    try {
      const result = await restore({ claim: 'pack' }, { point: fresh });
      expect(sameFiles(result)).toBe(false);
      expect(result.errors.length).toBeGreaterThan(0);
      // Where the manifest itself was in that pack, nothing of it is believed.
      const told = [...result.changed, ...result.missing].includes('content/random');
      expect(told || !result.manifestIntact).toBe(true);
    } finally {
      await storage.client.send(new DeleteObjectCommand({ Bucket, Key: largest?.Key }));
      storage.close();
    }
  });

  async function copiedUnique(): Promise<RecoveryPoint> {
    await writeFile(join(source, 'random'), randomBytes(40_000_000));
    try {
      return await copied('content');
    } finally {
      await rm(join(source, 'random'));
    }
  }
});

/** Mode, owner, size, link and modification time of everything in a tree. */
async function listing(folder: string): Promise<string[]> {
  const format = '%P %y %m %U:%G %l %T@ ';
  const { stdout } = await promisify(execFile)('find', [
    folder,
    ...['-mindepth', '1', '(', '-type', 'f', '-printf', `${format}%s\\0`, ')'],
    ...['-o', '-printf', `${format}\\0`],
  ]);
  return stdout.split('\0').sort();
}
