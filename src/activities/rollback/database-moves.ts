import type { Connection } from 'mysql2/promise';
import { failure } from '../failure.ts';
import { pause } from '../activity-context.ts';
import {
  createDefinitions,
  dropDefinition,
  triggersOf,
  type Definition,
} from './database-definitions.ts';
import { journalTable, type Journal } from './database-journal.ts';
import { isMariaDb, quoted, tablesOf } from './sql.ts';

/** The three schemas of a rollback: the site's own, the restored one, and the one that keeps the old tables. */
export interface Schemas {
  live: string;
  staged: string;
  kept: string;
}

export interface Move {
  from: [schema: string, table: string];
  to: [schema: string, table: string];
}

/** Which tables are where. */
export interface Whereabouts {
  live: Set<string>;
  staged: Set<string>;
  kept: Set<string>;
}

export async function whereabouts(connection: Connection, schemas: Schemas): Promise<Whereabouts> {
  const of = async (schema: string) => new Set(await tablesOf(connection, schema));
  const kept = await of(schemas.kept);
  kept.delete(journalTable);
  return { live: await of(schemas.live), staged: await of(schemas.staged), kept };
}

/**
 * What is left of exchanging the tables: all of them before it, none after it. Pure. Where the tables are tells how far an
 * interrupted attempt came.
 */
export function movesToPoint(schemas: Schemas, { tables }: Journal, at: Whereabouts): Move[] {
  const { live, staged, kept } = schemas;
  const restored = new Set(tables.point);
  const out = tables.before.filter(
    (name) =>
      at.live.has(name) && !at.kept.has(name) && (!restored.has(name) || at.staged.has(name)),
  );
  const inwards = tables.point.filter((name) => at.staged.has(name));
  return [
    ...out.map((name): Move => ({ from: [live, name], to: [kept, name] })),
    ...inwards.map((name): Move => ({ from: [staged, name], to: [live, name] })),
  ];
}

/** The way back: what is kept goes to the site, and what stands there under a name of the point to the staged schema. */
export function movesBack(schemas: Schemas, { tables }: Journal, at: Whereabouts): Move[] {
  const { live, staged, kept } = schemas;
  const home = tables.before.filter((name) => at.kept.has(name));
  const own = new Set(tables.before);
  const out = [...new Set([...home, ...tables.point.filter((name) => !own.has(name))])].filter(
    (name) => at.live.has(name) && !at.staged.has(name),
  );
  return [
    ...out.map((name): Move => ({ from: [live, name], to: [staged, name] })),
    ...home.map((name): Move => ({ from: [kept, name], to: [live, name] })),
  ];
}

/** One statement for all of them: the server does it as a whole or not at all. */
export function renameStatement(moves: Move[]): string {
  const parts = moves.map(({ from, to }) => `${quoted(...from)} TO ${quoted(...to)}`);
  return `RENAME TABLE ${parts.join(', ')}`;
}

/** How long one attempt waits for queries that use the tables; every other query waits behind it meanwhile. */
const lockWaitSeconds = 5;
/** The same where triggers are away while it waits, because the server exchanges no locked tables. */
const unlockedWaitSeconds = 1;
const attempts = 6;

/**
 * Exchanges tables in one statement. A table with triggers cannot change its schema, so they are dropped before it and those
 * given are made after it. Where the server allows it (MySQL) all of it is under one lock, and nobody writes past a trigger.
 * MariaDB exchanges no locked tables: there the tables are waited for while the triggers stand, and an exchange that does not get
 * them at once after that puts the triggers back before it waits again.
 *
 * @throws Unavailable when queries hold the tables for too long; nothing has been exchanged then.
 */
export async function moveTables(
  connection: Connection,
  moves: Move[],
  triggers: { schema: string; definitions: Definition[] },
): Promise<{ milliseconds: number; locked: boolean }> {
  const obstacles = await triggersOn(connection, moves);
  const lockable = !(await isMariaDb(connection));
  for (let attempt = 1; ; attempt += 1) {
    try {
      await waitFor(connection, lockWaitSeconds);
      return await move(connection, moves, { obstacles, triggers, lockable });
    } catch (error) {
      // A connection that broke has let go of its locks already, and what it dropped is in the journal.
      await connection.query('UNLOCK TABLES').catch(() => undefined);
      const { code } = error as { code?: string };
      if (code !== 'ER_LOCK_WAIT_TIMEOUT') throw error;
      await putBack(connection, obstacles);
      if (attempt === attempts) {
        throw failure(
          'Unavailable',
          `Queries hold the tables for longer than ${attempts} times ${lockWaitSeconds} s; nothing was exchanged`,
        );
      }
    }
    // Whoever waited behind this attempt gets on first.
    await pause(1_000);
  }
}

const waitFor = (connection: Connection, seconds: number) =>
  connection.query(`SET SESSION lock_wait_timeout = ${seconds}`);

interface Obstacle {
  schema: string;
  trigger: Definition;
}

async function move(
  connection: Connection,
  moves: Move[],
  {
    obstacles,
    triggers,
    lockable,
  }: {
    obstacles: Obstacle[];
    triggers: { schema: string; definitions: Definition[] };
    lockable: boolean;
  },
) {
  const none = obstacles.length === 0 && triggers.definitions.length === 0;
  const started = performance.now();
  const free = !none && (await lockTables(connection, moves));
  const locked = free && lockable;
  if (free && !lockable) await connection.query('UNLOCK TABLES');
  const bare = !none && !locked;
  if (bare) await waitFor(connection, unlockedWaitSeconds);
  for (const { schema, trigger } of obstacles) await dropDefinition(connection, schema, trigger);
  await connection.query(renameStatement(moves));
  if (bare) await waitFor(connection, lockWaitSeconds);
  if (locked) {
    // Under the lock only triggers of tables that have just been moved can be made; others were there before.
    const moved = new Set(
      moves.filter(({ to }) => to[0] === triggers.schema).map(({ to }) => to[1]),
    );
    const now = triggers.definitions.filter(({ table }) => table !== null && moved.has(table));
    await createDefinitions(connection, triggers.schema, now).catch(ignoreLockedTable);
    await connection.query('UNLOCK TABLES');
  }
  const milliseconds = Math.round(performance.now() - started);
  return { milliseconds, locked: locked || none };
}

/** Triggers that were dropped for an exchange that did not come; one whose table is held by then comes with the next attempt. */
async function putBack(connection: Connection, obstacles: Obstacle[]): Promise<void> {
  for (const schema of new Set(obstacles.map((each) => each.schema))) {
    const own = obstacles.filter((each) => each.schema === schema).map(({ trigger }) => trigger);
    await createDefinitions(connection, schema, own).catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'ER_LOCK_WAIT_TIMEOUT') throw error;
    });
  }
}

/** Whether the tables are locked, and so nobody else's: one whose trigger is broken cannot be, and is exchanged without. */
async function lockTables(connection: Connection, moves: Move[]): Promise<boolean> {
  const list = moves.map(({ from }) => `${quoted(...from)} WRITE`);
  try {
    await connection.query(`LOCK TABLES ${list.join(', ')}`);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== 'ER_NO_SUCH_TABLE') throw error;
    return false;
  }
}

/** What a trigger reads may not be locked; it is made right after the lock then. */
function ignoreLockedTable(error: unknown): void {
  const { code } = error as { code?: string };
  if (code !== 'ER_TABLE_NOT_LOCKED' && code !== 'ER_TABLE_NOT_LOCKED_FOR_WRITE') throw error;
}

async function triggersOn(connection: Connection, moves: Move[]): Promise<Obstacle[]> {
  const schemas = [...new Set(moves.map(({ from }) => from[0]))];
  const found: Obstacle[] = [];
  for (const schema of schemas) {
    const moving = new Set(
      moves.filter(({ from }) => from[0] === schema).map(({ from }) => from[1]),
    );
    for (const trigger of await triggersOf(connection, schema)) {
      if (trigger.table !== null && moving.has(trigger.table)) found.push({ schema, trigger });
    }
  }
  return found;
}
