import type { Connection } from 'mysql2/promise';
import type { Definition } from './database-definitions.ts';
import { quoted, rowsOf, schemaExists, tablesOf } from './sql.ts';

/** Table in the kept schema that says what is switched; everything that a crash must not forget is in it. */
export const journalTable = 'presslift_journal';

/** `before`: what the site had. `point`: what was restored. */
export type Side = 'before' | 'point';

export interface Journal {
  tables: Record<Side, string[]>;
  definitions: Record<Side, Definition[]>;
  /** `before` is null where the site's schema was gone. */
  charset: Record<Side, { charset: string; collation: string } | null>;
  /** ISO 8601; written before the tables are exchanged, so that nothing written after it is missed. */
  switchingAt: string | null;
  finishedAt: string | null;
  /** Written before tables that served the site leave it: visitors may have written to them whatever they write to. */
  leftAt: string | null;
  returnedAt: string | null;
}

type Mark = 'switchingAt' | 'finishedAt' | 'leftAt' | 'returnedAt';

/** The journal of a rollback, or null when it has begun nothing. */
export async function readJournal(connection: Connection, kept: string): Promise<Journal | null> {
  if (!(await schemaExists(connection, kept))) return null;
  if (!(await tablesOf(connection, kept)).includes(journalTable)) return null;
  const rows = await rowsOf<{ kind: string; side: Side; name: string; body: string }>(
    connection,
    `SELECT kind, side, name, body FROM ${quoted(kept, journalTable)} ORDER BY kind, side, name`,
  );
  const of = <T>(kind: string, side: string) =>
    rows
      .filter((row) => row.kind === kind && row.side === side)
      .map(({ body }) => JSON.parse(body) as T);
  const mark = (name: Mark) =>
    rows.find((row) => row.kind === 'mark' && row.name === name)?.body ?? null;
  return {
    tables: { before: of<string>('table', 'before'), point: of<string>('table', 'point') },
    definitions: {
      before: of<Definition>('definition', 'before'),
      point: of<Definition>('definition', 'point'),
    },
    charset: {
      before: of<{ charset: string; collation: string }>('charset', 'before')[0] ?? null,
      point: of<{ charset: string; collation: string }>('charset', 'point')[0] ?? null,
    },
    switchingAt: mark('switchingAt'),
    finishedAt: mark('finishedAt'),
    leftAt: mark('leftAt'),
    returnedAt: mark('returnedAt'),
  };
}

/**
 * Notes what there is on both sides. Definitions that are noted already stay: a trigger that an interrupted attempt has
 * dropped is in the journal alone.
 */
export async function writeJournal(
  connection: Connection,
  kept: string,
  journal: Pick<Journal, 'tables' | 'definitions' | 'charset'>,
): Promise<void> {
  const at = quoted(kept, journalTable);
  await connection.query(
    `CREATE TABLE IF NOT EXISTS ${at} (
      kind VARCHAR(16) NOT NULL, side VARCHAR(8) NOT NULL, name VARCHAR(200) NOT NULL, body LONGTEXT NOT NULL,
      PRIMARY KEY (kind, side, name)
    ) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
  );
  const rows: [string, Side, string, string][] = [];
  for (const side of ['before', 'point'] as const) {
    for (const name of journal.tables[side]) {
      rows.push(['table', side, name, JSON.stringify(name)]);
    }
    for (const definition of journal.definitions[side]) {
      const name = `${definition.kind} ${definition.name}`;
      rows.push(['definition', side, name, JSON.stringify(definition)]);
    }
    rows.push(['charset', side, '', JSON.stringify(journal.charset[side])]);
  }
  await connection.query('START TRANSACTION');
  await connection.query(`DELETE FROM ${at} WHERE kind = 'table'`);
  await connection.query(
    `INSERT INTO ${at} (kind, side, name, body) VALUES ? ON DUPLICATE KEY UPDATE body = VALUES(body)`,
    [rows],
  );
  await connection.query('COMMIT');
}

/** Notes when something happened; null takes it away. */
export async function markJournal(
  connection: Connection,
  kept: string,
  mark: Mark,
  at: string | null,
): Promise<void> {
  const table = quoted(kept, journalTable);
  if (at === null) {
    await connection.query(`DELETE FROM ${table} WHERE kind = 'mark' AND name = ?`, [mark]);
    return;
  }
  await connection.query(
    `INSERT INTO ${table} (kind, side, name, body) VALUES ('mark', '', ?, ?)
      ON DUPLICATE KEY UPDATE body = VALUES(body)`,
    [mark, at],
  );
}
