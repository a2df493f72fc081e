import type { Finding } from './plan.ts';

export type DatabaseEngine = 'mysql' | 'mariadb';

/** What a database server says about itself. */
export interface DatabaseServer {
  engine: DatabaseEngine;
  /** As `SELECT VERSION()` gives it: `9.7.4`, `10.11.19-MariaDB-0+deb12u1`. */
  version: string;
  /** Modes of `@@GLOBAL.sql_mode`, upper case. */
  sqlModes: string[];
  maxConnections: number;
  requireSecureTransport: boolean;
  /** `@@GLOBAL.sql_require_primary_key`; false where the server has no such setting. */
  requirePrimaryKey: boolean;
  /** Whether `SELECT MD5('x')` works. */
  hasMd5: boolean;
  /** Default character set of the site's database; null when the database does not exist. */
  characterSet: string | null;
}

/** A release series and the day its support ends; `null` where the vendor ends it with the next release. */
interface Series {
  engine: DatabaseEngine;
  /** `major.minor`, compared numerically. */
  from: string;
  to: string;
  endOfLife: string;
}

/** Vendors' published ends of life: community support for MariaDB, extended support for MySQL. */
const seriesTable: Series[] = [
  { engine: 'mysql', from: '0.0', to: '5.6', endOfLife: '2021-02-05' },
  { engine: 'mysql', from: '5.7', to: '5.7', endOfLife: '2023-10-21' },
  { engine: 'mysql', from: '8.0', to: '8.0', endOfLife: '2026-04-30' },
  { engine: 'mysql', from: '8.1', to: '8.3', endOfLife: '2024-04-30' },
  { engine: 'mysql', from: '8.4', to: '8.4', endOfLife: '2032-04-30' },
  { engine: 'mysql', from: '9.0', to: '9.6', endOfLife: '2026-04-21' },
  { engine: 'mysql', from: '9.7', to: '9.7', endOfLife: '2034-04-30' },
  { engine: 'mariadb', from: '0.0', to: '10.4', endOfLife: '2024-06-18' },
  { engine: 'mariadb', from: '10.5', to: '10.5', endOfLife: '2025-06-24' },
  { engine: 'mariadb', from: '10.6', to: '10.6', endOfLife: '2026-07-06' },
  { engine: 'mariadb', from: '10.7', to: '10.10', endOfLife: '2023-11-17' },
  { engine: 'mariadb', from: '10.11', to: '10.11', endOfLife: '2028-02-16' },
  { engine: 'mariadb', from: '11.0', to: '11.3', endOfLife: '2025-02-21' },
  { engine: 'mariadb', from: '11.4', to: '11.4', endOfLife: '2029-05-29' },
  { engine: 'mariadb', from: '11.5', to: '11.7', endOfLife: '2025-06-04' },
  { engine: 'mariadb', from: '11.8', to: '11.8', endOfLife: '2028-06-04' },
];

/** What WordPress asks for: older servers lack what core uses. */
const minimum: Record<DatabaseEngine, string> = { mysql: '8.0', mariadb: '10.6' };

/**
 * Modes that WordPress does not switch off for its own sessions (it drops NO_ZERO_DATE, ONLY_FULL_GROUP_BY,
 * STRICT_TRANS_TABLES, STRICT_ALL_TABLES, TRADITIONAL and ANSI) and that break queries of core or plugins.
 */
const trapModes: Record<string, string> = {
  ANSI_QUOTES: 'text in double quotes is read as a column name, which plugins do not expect',
  NO_BACKSLASH_ESCAPES: 'WordPress escapes with backslashes, so quotes in values end the text',
  PIPES_AS_CONCAT: '|| joins text instead of meaning OR',
  IGNORE_SPACE: 'function names become reserved words',
  HIGH_NOT_PRECEDENCE: 'NOT a BETWEEN b AND c is read as (NOT a) BETWEEN b AND c',
};

/** `[major, minor]` of a version text. */
export function seriesOf(version: string): [number, number] {
  const match = /(\d+)\.(\d+)/.exec(version);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

function compare(a: [number, number], b: [number, number]): number {
  return a[0] - b[0] || a[1] - b[1];
}

/** The day (ISO date) on which a version's support ends, or null when the table does not know its series. */
export function endOfLife(engine: DatabaseEngine, version: string): string | null {
  const series = seriesOf(version);
  const row = seriesTable.find(
    (candidate) =>
      candidate.engine === engine &&
      compare(series, seriesOf(candidate.from)) >= 0 &&
      compare(series, seriesOf(candidate.to)) <= 0,
  );
  return row?.endOfLife ?? null;
}

/**
 * Connections the site may need at once: `replicas` pods with `pm.max_children` of the official image (5), twice while
 * a rollout runs, and ten for people and jobs.
 */
export function connectionsNeeded(replicas: number): number {
  return replicas * 5 * 2 + 10;
}

interface Context {
  /** ISO date of the observation. */
  today: string;
  replicas: number;
}

/** One row a hazard: when it is there, and what to say. */
const hazards: ((server: DatabaseServer, context: Context) => Finding | null)[] = [
  (server) =>
    server.hasMd5
      ? null
      : {
          id: 'database-md5-missing',
          level: 'warning',
          message: `${label(server)} has no SQL function MD5`,
          advice:
            'Search plugins and themes for MD5( in SQL before relying on them; core does not use it.',
          evidence: { version: server.version },
        },
  (server, { today }): Finding | null => {
    const end = endOfLife(server.engine, server.version);
    if (end === null) {
      return {
        id: 'database-version-unknown',
        level: 'info',
        message: `${label(server)} is of a series whose end of life is not known here`,
        advice: 'Look up its support with the vendor.',
        evidence: { version: server.version },
      };
    }
    if (end >= today) return null;
    return {
      id: 'database-end-of-life',
      level: 'warning',
      message: `${label(server)} gets no security fixes since ${end}`,
      advice: 'Plan the upgrade of the database; it is independent of this roadmap.',
      evidence: { version: server.version, endOfLife: end },
    };
  },
  (server) =>
    compare(seriesOf(server.version), seriesOf(minimum[server.engine])) >= 0
      ? null
      : {
          id: 'database-too-old',
          level: 'warning',
          message: `${label(server)} is older than ${minimum[server.engine]}, which WordPress recommends`,
          advice: 'Upgrade the database before moving the site.',
          evidence: { version: server.version, recommended: minimum[server.engine] },
        },
  (server) => {
    const traps = server.sqlModes.filter((mode) => mode in trapModes);
    if (traps.length === 0) return null;
    return {
      id: 'database-sql-mode',
      level: 'warning',
      message: `sql_mode holds ${traps.map((mode) => `${mode} (${trapModes[mode]})`).join('; ')}`,
      advice: 'Remove these modes from the server setting; WordPress does not do it itself.',
      evidence: { sqlModes: server.sqlModes },
    };
  },
  (server) =>
    server.requirePrimaryKey
      ? {
          id: 'database-requires-primary-key',
          level: 'warning',
          message: 'sql_require_primary_key is on: plugins that create tables without a key fail',
          advice: 'Switch it off, or try the installation of each plugin on a copy first.',
          evidence: { sqlRequirePrimaryKey: true },
        }
      : null,
  (server) =>
    server.characterSet === null || server.characterSet === 'utf8mb4'
      ? null
      : {
          id: 'database-character-set',
          level: 'warning',
          message: `The database's default character set is ${server.characterSet}, not utf8mb4`,
          advice: 'Set it to utf8mb4; new tables of plugins lose emoji and some scripts otherwise.',
          evidence: { characterSet: server.characterSet },
        },
  (server) =>
    server.requireSecureTransport
      ? null
      : {
          id: 'database-plain-possible',
          level: 'warning',
          message:
            'The server does not require TLS for everybody (require_secure_transport is off)',
          advice: 'Switch require_secure_transport on; until then each account must REQUIRE SSL.',
          evidence: { requireSecureTransport: false },
        },
  (server, { replicas }) =>
    server.maxConnections >= connectionsNeeded(replicas)
      ? null
      : {
          id: 'database-few-connections',
          level: 'warning',
          message: `max_connections is ${server.maxConnections}; ${replicas} replicas may need ${connectionsNeeded(replicas)}`,
          advice: 'Raise max_connections or lower pm.max_children before scaling out.',
          evidence: {
            maxConnections: server.maxConnections,
            needed: connectionsNeeded(replicas),
          },
        },
];

function label(server: DatabaseServer): string {
  return `${server.engine === 'mariadb' ? 'MariaDB' : 'MySQL'} ${server.version}`;
}

/** Everything about the server that a person should know before the site depends on it. */
export function databaseHazards(server: DatabaseServer, context: Context): Finding[] {
  return hazards.map((hazard) => hazard(server, context)).filter((finding) => finding !== null);
}
