// Proves, with real restic, object storage, MySQL and MariaDB: what a dump brings along that runs by itself, or runs code, does so
// for the account that the restore names, so that a copy cannot reach the live schema beside it.
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { administratorPrivileges } from '../../../deploy/sandbox/components/mysql-server.ts';
import {
  connectVerified,
  type VerifiedConnectionOptions,
} from '../../../src/activities/database/connection.ts';
import { ensureDrillDatabase } from '../../../src/activities/drill/database.ts';
import { measureDatabase, mysqlFiles } from '../../../src/activities/recovery/database.ts';
import { restoreDatabase } from '../../../src/activities/recovery/restore.ts';
import { Secret } from '../../../src/activities/secrets/secret.ts';
import { sameDatabases } from '../../../src/domain/recovery/database-manifest.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import { startMariaDb, startMySql, type TestDatabase } from '../../support/database-servers.ts';
import {
  managedMySql,
  pointOf,
  startRecoveryLab,
  type RecoveryLab,
} from '../../support/recovery-lab.ts';

const schema = 'presslift_drill_abc';
const password = 'aZ3.of-the-drill';

let lab: RecoveryLab;
beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  await lab.script(`restic_run init > /dev/null; say '{}'`);
});
afterAll(() => lab?.stop());

const live = [
  'CREATE TABLE wp_options (name VARCHAR(50) PRIMARY KEY, value TEXT, seen INT)',
  'CREATE TABLE wp_posts (id INT PRIMARY KEY, title TEXT)',
  'CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT)',
  "INSERT INTO wp_options VALUES ('siteurl', 'https://acme.example\\n;;', 0)",
  "INSERT INTO wp_posts VALUES (1, 'One'), (2, 'DELIMITER ;;\\nTwo')",
  'CREATE TRIGGER told AFTER UPDATE ON wp_options FOR EACH ROW INSERT INTO wordpress.audit (what) VALUES (NEW.name)',
  'CREATE TRIGGER counted BEFORE UPDATE ON wp_posts FOR EACH ROW\nBEGIN\n  SET NEW.title = marked(NEW.title); -- one; two\nEND',
  "CREATE FUNCTION marked(t TEXT) RETURNS TEXT DETERMINISTIC RETURN CONCAT(t, '!')",
  "CREATE PROCEDURE tell() INSERT INTO wordpress.audit (what) VALUES ('told')",
  "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM wordpress.audit",
  // The one that needs another comes first in the dump.
  'CREATE VIEW z_titles AS SELECT id, marked(title) AS title FROM wp_posts',
  'CREATE VIEW a_titles AS SELECT title FROM z_titles',
];

describe.each([
  ['MySQL', () => startMySql({ settings: managedMySql })],
  ['MariaDB', () => startMariaDb()],
] as const)('on %s', (_, start) => {
  let server: TestDatabase;
  let root: Connection;
  let point: RecoveryPoint;

  const access = (username: string, secret = username): VerifiedConnectionOptions => ({
    ...{ host: '127.0.0.1', port: server.port, ca: server.ca },
    account: { username, password: new Secret(secret) },
  });

  beforeAll(async () => {
    server = await start();
    await server.admin(`
      CREATE DATABASE wordpress CHARACTER SET utf8mb4;
      CREATE USER root_like@'%' IDENTIFIED BY 'root_like';
      GRANT ALL PRIVILEGES ON *.* TO root_like@'%' WITH GRANT OPTION;
      CREATE USER managed@'%' IDENTIFIED BY 'managed';
      GRANT ${administratorPrivileges} ON *.* TO managed@'%' WITH GRANT OPTION;
    `);
    root = await connectVerified(access('root_like'));
    await root.query('USE wordpress');
    for (const statement of live) await root.query(statement);
    const { snapshotId } = await lab.script<{ snapshotId: string }>(
      `copy() { restic_try backup --json --stdin-from-command --stdin-filename database.sql -- mariadb-dump \\
         --defaults-extra-file=/presslift/secrets/client.cnf --single-transaction --routines --triggers --events --hex-blob --no-tablespaces wordpress; }
       copy > $work/out || restic_failed $?
       say "$(jq -c 'select(.message_type == "summary") | {snapshotId: .snapshot_id}' $work/out)"`,
      { secretFiles: mysqlFiles(access('root_like')) },
    );
    point = {
      ...pointOf('20261123T030000Z-acme-backup'),
      database: {
        ...{ repository: 's3:', snapshotId, bytes: 1, gtid: null, managedBackups: [] },
        manifest: await measureDatabase(access('root_like'), 'wordpress'),
        server: { version: '', host: '127.0.0.1' },
      },
    };
  });
  afterAll(async () => {
    root?.destroy();
    await server?.stop();
  });

  const all = async (sql: string) => {
    const [rows] = await root.query<RowDataPacket[]>({ sql, rowsAsArray: true });
    return rows as unknown as unknown[][];
  };

  it.each(['root_like', 'managed'])(
    'a copy that %s restores changes itself, and never the live schema',
    async (administrator) => {
      const admin = await connectVerified(access(administrator));
      await admin.query(`DROP DATABASE IF EXISTS ${schema}`);
      await admin.query(`DROP USER IF EXISTS ${schema}@'%'`);
      const manifest = point.database?.manifest ?? null;
      await ensureDrillDatabase(admin, schema, password, manifest);
      admin.destroy();
      const own = access(schema, password);
      // Twice: a second attempt finds what the first one has left.
      for (const name of ['first', 'second']) {
        const { differences } = await restoreDatabase(lab.deps, lab.site, {
          ...{ name: `${administrator.replace('_', '-')}-${name}`, operationId: 'acme/test' },
          ...{ point, schema, access: access(administrator), definers: own.account },
        });
        expect(differences).toSatisfy(sameDatabases);
      }
      const definers = await all(`
        SELECT TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '${schema}'
        UNION ALL SELECT ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '${schema}'
        UNION ALL SELECT EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '${schema}'
        UNION ALL SELECT TABLE_NAME, DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '${schema}'`);
      expect(new Map(definers as [string, string][])).toEqual(
        new Map(
          ['told', 'counted', 'marked', 'tell', 'nightly', 'z_titles', 'a_titles'].map((name) => [
            name,
            `${schema}@%`,
          ]),
        ),
      );
      const copy = await connectVerified({ ...own, database: schema });
      try {
        // The administrator himself sets it off for nobody but the definer.
        for (const connection of [copy, root]) {
          const change = `UPDATE ${schema}.wp_options SET value = 'https://acme.drill.invalid'`;
          await expect(connection.query(change)).rejects.toThrow(/denied/);
          await expect(connection.query(`CALL ${schema}.tell()`)).rejects.toThrow(/denied/);
        }
        await copy.query('UPDATE wp_posts SET title = title WHERE id = 1');
        const [titles] = await copy.query('SELECT title FROM a_titles ORDER BY title');
        expect(titles).toEqual([{ title: 'DELIMITER ;;\nTwo!' }, { title: 'One!!' }]);
      } finally {
        copy.destroy();
      }
      expect(await all('SELECT COUNT(*) FROM wordpress.audit')).toEqual([[0]]);
    },
  );
});
