import type { Connection, RowDataPacket } from 'mysql2/promise';

/** An identifier in backticks; what is inside of them cannot end it. */
export function quoted(...names: string[]): string {
  return names.map((name) => `\`${name.replaceAll('`', '``')}\``).join('.');
}

/** Rows of a query; values go separately from the text. */
export async function rowsOf<T>(
  connection: Connection,
  sql: string,
  values: (string | number | null)[] = [],
): Promise<T[]> {
  const [rows] = await connection.query<RowDataPacket[]>(sql, values);
  return rows as T[];
}

/** Names of the tables of a schema; none when there is no such schema. */
export async function tablesOf(connection: Connection, schema: string): Promise<string[]> {
  const rows = await rowsOf<{ name: string }>(
    connection,
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME`,
    [schema],
  );
  return rows.map(({ name }) => name);
}

export async function schemaExists(connection: Connection, schema: string): Promise<boolean> {
  const rows = await rowsOf(
    connection,
    'SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?',
    [schema],
  );
  return rows.length > 0;
}

/** Default character set and collation of a schema, or null when it is not there. */
export async function charsetOf(
  connection: Connection,
  schema: string,
): Promise<{ charset: string; collation: string } | null> {
  const [row] = await rowsOf<{ charset: string; collation: string }>(
    connection,
    `SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation
      FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?`,
    [schema],
  );
  return row ?? null;
}

/** Makes a schema with the defaults of another one; one that is there stays as it is. */
export async function makeSchemaLike(
  connection: Connection,
  schema: string,
  model: string,
): Promise<void> {
  const like = await charsetOf(connection, model);
  const options =
    like === null ? '' : ` CHARACTER SET ${word(like.charset)} COLLATE ${word(like.collation)}`;
  await connection.query(`CREATE DATABASE IF NOT EXISTS ${quoted(schema)}${options}`);
}

/** A name of the server's own (a character set): letters, digits and underscores. */
export function word(name: string): string {
  if (!/^\w+$/.test(name)) throw new TypeError(`No name of a character set: ${name}`);
  return name;
}

/**
 * Refuses or allows every write to a schema, the administrator's own included. MariaDB and old versions cannot: then nobody
 * but those with rights on the schema writes there, and WordPress's account has none.
 * @returns whether the server does it.
 */
export async function setReadOnly(
  connection: Connection,
  schema: string,
  readOnly: boolean,
): Promise<boolean> {
  try {
    await connection.query(`ALTER DATABASE ${quoted(schema)} READ ONLY = ${readOnly ? 1 : 0}`);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ER_PARSE_ERROR' || code === 'ER_SYNTAX_ERROR') return false;
    throw error;
  }
}

export async function setReadOnlyIfThere(
  connection: Connection,
  schema: string,
  readOnly: boolean,
): Promise<void> {
  if (await schemaExists(connection, schema)) await setReadOnly(connection, schema, readOnly);
}

export async function isMariaDb(connection: Connection): Promise<boolean> {
  const [row] = await rowsOf<{ version: string }>(connection, 'SELECT VERSION() AS version');
  return /mariadb/i.test(row?.version ?? '');
}
