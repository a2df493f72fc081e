// Proves, with real restic, object storage, MySQL and files with owners and modes: what was copied comes back as it was, and
// every way in which it does not is told. The copies are made by the shortest scripts that follow the layout of a recovery
// point; the real ones are proved in test/activities/backup.
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
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openObjectStorage } from '../../../src/activities/object-storage/client.ts';
import { connectVerified } from '../../../src/activities/database/connection.ts';
import {
  databaseAccess,
  measureDatabase,
  mysqlFiles,
} from '../../../src/activities/recovery/database.ts';
import {
  restoreDatabase,
  restoreFiles,
  sameFiles,
  type FilesComparison,
  type RestoreTarget,
} from '../../../src/activities/recovery/restore.ts';
import { Secret } from '../../../src/activities/secrets/index.ts';
import { sameDatabases } from '../../../src/domain/recovery/database-manifest.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import { startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
beforeAll(async () => {
  lab = await startRecoveryLab();
  await lab.script(`restic_run init > /dev/null; say '{}'`);
});
afterAll(() => lab?.stop());

let count = 0;
const jobName = () => `restore-${(count += 1)}`;

const emptyPoint: RecoveryPoint = {
  schema: 1,
  id: '20261123T030000Z-acme-backup',
  site: 'acme',
  reason: 'manual',
  operationId: 'acme/backup/20261123T030000Z',
  takenAt: '2026-11-23T03:00:00Z',
  finishedAt: '2026-11-23T03:01:00Z',
  sentinel: null,
  wordpress: null,
  files: null,
  database: null,
  app: null,
  cdn: null,
  objectStorage: null,
  missing: [],
};

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
       file_manifest /presslift/volumes/${claim} ${claim}/ $m || fail JobFailed 'no manifest'
       file_manifest_end $m
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
    const storage = openObjectStorage({
      objects: lab.site.storage.objects,
      keys: {
        accessKeyId: lab.storage.root.accessKeyId,
        secretAccessKey: new Secret(lab.storage.root.secretAccessKey),
      },
      ca: lab.storage.ca,
    });
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

describe('a database', () => {
  let connection: Connection;
  let point: RecoveryPoint;

  beforeAll(async () => {
    const access = await databaseAccess(lab.deps, lab.site, 'admin');
    connection = await connectVerified(access);
    await connection.query("SET SESSION sql_mode = ''");
    await connection.query('SET SESSION sql_require_primary_key = OFF');
    await connection.query('USE wordpress');
    for (const sql of [
      "CREATE USER author@'%'",
      `CREATE TABLE wp_posts (id BIGINT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(200), content LONGTEXT, data BLOB,
        at DATETIME(6), price DECIMAL(10,2), f FLOAT, j JSON)`,
      'CREATE TABLE no_key (a INT, b VARCHAR(20))',
      'CREATE TABLE latin (id INT PRIMARY KEY, word VARCHAR(20)) CHARACTER SET latin1',
      "INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL)",
      "INSERT INTO latin VALUES (1, 'Grüße')",
      `INSERT INTO wp_posts (title, content, data, at, price, f, j) VALUES
        ('crlf\\r\\n🌱 \\'q\\' "d" \\\\ \\0 end', REPEAT('long ', 50000), x'00010aff', '2026-11-23 10:00:00.123456', 9.99, 0.1, '{"a": [1.0, null]}'),
        (NULL, '', NULL, NULL, NULL, NULL, NULL)`,
      `CREATE DEFINER = author@'%' TRIGGER stamp BEFORE INSERT ON wp_posts FOR EACH ROW\r\n  SET NEW.content = 'a;b'`,
      `CREATE DEFINER = author@'%' PROCEDURE tidy(IN n INT)\nBEGIN\n  DELETE FROM no_key WHERE a < n; -- one; two\n  SELECT 'x';\nEND`,
      "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE DO DELETE FROM no_key",
      `CREATE TABLE made (id INT PRIMARY KEY, a VARCHAR(50), both_ VARCHAR(120) GENERATED ALWAYS AS (CONCAT(a, b)) STORED,
        b VARCHAR(60) COMMENT 'not GENERATED ALWAYS AS (this)', c BLOB, twice INT GENERATED ALWAYS AS (id * 2) VIRTUAL, KEY (twice))`,
      "INSERT INTO made (id, a, b, c) VALUES (1, 'x, (y)', 'it''s \\\\', x'2c29'), (2, NULL, '', NULL), (3, '),(', ';', '')",
      'CREATE VIEW titles AS SELECT id, title FROM wp_posts',
    ]) {
      await connection.query(sql);
    }
    const manifest = await measureDatabase(connection, 'wordpress');
    point = {
      ...emptyPoint,
      database: {
        repository: 's3:',
        snapshotId: await dumped(),
        bytes: 300_000,
        manifest,
        server: { version: '9.7', host: '127.0.0.1' },
        gtid: null,
        managedBackups: [],
      },
    };
  });
  afterAll(() => connection?.destroy());
  beforeEach(async () => {
    await connection.query('DROP DATABASE IF EXISTS presslift_drill_x');
    await connection.query('CREATE DATABASE presslift_drill_x CHARACTER SET utf8mb4');
  });

  /** @param edit a filter of the dump: what damages it. */
  async function dumped(edit = 'cat'): Promise<string> {
    const access = await databaseAccess(lab.deps, lab.site, 'admin');
    const { snapshotId } = await lab.script<{ snapshotId: string }>(
      `copy() { restic_try backup --json --stdin-from-command --stdin-filename database.sql -- bash -c \\
         'set -o pipefail; mariadb-dump --defaults-extra-file=/presslift/secrets/client.cnf --single-transaction --routines --triggers --events --hex-blob --no-tablespaces --skip-comments wordpress | ${edit}'; }
       copy > $work/out || restic_failed $?
       say "$(jq -c 'select(.message_type == "summary") | {snapshotId: .snapshot_id}' $work/out)"`,
      { secretFiles: mysqlFiles(access) },
    );
    return snapshotId;
  }

  const restore = (other: Partial<RecoveryPoint['database'] & object> = {}, more = {}) => {
    if (point.database === null) throw new Error('no database');
    return restoreDatabase(lab.deps, lab.site, {
      name: jobName(),
      operationId: 'acme/test',
      point: { ...point, database: { ...point.database, ...other } },
      schema: 'presslift_drill_x',
      ...more,
    });
  };

  it('comes back with rows, structure, triggers, routines, events and views', async () => {
    const { manifest, differences } = await restore();
    expect(differences).toSatisfy(sameDatabases);
    expect(manifest.tables.map(({ name, rows }) => [name, rows])).toEqual([
      ['latin', 1],
      ['made', 3],
      ['no_key', 3],
      ['wp_posts', 2],
    ]);
    expect(Object.keys(manifest.triggers)).toEqual(['stamp']);
  });

  it('brings events that do not run, and definers as they were or as the account that restores', async () => {
    const definers = async () => {
      const [rows] = await connection.query(
        `SELECT DEFINER AS definer FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'presslift_drill_x'`,
      );
      return (rows as { definer: string }[])[0]?.definer;
    };
    await restore();
    expect(await definers()).toBe('author@%');
    const [events] = await connection.query(
      `SELECT STATUS AS status FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'presslift_drill_x'`,
    );
    expect(events).toEqual([{ status: 'DISABLED' }]);
    const { differences } = await restore({}, { definers: 'strip' });
    expect(differences).toSatisfy(sameDatabases);
    expect(await definers()).toBe('boss@%');
  });

  it('is restored again over half of a first attempt', async () => {
    await restore();
    await connection.query('DELETE FROM presslift_drill_x.no_key');
    await connection.query('DROP TABLE presslift_drill_x.latin');
    expect((await restore()).differences).toSatisfy(sameDatabases);
  });

  it.each([
    [
      'a lost row',
      'sed "0,/^(1,.x.),$/{/^(1,.x.),$/d}"',
      { rows: [{ table: 'no_key', expected: 3, found: 2 }] },
    ],
    ['a changed cell', 'sed s/9.99/9.98/', { changed: ['wp_posts'] }],
    ['a lost trigger', 'sed "/TRIGGER/,/;;/d"', { triggers: ['stamp'] }],
  ])('tells %s', async (_, edit, expected) => {
    const { differences } = await restore({
      snapshotId: await dumped(edit.replaceAll("'", `'"'"'`)),
    });
    expect(sameDatabases(differences)).toBe(false);
    expect(differences).toMatchObject(expected);
  });

  it('tells what a truncated dump lacks', async () => {
    const { differences } = await restore({
      snapshotId: await dumped(`sed "/CREATE TABLE .wp_posts/,\\$d"`),
    });
    expect(differences.missingTables).toEqual(['wp_posts']);
  });

  it('refuses a dump that the server does not understand, without quoting it', async () => {
    const error: unknown = await restore({
      snapshotId: await dumped('sed "s/CREATE TABLE .no_key/CREATE TABEL secret/"'),
    }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      type: 'RestoreDiffers',
      message: expect.stringContaining('ERROR 1064') as string,
    });
    expect((error as Error).message).not.toContain('secret');
    const { locks } = await lab.script<{ locks: number }>(
      `say "{\\"locks\\":$(restic list locks --no-lock | wc -l)}"`,
    );
    expect(locks).toBe(0);
  });

  it('is never restored over the live database, nor over tables of others', async () => {
    await expect(restore({}, { schema: 'wordpress' })).rejects.toMatchObject({
      type: 'PreconditionFailed',
    });
    await connection.query('CREATE DATABASE IF NOT EXISTS theirs');
    await connection.query('CREATE TABLE IF NOT EXISTS theirs.t (id INT PRIMARY KEY)');
    await expect(restore({}, { schema: 'theirs' })).rejects.toMatchObject({
      type: 'PreconditionFailed',
      message: expect.stringContaining('not empty') as string,
    });
    await expect(restore({}, { schema: 'nowhere' })).rejects.toMatchObject({ type: 'NotFound' });
  });

  it('is not restored to a server whose certificate is not trusted', async () => {
    const { createCertificate } = await import('../../../src/activities/database/x509.ts');
    const access = await databaseAccess(lab.deps, lab.site, 'admin');
    const ca = createCertificate({ commonName: 'Another authority' }).certificate;
    await expect(
      lab.script(
        `echo 'SELECT 1' | mariadb --defaults-extra-file=/presslift/secrets/client.cnf 2> $work/error || mysql_failed $work/error; say '{}'`,
        { secretFiles: mysqlFiles({ ...access, ca }) },
      ),
    ).rejects.toMatchObject({ type: 'TlsRejected' });
  });
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
