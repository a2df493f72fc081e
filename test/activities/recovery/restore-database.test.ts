// Proves, with real restic, object storage and a MySQL that is set up as a managed one is: a dump comes back as it was, and every
// way in which it does not is told. The dumps are made by the shortest script that follows the layout of a recovery point; the
// real one is proved in test/activities/backup.
import { readFile } from 'node:fs/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectVerified } from '../../../src/activities/database/connection.ts';
import { createCertificate } from '../../../src/activities/database/x509.ts';
import {
  databaseAccess,
  measureDatabase,
  mysqlFiles,
} from '../../../src/activities/recovery/database.ts';
import { restoreDatabase } from '../../../src/activities/recovery/restore.ts';
import { sameDatabases } from '../../../src/domain/recovery/database-manifest.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import { pointOf, startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
beforeAll(async () => {
  lab = await startRecoveryLab();
  await lab.script(`restic_run init > /dev/null; say '{}'`);
});
afterAll(() => lab?.stop());

/** What a backup's dump goes through. */
const generatedColumns = new URL(
  '../../../src/activities/backup/scripts/generated-columns.awk',
  import.meta.url,
);

let count = 0;
const jobName = () => `restore-${(count += 1)}`;
const emptyPoint = pointOf('20261123T030000Z-acme-backup');

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
    const manifest = await measureDatabase(access, 'wordpress');
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
         'set -o pipefail; mariadb-dump --defaults-extra-file=/presslift/secrets/client.cnf --single-transaction --routines --triggers --events --hex-blob --no-tablespaces --skip-comments wordpress | awk -f /presslift/input/generated-columns.awk | ${edit}'; }
       copy > $work/out || restic_failed $?
       say "$(jq -c 'select(.message_type == "summary") | {snapshotId: .snapshot_id}' $work/out)"`,
      {
        secretFiles: mysqlFiles(access),
        inputFiles: { 'generated-columns.awk': await readFile(generatedColumns, 'utf8') },
      },
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

  it('brings events that do not run, and definers as they were', async () => {
    await restore();
    const [definers] = await connection.query(
      `SELECT DEFINER AS definer FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'presslift_drill_x'`,
    );
    expect(definers).toEqual([{ definer: 'author@%' }]);
    const [events] = await connection.query(
      `SELECT STATUS AS status FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'presslift_drill_x'`,
    );
    expect(events).toEqual([{ status: 'DISABLED' }]);
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
