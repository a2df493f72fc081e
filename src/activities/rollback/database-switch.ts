import type { Connection } from 'mysql2/promise';
import { failure } from '../failure.ts';
import {
  createDefinitions,
  definitionsOf,
  dropDefinition,
  sameDefinition,
  type Definition,
  type Made,
} from './database-definitions.ts';
import { markJournal, readJournal, writeJournal, type Journal } from './database-journal.ts';
import {
  moveTables,
  movesBack,
  movesToPoint,
  whereabouts,
  type Schemas,
} from './database-moves.ts';
import {
  charsetOf,
  makeSchemaLike,
  quoted,
  setReadOnly,
  setReadOnlyIfThere,
  tablesOf,
  word,
} from './sql.ts';

export type { Schemas } from './database-moves.ts';

export interface Switched {
  /** Tables that came from the point, and that went to the kept schema. */
  tables: number;
  kept: number;
  /** How long queries of visitors may have waited; null when an earlier attempt had exchanged the tables. */
  milliseconds: number | null;
  /**
   * Nobody could write between the exchange of the tables and that of their triggers, or there are none; null when an earlier
   * attempt had exchanged them.
   */
  triggersUnderLock: boolean | null;
  /** The server refuses writes to the kept schema, the administrator's too. */
  readOnly: boolean;
  /** Things that now act for the administrator, because its account may not act for their definers. */
  withoutTheirDefiner: string[];
  /** Views that need something which is not there. */
  brokenViews: string[];
}

/**
 * Puts the restored tables in the place of the site's, by one statement, and keeps the site's in a schema of their own.
 * Triggers, routines, events, views and the schema's character set follow. A schema of the site that is gone is made again. Run again after any interruption it goes on
 * where that happened.
 *
 * @param now ISO 8601
 * @throws PreconditionFailed when there is nothing restored.
 */
export async function switchToPoint(
  connection: Connection,
  schemas: Schemas,
  now: string,
): Promise<Switched> {
  const { live, staged, kept } = schemas;
  let journal = await readJournal(connection, kept);
  if (journal?.finishedAt == null) {
    await setReadOnlyIfThere(connection, kept, false);
    journal = await note(connection, schemas, journal);
    await markJournal(connection, kept, 'returnedAt', null);
  }
  const moves = movesToPoint(schemas, journal, await whereabouts(connection, schemas));
  let moved: { milliseconds: number; locked: boolean } | null = null;
  const triggers = journal.definitions.point.filter(({ kind }) => kind === 'trigger');
  if (moves.length > 0) {
    await setReadOnlyIfThere(connection, kept, false);
    await markJournal(connection, kept, 'switchingAt', now);
    // The schema itself may be what was lost.
    await makeSchemaLike(connection, live, staged);
    moved = await moveTables(connection, moves, { schema: live, definitions: triggers });
  }
  let made: Made = { withoutTheirDefiner: [], broken: [] };
  if (journal.finishedAt === null || moves.length > 0) {
    made = await settle(connection, live, journal, 'point');
    if ((await tablesOf(connection, staged)).length === 0) {
      await connection.query(`DROP DATABASE IF EXISTS ${quoted(staged)}`);
    }
    await markJournal(connection, kept, 'finishedAt', now);
  }
  const readOnly = await setReadOnly(connection, kept, true);
  return {
    tables: journal.tables.point.length,
    kept: journal.tables.before.length,
    milliseconds: moved?.milliseconds ?? null,
    triggersUnderLock: moved?.locked ?? null,
    readOnly,
    withoutTheirDefiner: made.withoutTheirDefiner,
    brokenViews: made.broken,
  };
}

/**
 * The way back: the kept tables become the site's again by one statement, and those that were restored go back to their own
 * schema with all that visitors wrote meanwhile. Also puts triggers back that an interrupted switch has dropped. A schema that
 * was gone before is gone again.
 */
export async function switchBack(
  connection: Connection,
  schemas: Schemas,
  now: string,
): Promise<{ switched: boolean; tables: number; milliseconds: number | null }> {
  const { live, staged, kept } = schemas;
  const journal = await readJournal(connection, kept);
  if (journal === null) return { switched: false, tables: 0, milliseconds: null };
  if (journal.returnedAt !== null) {
    return { switched: true, tables: journal.tables.before.length, milliseconds: null };
  }
  await setReadOnly(connection, kept, false);
  const moves = movesBack(schemas, journal, await whereabouts(connection, schemas));
  let milliseconds: number | null = null;
  if (moves.length > 0) {
    await markJournal(connection, kept, 'leftAt', now);
    await makeSchemaLike(connection, staged, live);
    const definitions = journal.definitions.before.filter(({ kind }) => kind === 'trigger');
    ({ milliseconds } = await moveTables(connection, moves, { schema: live, definitions }));
  }
  await settle(connection, live, journal, 'before');
  if (journal.charset.before === null) await dropIfEmpty(connection, live, journal);
  await markJournal(connection, kept, 'finishedAt', null);
  await markJournal(connection, kept, 'returnedAt', now);
  return {
    switched: journal.switchingAt !== null,
    tables: journal.tables.before.length,
    milliseconds,
  };
}

/**
 * There was no such schema before; what somebody has made in it since stays. What the switch has made is told by its name:
 * MariaDB shows another statement for a view whose tables are gone.
 */
async function dropIfEmpty(
  connection: Connection,
  schema: string,
  { definitions }: Journal,
): Promise<void> {
  const isOurs = ({ kind, name }: Definition) =>
    definitions.point.some((made) => made.kind === kind && made.name === name);
  if ((await tablesOf(connection, schema)).length > 0) return;
  if (!(await definitionsOf(connection, schema)).every(isOurs)) return;
  await connection.query(`DROP DATABASE IF EXISTS ${quoted(schema)}`);
}

/** Writes down both sides as they are now. Once tables have moved, the lists of before stay. */
async function note(
  connection: Connection,
  schemas: Schemas,
  earlier: Journal | null,
): Promise<Journal> {
  const { live, staged, kept } = schemas;
  const at = await whereabouts(connection, schemas);
  const begun =
    earlier !== null &&
    (at.kept.size > 0 || (at.staged.size === 0 && earlier.tables.point.length > 0));
  if (begun) return earlier;
  if (at.staged.size === 0) {
    throw failure('PreconditionFailed', `Nothing is restored in the schema ${staged}`);
  }
  await makeSchemaLike(connection, kept, live);
  const before = await definitionsOf(connection, live);
  const point = await definitionsOf(connection, staged);
  await writeJournal(connection, kept, {
    tables: { before: [...at.live].sort(), point: [...at.staged].sort() },
    definitions: { before, point: point.map((one) => enabledAs(one, before)) },
    charset: {
      // An interrupted attempt may have made it.
      before: earlier === null ? await charsetOf(connection, live) : earlier.charset.before,
      point: await charsetOf(connection, staged),
    },
  });
  const written = await readJournal(connection, kept);
  if (written === null) throw failure('Unavailable', `The journal in ${kept} is gone`);
  return written;
}

const eventStatus = /\b(ON COMPLETION (?:NOT )?PRESERVE) (ENABLE|DISABLE)\b/;

/**
 * Restored events come disabled, or they would run beside the site's. In the site's schema one runs again where the site's own of
 * that name does; one that the site has not stays disabled, for nobody can tell whether it should run.
 */
export function enabledAs(restored: Definition, site: Definition[]): Definition {
  if (restored.kind !== 'event') return restored;
  const own = site.find(({ kind, name }) => kind === 'event' && name === restored.name);
  if (own === undefined || eventStatus.exec(own.statement)?.[2] !== 'ENABLE') return restored;
  return { ...restored, statement: restored.statement.replace(eventStatus, '$1 ENABLE') };
}

/** Makes everything of the site's schema that is not a table as one side of the journal has it. */
async function settle(
  connection: Connection,
  live: string,
  journal: Journal,
  side: 'before' | 'point',
): Promise<Made> {
  const wanted = journal.definitions[side];
  const now = await definitionsOf(connection, live);
  const known = [...journal.definitions.before, ...journal.definitions.point];
  const isKnown = (one: Definition) => known.some((other) => sameDefinition(one, other));
  const wrong = now.filter(
    (one) => isKnown(one) && !wanted.some((other) => sameDefinition(one, other)),
  );
  for (const definition of wrong) await dropDefinition(connection, live, definition);
  const missing = wanted.filter((one) => !now.some((other) => sameDefinition(one, other)));
  const made = await createDefinitions(connection, live, missing);
  const charset = journal.charset[side];
  const found = await charsetOf(connection, live);
  if (charset !== null && charset.collation !== found?.collation) {
    await connection.query(
      `ALTER DATABASE ${quoted(live)} CHARACTER SET ${word(charset.charset)} COLLATE ${word(charset.collation)}`,
    );
  }
  return made;
}
