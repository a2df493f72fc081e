import type { DatabaseManifest, TableManifest } from './point.ts';

/**
 * The manifest of a database: for every table its rows and a checksum that does not depend on their order, a digest of its
 * structure, and digests of triggers, routines, events and views. It is computed by the server, by the SQL that is made
 * here, so that no row leaves it; mysql2 runs the same text on a live or restored database as the MariaDB client runs in
 * the Job that dumps.
 *
 * Not CHECKSUM TABLE: its value depends on row format and version, and other tools' checksums on the schema's name.
 */

/** Session settings that every other statement here relies on; first on the connection. */
export const manifestSession: readonly string[] = [
  // Servers are run with ANSI and other modes that change how quotes and || are read.
  "SET SESSION sql_mode = ''",
  'SET NAMES utf8mb4 COLLATE utf8mb4_bin',
  "SET SESSION time_zone = '+00:00'",
  'SET SESSION group_concat_max_len = 67108864',
];

/**
 * A query of one column: the statements, one for each table, that count and hash its rows. Which columns there are and how
 * each is hashed is decided by the server's own catalogue at the moment it runs. Large tables come first, so that whoever
 * reads them side by side does not end with one of them.
 *
 * A row is the concatenation of its cells, each written so that its end is known: `N;` for NULL, numbers and times with `;`
 * after them, strings with their length in bytes before them, long ones as their SHA-256. The first 64 bits of its SHA-256
 * are summed over the table: a lost, doubled, changed or exchanged cell changes the sum, another order of rows does not. A
 * row that the server cannot hash, because it is larger than max_allowed_packet, counts as `unhashed`. What is compared is
 * the bytes in the column's own character set.
 */
export function tableStatements(schema: string): string {
  const name = 'c.COLUMN_NAME';
  const quoted = identifierSql(name);
  const cell = `CASE
    WHEN c.DATA_TYPE IN ('mediumtext','longtext','mediumblob','longblob')
      THEN CONCAT('IFNULL(CONCAT(''H'',SHA2(', ${quoted}, ',256)),''N;'')')
    WHEN c.DATA_TYPE = 'json'
      THEN CONCAT('IFNULL(CONCAT(''H'',SHA2(CAST(', ${quoted}, ' AS CHAR),256)),''N;'')')
    WHEN c.DATA_TYPE = 'bit'
      THEN CONCAT('IFNULL(CONCAT(', ${quoted}, '+0,'';''),''N;'')')
    WHEN c.DATA_TYPE IN ('char','varchar','binary','varbinary','tinytext','text','tinyblob','blob','enum','set')
      THEN CONCAT('IFNULL(CONCAT(LENGTH(', ${quoted}, '),'':'',CAST(', ${quoted}, ' AS BINARY)),''N;'')')
    WHEN c.DATA_TYPE IN ('tinyint','smallint','mediumint','int','bigint','decimal','float','double','date','time',
      'datetime','timestamp','year')
      THEN CONCAT('IFNULL(CONCAT(', ${quoted}, ','';''),''N;'')')
    ELSE CONCAT('IFNULL(CONCAT(''H'',SHA2(HEX(', ${quoted}, '),256)),''N;'')')
  END`;
  // Nothing is named twice: the server would compute it twice.
  return oneLine(`SELECT CONCAT(
    'SELECT ''table'', ', QUOTE(t.TABLE_NAME),
    ', COUNT(*), CAST(IFNULL(SUM(IFNULL(CAST(CONV(LEFT(SHA2(CONCAT(',
    GROUP_CONCAT(${cell} ORDER BY c.ORDINAL_POSITION SEPARATOR ','),
    '),256),16),16,10) AS UNSIGNED),${unhashed})),0) AS CHAR) FROM ',
    ${identifierSql('t.TABLE_SCHEMA')}, '.', ${identifierSql('t.TABLE_NAME')}) AS statement
    FROM information_schema.TABLES t
    JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME
    WHERE t.TABLE_SCHEMA = ${text(schema)} AND t.TABLE_TYPE IN ${baseTables} AND ${notGenerated}
    GROUP BY t.TABLE_SCHEMA, t.TABLE_NAME ORDER BY MAX(t.DATA_LENGTH) DESC, t.TABLE_NAME`);
}

/**
 * Statements about everything but rows: the schema, structure of tables, triggers, routines, events, views. Definers are
 * left out, and the schema's own name where definitions carry it: both differ after a restore elsewhere.
 */
export function definitionStatements(schema: string): string[] {
  const here = text(schema);
  const ownName = `CONCAT(${identifierSql(here)}, '.')`;
  const line = (...parts: string[]) =>
    `CONVERT(CONCAT_WS('|', ${parts.map((part) => (part.startsWith("'") ? part : `IFNULL(${part}, '~')`)).join(', ')}) USING utf8mb4) COLLATE utf8mb4_bin`;
  const isOwn = `c.TABLE_SCHEMA = ${here}`;
  const structure = [
    `SELECT t.TABLE_NAME AS name, ${line("'table'", 't.ENGINE', 't.TABLE_COLLATION', 't.CREATE_OPTIONS', 't.TABLE_COMMENT')} AS line
      FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = ${here} AND t.TABLE_TYPE IN ${baseTables}`,
    `SELECT c.TABLE_NAME, ${line("'column'", "LPAD(c.ORDINAL_POSITION, 5, '0')", 'c.COLUMN_NAME', 'c.COLUMN_TYPE', 'c.IS_NULLABLE', 'c.COLUMN_DEFAULT', 'c.EXTRA', 'c.CHARACTER_SET_NAME', 'c.COLLATION_NAME', 'c.GENERATION_EXPRESSION', 'c.COLUMN_COMMENT')}
      FROM information_schema.COLUMNS c JOIN information_schema.TABLES t
      ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
      WHERE ${isOwn} AND t.TABLE_TYPE IN ${baseTables}`,
    `SELECT c.TABLE_NAME, ${line("'index'", 'c.INDEX_NAME', 'c.SEQ_IN_INDEX', 'c.COLUMN_NAME', 'c.SUB_PART', 'c.NON_UNIQUE', 'c.COLLATION', 'c.INDEX_TYPE')}
      FROM information_schema.STATISTICS c WHERE ${isOwn}`,
    `SELECT c.TABLE_NAME, ${line("'constraint'", 'c.CONSTRAINT_NAME', 'c.CONSTRAINT_TYPE')}
      FROM information_schema.TABLE_CONSTRAINTS c WHERE ${isOwn}`,
    `SELECT c.TABLE_NAME, ${line("'reference'", 'c.CONSTRAINT_NAME', 'c.ORDINAL_POSITION', 'c.COLUMN_NAME', `NULLIF(c.REFERENCED_TABLE_SCHEMA, ${here})`, 'c.REFERENCED_TABLE_NAME', 'c.REFERENCED_COLUMN_NAME')}
      FROM information_schema.KEY_COLUMN_USAGE c WHERE ${isOwn} AND c.REFERENCED_TABLE_NAME IS NOT NULL`,
    `SELECT c.TABLE_NAME, ${line("'rule'", 'c.CONSTRAINT_NAME', 'c.UPDATE_RULE', 'c.DELETE_RULE')}
      FROM information_schema.REFERENTIAL_CONSTRAINTS c WHERE c.CONSTRAINT_SCHEMA = ${here}`,
  ];
  const digest = (...parts: string[]) => `SHA2(${line(...parts)}, 256)`;
  const withoutOwnName = (part: string) => `REPLACE(${part}, ${ownName}, '')`;
  return [
    `SELECT 'schema', s.SCHEMA_NAME, s.DEFAULT_CHARACTER_SET_NAME, s.DEFAULT_COLLATION_NAME
      FROM information_schema.SCHEMATA s WHERE s.SCHEMA_NAME = ${here}`,
    `SELECT 'structure', name, SHA2(GROUP_CONCAT(line ORDER BY line SEPARATOR '\\n'), 256)
      FROM (${structure.join(' UNION ALL ')}) AS parts GROUP BY name`,
    `SELECT 'trigger', t.TRIGGER_NAME,
      ${digest('t.EVENT_OBJECT_TABLE', 't.ACTION_TIMING', 't.EVENT_MANIPULATION', withoutOwnName('t.ACTION_STATEMENT'))}
      FROM information_schema.TRIGGERS t WHERE t.TRIGGER_SCHEMA = ${here}`,
    `SELECT 'routine', CONCAT(LOWER(r.ROUTINE_TYPE), ' ', r.ROUTINE_NAME), IF(r.ROUTINE_DEFINITION IS NULL, ${text(hidden)},
      ${digest('r.ROUTINE_TYPE', 'r.DTD_IDENTIFIER', 'r.IS_DETERMINISTIC', 'r.SQL_DATA_ACCESS', 'r.SECURITY_TYPE', withoutOwnName('r.ROUTINE_DEFINITION'), 'p.parameters')})
      FROM information_schema.ROUTINES r LEFT JOIN (
        SELECT SPECIFIC_NAME, ROUTINE_TYPE, GROUP_CONCAT(${line('PARAMETER_MODE', 'PARAMETER_NAME', 'DTD_IDENTIFIER')}
          ORDER BY ORDINAL_POSITION SEPARATOR ',') AS parameters
        FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = ${here} GROUP BY SPECIFIC_NAME, ROUTINE_TYPE
      ) p ON p.SPECIFIC_NAME = r.SPECIFIC_NAME AND p.ROUTINE_TYPE = r.ROUTINE_TYPE
      WHERE r.ROUTINE_SCHEMA = ${here}`,
    `SELECT 'event', e.EVENT_NAME,
      ${digest('e.EVENT_TYPE', 'e.EXECUTE_AT', 'e.INTERVAL_VALUE', 'e.INTERVAL_FIELD', 'e.STARTS', 'e.ENDS', 'e.ON_COMPLETION', withoutOwnName('e.EVENT_DEFINITION'))}
      FROM information_schema.EVENTS e WHERE e.EVENT_SCHEMA = ${here}`,
    `SELECT 'view', v.TABLE_NAME, IF(v.VIEW_DEFINITION = '', ${text(hidden)},
      ${digest('v.CHECK_OPTION', 'v.IS_UPDATABLE', 'v.SECURITY_TYPE', withoutOwnName('v.VIEW_DEFINITION'))})
      FROM information_schema.VIEWS v WHERE v.TABLE_SCHEMA = ${here}`,
  ].map(oneLine);
}

/** What stands for a definition that the account may not read. */
const hidden = 'hidden';

const baseTables = "('BASE TABLE', 'SYSTEM VERSIONED')";

/** The primary key that MySQL makes for tables without one (sql_generate_invisible_primary_key) is new after a restore. */
const notGenerated = "NOT (c.COLUMN_NAME = 'my_row_id' AND c.EXTRA LIKE '%INVISIBLE%')";

const identifierSql = (name: string) => `CONCAT('\`', REPLACE(${name}, '\`', '\`\`'), '\`')`;

/** A string literal, read the same in every sql_mode. */
function text(value: string): string {
  return `CONVERT(X'${Buffer.from(value).toString('hex')}' USING utf8mb4)`;
}

const oneLine = (sql: string) => sql.replaceAll(/\s+/g, ' ');

/** What a row without a hash adds to a table's sum: more than all hashes of 50 thousand million rows together. */
const unhashed = 10n ** 30n;

/** One row of any of the statements: a kind, a name, values. */
export type ManifestRow = (string | number | bigint | null)[];

/**
 * The manifest from the rows of all statements, in any order.
 * @throws Error when it is not whole: a table without rows or structure, or rows that the server could not hash.
 */
export function parseManifest(schema: string, rows: readonly ManifestRow[]): DatabaseManifest {
  const counted = new Map<string, { rows: number; checksum: string }>();
  const structures = new Map<string, string>();
  const definitions = {
    trigger: new Map<string, string>(),
    routine: new Map<string, string>(),
    event: new Map<string, string>(),
    view: new Map<string, string>(),
  };
  let found: { charset: string; collation: string } | null = null;
  for (const row of rows) {
    const [kind, name = '', ...values] = row.map((value) => String(value ?? ''));
    switch (kind) {
      case 'schema':
        found = { charset: values[0] ?? '', collation: values[1] ?? '' };
        break;
      case 'table':
        counted.set(name, { rows: Number(values[0]), checksum: checksumOf(name, values[1]) });
        break;
      case 'structure':
        structures.set(name, sha256(values[0]));
        break;
      case 'trigger':
      case 'routine':
      case 'event':
      case 'view':
        definitions[kind].set(name, values[0] === hidden ? hidden : sha256(values[0]));
        break;
      default:
        throw new Error(`A manifest has no rows of kind ${JSON.stringify(kind)}`);
    }
  }
  if (found === null) throw new Error(`There is no database ${schema}`);
  for (const name of new Set([...counted.keys(), ...structures.keys()])) {
    if (counted.has(name) && structures.has(name)) continue;
    throw new Error(`Table ${name} came or went while the database was measured`);
  }
  const tables: TableManifest[] = [...counted]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { rows: count, checksum }]) => ({
      name,
      rows: count,
      checksum,
      structure: structures.get(name) ?? '',
    }));
  const sorted = (map: Map<string, string>) =>
    Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    schema,
    ...found,
    tables,
    triggers: sorted(definitions.trigger),
    routines: sorted(definitions.routine),
    events: sorted(definitions.event),
    views: sorted(definitions.view),
  };
}

/**
 * Rows of the MariaDB client's batch output (`--batch --skip-column-names`): tabs between values, `\t`, `\n`, `\0` and `\\`
 * inside of them.
 */
export function batchRows(output: string): string[][] {
  const characters: Record<string, string> = { t: '\t', n: '\n', '0': '\0' };
  return output
    .split('\n')
    .filter((row) => row !== '')
    .map((row) =>
      row
        .split('\t')
        .map((value) =>
          value.replaceAll(/\\(.)/gs, (_, escaped: string) => characters[escaped] ?? escaped),
        ),
    );
}

/** @throws Error when some rows have no hash */
function checksumOf(table: string, text: string | undefined): string {
  if (!/^\d+$/.test(text ?? ''))
    throw new Error(`The server gave no sum of the rows of table ${table}`);
  const sum = BigInt(text ?? '');
  if (sum >= unhashed) {
    throw new Error(`${sum / unhashed} rows of table ${table} are too large to be hashed`);
  }
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}

function sha256(value: string | undefined): string {
  if (!/^[0-9a-f]{64}$/.test(value ?? '')) throw new Error('The server gave no digest');
  return `sha256:${value}`;
}

/** Where a database is not what a manifest says. Empty lists and `charset: null` mean that it is the same. */
export interface DatabaseDifferences {
  missingTables: string[];
  extraTables: string[];
  rows: { table: string; expected: number; found: number }[];
  /** As many rows, with other content. */
  changed: string[];
  /** Columns, keys, character set. */
  structure: string[];
  /** Names that are missing, there too much, or defined otherwise. */
  triggers: string[];
  routines: string[];
  events: string[];
  views: string[];
  charset: { expected: string; found: string } | null;
}

/** Compares two databases; the names of their schemas do not matter. */
export function compareDatabases(
  expected: DatabaseManifest,
  found: DatabaseManifest,
): DatabaseDifferences {
  const before = new Map(expected.tables.map((table) => [table.name, table]));
  const after = new Map(found.tables.map((table) => [table.name, table]));
  const both = expected.tables.flatMap((table) => {
    const other = after.get(table.name);
    return other === undefined ? [] : [{ name: table.name, expected: table, found: other }];
  });
  const charsets = [expected, found].map(({ charset, collation }) => `${charset}/${collation}`);
  return {
    missingTables: [...before.keys()].filter((name) => !after.has(name)),
    extraTables: [...after.keys()].filter((name) => !before.has(name)),
    rows: both
      .filter((table) => table.expected.rows !== table.found.rows)
      .map((table) => ({
        table: table.name,
        expected: table.expected.rows,
        found: table.found.rows,
      })),
    changed: both
      .filter(
        (table) =>
          table.expected.rows === table.found.rows &&
          table.expected.checksum !== table.found.checksum,
      )
      .map(({ name }) => name),
    structure: both
      .filter((table) => table.expected.structure !== table.found.structure)
      .map(({ name }) => name),
    triggers: differing(expected.triggers, found.triggers),
    routines: differing(expected.routines, found.routines),
    events: differing(expected.events, found.events),
    views: differing(expected.views, found.views),
    charset:
      charsets[0] === charsets[1]
        ? null
        : { expected: charsets[0] ?? '', found: charsets[1] ?? '' },
  };
}

function differing(expected: Record<string, string>, found: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  return names.filter((name) => {
    const [before, after] = [expected[name], found[name]];
    if (before === undefined || after === undefined) return true;
    // One side could not be read: that it is there is all that is known.
    return before !== after && before !== hidden && after !== hidden;
  });
}

/** Whether nothing differs. */
export function sameDatabases(differences: DatabaseDifferences): boolean {
  return Object.values(differences).every(
    (value) => value === null || (Array.isArray(value) && value.length === 0),
  );
}

/** Differences as sentences for messages, at most `limit` of them. */
export function describeDifferences(differences: DatabaseDifferences, limit = 5): string[] {
  const { charset } = differences;
  const named = (list: string[], what: string) => list.map((name) => `${what} ${name}`);
  return [
    ...named(differences.missingTables, 'missing table'),
    ...named(differences.extraTables, 'unknown table'),
    ...differences.rows.map(
      ({ table, expected, found }) => `table ${table} has ${found} rows instead of ${expected}`,
    ),
    ...named(differences.changed, 'other content in table'),
    ...named(differences.structure, 'other structure of table'),
    ...named(differences.triggers, 'trigger'),
    ...named(differences.routines, 'routine'),
    ...named(differences.events, 'event'),
    ...named(differences.views, 'view'),
    ...(charset === null ? [] : [`character set ${charset.found} instead of ${charset.expected}`]),
  ].slice(0, limit);
}
