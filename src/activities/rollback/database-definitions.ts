import type { Connection } from 'mysql2/promise';
import { failure } from '../failure.ts';
import { quoted, rowsOf } from './sql.ts';

export type DefinitionKind = 'trigger' | 'view' | 'procedure' | 'function' | 'event';

/** How to make something of a schema that is not a table again, in whatever schema is chosen then. */
export interface Definition {
  kind: DefinitionKind;
  name: string;
  /** Without `CREATE` and definer: `TRIGGER …`. It names no schema of its own. */
  statement: string;
  /** `` `user`@`host` ``, or null. */
  definer: string | null;
  sqlMode: string | null;
  /** `collation_connection` when it was made; literals in it have this one. */
  collation: string | null;
  /** Of a trigger: its table, and its turn among those of the same event. */
  table: string | null;
  order: number;
}

/** Triggers, routines, events and views of a schema. @throws Forbidden when the account may not read one of them. */
export async function definitionsOf(connection: Connection, schema: string): Promise<Definition[]> {
  // Names come in backticks then, which are read the same in every mode.
  await connection.query("SET SESSION sql_mode = ''");
  return [
    ...(await triggersOf(connection, schema)),
    ...(await shownOf(connection, schema, 'procedure')),
    ...(await shownOf(connection, schema, 'function')),
    ...(await shownOf(connection, schema, 'view')),
    ...(await shownOf(connection, schema, 'event')),
  ];
}

/** Triggers of a schema, from the catalogue: the text that was typed may name a schema, and that must not come along. */
export async function triggersOf(connection: Connection, schema: string): Promise<Definition[]> {
  const rows = await rowsOf<Record<string, string> & { ordinal: number }>(
    connection,
    `SELECT TRIGGER_NAME AS name, ACTION_TIMING AS timing, EVENT_MANIPULATION AS event, EVENT_OBJECT_TABLE AS tableName,
      ACTION_STATEMENT AS body, DEFINER AS definer, SQL_MODE AS sqlMode,
      COLLATION_CONNECTION AS collation, ACTION_ORDER AS ordinal
      FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ? ORDER BY ACTION_ORDER, TRIGGER_NAME`,
    [schema],
  );
  return rows.map((row) => ({
    kind: 'trigger',
    name: row['name'] ?? '',
    statement: `TRIGGER ${quoted(row['name'] ?? '')} ${row['timing']} ${row['event']} ON ${quoted(row['tableName'] ?? '')} FOR EACH ROW ${(row['body'] ?? '').replace(/[\s;]+$/, '')}`,
    definer: quotedAccount(row['definer'] ?? null),
    sqlMode: row['sqlMode'] ?? '',
    collation: row['collation'] ?? null,
    table: row['tableName'] ?? null,
    order: row.ordinal,
  }));
}

const catalogue: Record<Exclude<DefinitionKind, 'trigger'>, string> = {
  procedure: `SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES
    WHERE ROUTINE_SCHEMA = ? AND ROUTINE_TYPE = 'PROCEDURE' ORDER BY ROUTINE_NAME`,
  function: `SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES
    WHERE ROUTINE_SCHEMA = ? AND ROUTINE_TYPE = 'FUNCTION' ORDER BY ROUTINE_NAME`,
  view: `SELECT TABLE_NAME AS name FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME`,
  event: `SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? ORDER BY EVENT_NAME`,
};

async function shownOf(
  connection: Connection,
  schema: string,
  kind: Exclude<DefinitionKind, 'trigger'>,
): Promise<Definition[]> {
  const names = await rowsOf<{ name: string }>(connection, catalogue[kind], [schema]);
  if (names.length === 0) return [];
  // Names in a view's text stand without their schema when it is the chosen one.
  await connection.query(`USE ${quoted(schema)}`);
  const found: Definition[] = [];
  for (const { name } of names) {
    const [row] = await rowsOf<Record<string, string | null>>(
      connection,
      `SHOW CREATE ${kind.toUpperCase()} ${quoted(name)}`,
    );
    const text = Object.entries(row ?? {}).find(([column]) => /^Create /i.test(column))?.[1];
    if (text == null) {
      throw failure('Forbidden', `The administrator's account may not read the ${kind} ${name}`);
    }
    found.push({
      kind,
      name,
      ...withoutDefiner(text),
      sqlMode: row?.['sql_mode'] ?? null,
      collation: row?.['collation_connection'] ?? null,
      table: null,
      order: 0,
    });
  }
  return found;
}

/** `CREATE [ALGORITHM=…] DEFINER=… [SQL SECURITY …] VIEW …` without the CREATE and the definer. */
function withoutDefiner(text: string): { statement: string; definer: string | null } {
  const found = /\bDEFINER\s*=\s*(`(?:[^`]|``)*`@`(?:[^`]|``)*`|\S+)\s*/i.exec(text);
  // A definer stands before the name; one that comes later belongs to the body.
  const before = found !== null && found.index < 120 ? found : null;
  const statement = (before === null ? text : text.replace(before[0], '')).replace(
    /^CREATE\s+/i,
    '',
  );
  // A semicolon at the end came with the client that made it; the server takes none.
  return { statement: statement.replace(/[\s;]+$/, ''), definer: before?.[1] ?? null };
}

/** `user@host` of the catalogue with quotes; the host has no @. */
function quotedAccount(account: string | null): string | null {
  const at = account?.lastIndexOf('@') ?? -1;
  if (account === null || at === -1) return null;
  return `${quoted(account.slice(0, at))}@${quoted(account.slice(at + 1))}`;
}

/** Same thing of the same definition; who defined it does not matter. */
export function sameDefinition(a: Definition, b: Definition): boolean {
  return a.kind === b.kind && a.name === b.name && a.statement === b.statement;
}

/** Removes one from a schema; one that is not there is no error. */
export async function dropDefinition(
  connection: Connection,
  schema: string,
  { kind, name }: Pick<Definition, 'kind' | 'name'>,
): Promise<void> {
  await connection.query(`DROP ${kind.toUpperCase()} IF EXISTS ${quoted(schema, name)}`);
}

export interface Made {
  /** Names of those that could not keep their definer, because the account may not act for it. */
  withoutTheirDefiner: string[];
  /** Views that need something which is not there, as they did before. */
  broken: string[];
}

/**
 * Makes them in a schema, in an order in which each finds what it needs. What is there under the name already is replaced,
 * but for triggers, of which an equal one stays.
 */
export async function createDefinitions(
  connection: Connection,
  schema: string,
  definitions: Definition[],
): Promise<Made> {
  const made: Made = { withoutTheirDefiner: [], broken: [] };
  if (definitions.length === 0) return made;
  const [own] = await rowsOf<{ mode: string }>(connection, 'SELECT @@SESSION.sql_mode AS mode');
  await connection.query(`USE ${quoted(schema)}`);
  let left = [...definitions].sort((a, b) => a.order - b.order);
  while (left.length > 0) {
    // A view may need another one that comes later in the list: as long as any succeeds, the rest is tried again.
    const again: Definition[] = [];
    for (const definition of left) {
      const done = await create(connection, schema, definition);
      if (done === 'needs-others') again.push(definition);
      if (done === 'without-definer') made.withoutTheirDefiner.push(definition.name);
    }
    if (again.length === left.length) {
      made.broken = again.map(({ name }) => name);
      break;
    }
    left = again;
  }
  await connection.query('SET SESSION sql_mode = ?', [own?.mode ?? '']);
  await connection.query('SET NAMES utf8mb4');
  return made;
}

/** What a view says that refers to a table, column or routine that is not there. */
const missingParts = [
  'ER_NO_SUCH_TABLE',
  'ER_VIEW_INVALID',
  'ER_BAD_FIELD_ERROR',
  'ER_SP_DOES_NOT_EXIST',
];

async function create(
  connection: Connection,
  schema: string,
  definition: Definition,
): Promise<'made' | 'without-definer' | 'needs-others'> {
  const { kind, name, collation, sqlMode } = definition;
  if (kind === 'trigger') {
    const there = (await triggersOf(connection, schema)).find((one) => one.name === name);
    if (there !== undefined && sameDefinition(there, definition)) return 'made';
  }
  await dropDefinition(connection, schema, definition);
  await connection.query('SET SESSION sql_mode = ?', [sqlMode ?? '']);
  if (collation !== null && /^utf8mb4_\w+$/.test(collation)) {
    await connection.query(`SET NAMES utf8mb4 COLLATE ${collation}`);
  }
  const definer = definition.definer === null ? '' : `DEFINER=${definition.definer} `;
  try {
    await connection.query(statementWith(definition, definer));
    return 'made';
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (kind === 'view' && missingParts.includes(code)) return 'needs-others';
    if (definer === '' || code !== 'ER_SPECIFIC_ACCESS_DENIED_ERROR') throw error;
    await connection.query(statementWith(definition, ''));
    return 'without-definer';
  }
}

/** A definer's place is right before the kind of thing, but for views, which have words before and after it. */
function statementWith({ kind, statement }: Definition, definer: string): string {
  if (kind !== 'view') return `CREATE ${definer}${statement}`;
  return `CREATE ${statement.replace(/\b(?=(SQL SECURITY \w+ )?VIEW\b)/i, definer)}`;
}
