// Proves, on a real MySQL 9.7 set up as a managed one is (ANSI, primary keys required, binary log on) and on MariaDB, that
// the manifest tells every difference that a restore can have, and nothing else. That a dump in between keeps it the same is
// proved in restore.test.ts.
import type { Connection, RowDataPacket } from 'mysql2/promise';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectVerified,
  type VerifiedConnectionOptions,
} from '../../../src/activities/database/connection.ts';
import { measureDatabase } from '../../../src/activities/recovery/database.ts';
import { Secret } from '../../../src/activities/secrets/index.ts';
import {
  compareDatabases,
  sameDatabases,
  type DatabaseDifferences,
} from '../../../src/domain/recovery/database-manifest.ts';
import { startMariaDb, startMySql, type TestDatabase } from '../../support/database-servers.ts';

const managedSettings = [
  'sql_mode=ANSI,TRADITIONAL',
  'sql_require_primary_key=ON',
  'log_bin_trust_function_creators=ON',
];

const servers = [
  { engine: 'MySQL 9.7', start: () => startMySql({ settings: managedSettings }) },
  { engine: 'MariaDB', start: () => startMariaDb() },
];

describe.each(servers)('the manifest of $engine', ({ engine, start }) => {
  let server: TestDatabase;
  let access: VerifiedConnectionOptions;
  let connection: Connection;
  const isMySql = engine.startsWith('MySQL');

  beforeAll(async () => {
    server = await start();
    await server.admin(`
      CREATE USER 'boss'@'%' IDENTIFIED BY 'boss';
      GRANT ALL PRIVILEGES ON *.* TO 'boss'@'%' WITH GRANT OPTION;
    `);
    access = {
      host: server.host,
      port: server.port,
      ca: server.ca,
      account: { username: 'boss', password: new Secret('boss') },
    };
    connection = await connectVerified(access);
    // As the statements of tests are written; the manifest sets its own.
    await connection.query("SET SESSION sql_mode = ''");
  });
  afterAll(async () => {
    connection?.destroy();
    await server?.stop();
  });

  const run = async (...statements: string[]) => {
    for (const sql of statements) await connection.query(sql);
  };
  const fresh = async (name: string, ...statements: string[]) => {
    await run(
      `DROP DATABASE IF EXISTS ${name}`,
      `CREATE DATABASE ${name} CHARACTER SET utf8mb4`,
      `USE ${name}`,
      ...statements,
    );
  };
  const measure = (name: string) => measureDatabase(access, name);

  const everything = [
    `CREATE TABLE all_types (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, i INT, d DECIMAL(12,3), f FLOAT, g DOUBLE,
      v VARCHAR(190), c CHAR(4), t TEXT, l LONGTEXT, m MEDIUMBLOB, b BLOB, n VARBINARY(20), x BIT(9), e ENUM('a','b'),
      s SET('p','q'), da DATE, ti TIME(3), dt DATETIME(6), ts TIMESTAMP NULL, y YEAR, j JSON, p POINT,
      w VARCHAR(20) CHARACTER SET latin1, ge INT GENERATED ALWAYS AS (i + 1) VIRTUAL)`,
    `INSERT INTO all_types (i, d, f, g, v, c, t, l, m, b, n, x, e, s, da, ti, dt, ts, y, j, p, w) VALUES
      (1, 1.5, 0.1, 1e200, 'it''s \\\\ "q" 🌱', 'ab', 'tab\\t', REPEAT('long', 1000), x'00ff', x'0001', x'00', b'101', 'a', 'p,q',
       '2026-11-23', '10:11:12.5', '2026-11-23 10:11:12.123456', '2026-11-23 10:11:12', 2026, '{"a": [1, null]}', POINT(1, 2), 'é')`,
    'INSERT INTO all_types (i) VALUES (NULL)',
    'CREATE TABLE `odd ``name\' "q"` (`a ``b` INT PRIMARY KEY, `c\'d` VARCHAR(10))',
    "INSERT INTO `odd ``name' \"q\"` VALUES (1, 'x')",
    'CREATE TABLE empty_one (id INT PRIMARY KEY)',
    `CREATE TABLE parent (id INT PRIMARY KEY)`,
    `CREATE TABLE child (id INT PRIMARY KEY, parent INT, note VARCHAR(20), KEY by_note (note(5)),
      CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE)`,
    'CREATE TRIGGER stamp BEFORE INSERT ON child FOR EACH ROW SET NEW.note = UPPER(NEW.note)',
    'CREATE PROCEDURE tidy(IN days INT) DELETE FROM child WHERE id < days',
    'CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n * 2',
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE DO DELETE FROM child",
    'CREATE VIEW notes AS SELECT child.id, parent.id AS parent_id FROM child JOIN parent ON parent.id = child.parent',
  ];

  it('knows tables, rows, definitions, and is the same in a schema of another name', async () => {
    await fresh('one', ...everything);
    await fresh('another_name', ...everything);
    const [one, other] = [await measure('one'), await measure('another_name')];
    expect(one.tables.map(({ name, rows }) => [name, rows])).toEqual([
      ['all_types', 2],
      ['child', 0],
      ['empty_one', 0],
      ['odd `name\' "q"', 1],
      ['parent', 0],
    ]);
    expect(Object.keys(one.triggers)).toEqual(['stamp']);
    expect(Object.keys(one.routines)).toEqual(['function twice', 'procedure tidy']);
    expect(Object.keys(one.events)).toEqual(['nightly']);
    expect(Object.keys(one.views)).toEqual(['notes']);
    expect(one.charset).toBe('utf8mb4');
    expect(compareDatabases(one, other)).toEqual({
      missingTables: [],
      extraTables: [],
      rows: [],
      changed: [],
      structure: [],
      triggers: [],
      routines: [],
      events: [],
      views: [],
      charset: null,
    });
  });

  const damages: [string, string[], Partial<DatabaseDifferences>][] = [
    ['a table dropped', ['DROP TABLE empty_one'], { missingTables: ['empty_one'] }],
    ['a table added', ['CREATE TABLE more (id INT PRIMARY KEY)'], { extraTables: ['more'] }],
    [
      'a row deleted',
      ['DELETE FROM all_types WHERE id = 2'],
      { rows: [{ table: 'all_types', expected: 2, found: 1 }] },
    ],
    ['a cell of a number changed', ['UPDATE all_types SET i = 2 WHERE id = 1'], {}],
    ['NULL become empty', ["UPDATE all_types SET v = '' WHERE id = 2"], {}],
    ["NULL become 'NULL'", ["UPDATE all_types SET v = 'NULL' WHERE id = 2"], {}],
    ["NULL become 'N;'", ["UPDATE all_types SET v = 'N;' WHERE id = 2"], {}],
    [
      'a letter of a long text changed',
      ["UPDATE all_types SET l = CONCAT(LEFT(l, 3999), 'G') WHERE id = 1"],
      {},
    ],
    ['upper case', ["UPDATE all_types SET c = 'AB' WHERE id = 1"], {}],
    ['a microsecond', ['UPDATE all_types SET dt = dt + INTERVAL 1 MICROSECOND WHERE id = 1'], {}],
    ['a member of a JSON document', [`UPDATE all_types SET j = '{"a": [1, 0]}' WHERE id = 1`], {}],
    ['a bit', ["UPDATE all_types SET x = b'100' WHERE id = 1"], {}],
    ['a byte of a blob', ["UPDATE all_types SET m = x'00fe' WHERE id = 1"], {}],
    ['a coordinate', ['UPDATE all_types SET p = POINT(1, 3) WHERE id = 1'], {}],
    ['a letter of another character set', ["UPDATE all_types SET w = 'e' WHERE id = 1"], {}],
    [
      'a column of another character set',
      ['ALTER TABLE child MODIFY note VARCHAR(20) CHARACTER SET latin1'],
      { structure: ['child'] },
    ],
    [
      'a column with another default',
      ['ALTER TABLE child ALTER note SET DEFAULT 7'],
      { structure: ['child'] },
    ],
    ['an index dropped', ['ALTER TABLE child DROP KEY by_note'], { structure: ['child'] }],
    [
      'a reference dropped',
      ['ALTER TABLE child DROP FOREIGN KEY of_parent'],
      { structure: ['child'] },
    ],
    ['a trigger dropped', ['DROP TRIGGER stamp'], { triggers: ['stamp'] }],
    [
      'a trigger that does something else',
      [
        'DROP TRIGGER stamp',
        'CREATE TRIGGER stamp BEFORE INSERT ON child FOR EACH ROW SET NEW.note = LOWER(NEW.note)',
      ],
      { triggers: ['stamp'] },
    ],
    ['a routine dropped', ['DROP PROCEDURE tidy'], { routines: ['procedure tidy'] }],
    [
      'a routine with another parameter',
      [
        'DROP PROCEDURE tidy',
        'CREATE PROCEDURE tidy(IN days BIGINT) DELETE FROM child WHERE id < days',
      ],
      { routines: ['procedure tidy'] },
    ],
    ['an event dropped', ['DROP EVENT nightly'], { events: ['nightly'] }],
    [
      'a view that shows something else',
      ['CREATE OR REPLACE VIEW notes AS SELECT id FROM child'],
      { views: ['notes'] },
    ],
    [
      "the database's character set changed",
      ['ALTER DATABASE damaged CHARACTER SET latin1'],
      {
        charset: {
          expected: expect.stringContaining('utf8mb4/') as string,
          found: 'latin1/latin1_swedish_ci',
        },
      },
    ],
  ];
  it.each(damages)('tells %s, and nothing else', async (_, statements, expected) => {
    await fresh('whole', ...everything);
    await fresh('damaged', ...everything, ...statements);
    const differences = compareDatabases(await measure('whole'), await measure('damaged'));
    expect(sameDatabases(differences)).toBe(false);
    const only = Object.keys(expected).length === 0 ? { changed: ['all_types'] } : expected;
    const nothing = Object.fromEntries(
      Object.keys(differences).map((key) => [key, key === 'charset' ? null : []]),
    );
    expect(differences).toEqual({ ...nothing, ...only });
  });

  it('does not depend on definer, on whether an event is enabled, or on the next auto-increment', async () => {
    await fresh('whole', ...everything);
    await fresh(
      'moved',
      ...everything,
      "CREATE USER IF NOT EXISTS 'other'@'%'",
      'DROP TRIGGER stamp',
      "CREATE DEFINER = 'other'@'%' TRIGGER stamp BEFORE INSERT ON child FOR EACH ROW SET NEW.note = UPPER(NEW.note)",
      'ALTER EVENT nightly ENABLE',
      'ALTER EVENT nightly DISABLE',
      'ALTER TABLE all_types AUTO_INCREMENT = 5000',
    );
    expect(compareDatabases(await measure('whole'), await measure('moved'))).toSatisfy(
      sameDatabases,
    );
  });

  const cell = fc.oneof(
    fc.constantFrom(null, '', 'NULL', 'N;', '0', '1', '1:', ':', '2:ab', 'H', ';'),
    fc.string({ maxLength: 6, unit: 'grapheme' }),
  );
  const table = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 99 }), cell, cell), {
    minLength: 1,
    maxLength: 5,
    selector: ([id]) => id,
  });
  const fill = async (rows: (string | number | null)[][]) => {
    await run('DELETE FROM t');
    if (rows.length > 0) await connection.query('INSERT INTO t (id, a, b) VALUES ?', [rows]);
    return (await measure('property')).tables[0]?.checksum;
  };

  it('has the same checksum in any order of rows, and another one when any cell is another', async () => {
    await fresh(
      'property',
      'CREATE TABLE t (id INT, a VARCHAR(50) COLLATE utf8mb4_bin, b LONGTEXT, k INT AUTO_INCREMENT PRIMARY KEY INVISIBLE)',
    );
    await run('ALTER TABLE t DROP COLUMN k, ADD PRIMARY KEY (id)');
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.nat(),
        fc.constantFrom(1, 2),
        cell,
        async (rows, at, column, value) => {
          const checksum = await fill(rows);
          expect(await fill([...rows].reverse())).toBe(checksum);
          const index = at % rows.length;
          const other = rows.map((row, i) =>
            row.map((old, j) => (i === index && j === column ? value : old)),
          );
          const same = rows[index]?.[column] === value;
          const changed = await fill(other);
          if (same) expect(changed).toBe(checksum);
          else expect(changed).not.toBe(checksum);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('changes when two rows exchange a cell, when cells of a row change places, and when text moves between cells', async () => {
    await fresh('property', 'CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(50), b LONGTEXT)');
    const checksum = await fill([
      [1, 'x', 'yz'],
      [2, 'u', 'v'],
    ]);
    for (const rows of [
      [
        [1, 'u', 'yz'],
        [2, 'x', 'v'],
      ],
      [
        [1, 'yz', 'x'],
        [2, 'u', 'v'],
      ],
      [
        [1, 'xy', 'z'],
        [2, 'u', 'v'],
      ],
    ]) {
      expect(await fill(rows)).not.toBe(checksum);
    }
  });

  it('counts a row twice where it is there twice', async () => {
    const ddl = isMySql
      ? 'CREATE TABLE t (k INT AUTO_INCREMENT PRIMARY KEY INVISIBLE, a INT)'
      : 'CREATE TABLE t (a INT)';
    await fresh('twice', ddl, 'INSERT INTO t (a) VALUES (7), (7), (9)');
    const first = (await measure('twice')).tables[0]?.checksum;
    await fresh('twice', ddl, 'INSERT INTO t (a) VALUES (9), (9), (7)');
    expect((await measure('twice')).tables[0]?.checksum).not.toBe(first);
  });

  it('fails, and says which table, when a row is larger than the server can hash', async () => {
    const columns = Array.from({ length: 20 }, (_, at) => `c${at}`);
    await fresh(
      'large',
      `CREATE TABLE wide (id INT PRIMARY KEY, ${columns.map((name) => `${name} TEXT`).join(', ')})`,
      `INSERT INTO wide VALUES (1, ${columns.map(() => "REPEAT('x', 65000)").join(', ')}), (2, ${columns.map(() => "''").join(', ')})`,
    );
    expect((await measure('large')).tables).toMatchObject([{ name: 'wide', rows: 2 }]);
    const [[kept]] = await connection.query<RowDataPacket[]>(
      'SELECT @@GLOBAL.max_allowed_packet AS bytes',
    );
    await run('SET GLOBAL max_allowed_packet = 1048576');
    try {
      await expect(measure('large')).rejects.toMatchObject({
        type: 'PreconditionFailed',
        message: expect.stringContaining('1 rows of table wide are too large') as string,
      });
    } finally {
      await run(`SET GLOBAL max_allowed_packet = ${kept?.['bytes']}`);
    }
  });

  it('fails for a schema that is not there', async () => {
    await expect(measure('nowhere')).rejects.toMatchObject({ type: 'NotFound' });
  });
});
