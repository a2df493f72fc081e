/** What WordPress core needs on its own database, for running, installing and updating. */
export const requiredPrivileges = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'CREATE',
  'ALTER',
  'DROP',
  'INDEX',
] as const;

/** What common plugins and backups use besides. */
export const usefulPrivileges = [
  ...['LOCK TABLES', 'CREATE TEMPORARY TABLES', 'REFERENCES'],
  ...['SHOW VIEW', 'TRIGGER', 'EVENT', 'EXECUTE'],
] as const;

/**
 * What a dump of a whole database needs. Triggers, events and routines are not shown to an account without the privilege for
 * them: nobody would miss them, neither the dump nor what it is compared with.
 */
const dumpPrivileges = ['SELECT', 'LOCK TABLES', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'EXECUTE'];

/** Any of these shows routines as EXECUTE does; the last ones on the whole server. */
const showRoutines = ['CREATE ROUTINE', 'ALTER ROUTINE'];
const showRoutinesOfAll = ['SHOW_ROUTINE', 'SELECT'];

/** Privileges over the whole server that a site's account should not have. */
const administrative = [
  'ALL PRIVILEGES',
  'SUPER',
  'FILE',
  'PROCESS',
  'SHUTDOWN',
  'RELOAD',
  'CREATE USER',
];

export interface PrivilegeReport {
  sufficient: boolean;
  missing: string[];
  missingUseful: string[];
  /** Server-wide privileges beyond a site's needs. */
  excessive: string[];
  /** Roles granted to the account, which the caller must have expanded with `USING`. */
  roles: string[];
}

interface Grant {
  revoke: boolean;
  privileges: string[];
  /** `*.*`, `db.*` or `db.table`, unquoted, still with wildcards. */
  database: string;
  table: string;
}

/** Splits at commas outside parentheses: column lists stay with their privilege. */
function splitPrivileges(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let current = '';
  for (const character of text) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character === ',' && depth === 0) {
      parts.push(current.trim());
      current = '';
    } else {
      current += character;
    }
  }
  parts.push(current.trim());
  // A privilege on columns is not the privilege on the table.
  return parts.filter((part) => part !== '' && !part.includes('('));
}

// Names come in backquotes, or in double quotes where sql_mode has ANSI_QUOTES.
const name = '(?:`((?:[^`]|``)*)`|"((?:[^"]|"")*)"|([^\\s.`"]+))';
const grantLine = new RegExp(
  `^(GRANT|REVOKE)\\s+(.+?)\\s+ON\\s+(?:TABLE\\s+)?${name}\\.${name}\\s+(?:TO|FROM)\\s`,
  'is',
);
const quotedRole = '(?:`[^`]*`(?:@`[^`]*`)?|"[^"]*"(?:@"[^"]*")?)';
const roleLine = new RegExp(`^GRANT\\s+(${quotedRole}(?:\\s*,\\s*${quotedRole})*)\\s+TO\\s`, 'i');

function unquoted(back?: string, double?: string, plain?: string): string {
  return back?.replaceAll('``', '`') ?? double?.replaceAll('""', '"') ?? plain ?? '';
}

function parseGrant(line: string): Grant | null {
  const match = grantLine.exec(line);
  if (!match) return null;
  const [, verb = '', privileges = '', ...names] = match;
  return {
    revoke: verb.toUpperCase() === 'REVOKE',
    privileges: splitPrivileges(privileges.toUpperCase()),
    database: unquoted(names[0], names[1], names[2]),
    table: unquoted(names[3], names[4], names[5]),
  };
}

/** Whether a database name in a grant, where `%` and `_` are wildcards and `\` escapes, means the given database. */
export function grantMatches(pattern: string, database: string): boolean {
  if (pattern === '*') return true;
  const expression = pattern.replace(/\\([%_\\])|%|_|[^%_\\]+|\\/g, (part, escaped?: string) => {
    if (escaped !== undefined) return literal(escaped);
    if (part === '%') return '.*';
    if (part === '_') return '.';
    return literal(part);
  });
  return new RegExp(`^${expression}$`, 's').test(database);
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/**
 * What an account may do with a database, from the lines of `SHOW GRANTS` (with `USING` its roles, where it has any).
 * Lines may hold password hashes: nothing of them is returned but the names of privileges and roles.
 */
export function readGrants(lines: string[], database: string): PrivilegeReport {
  const { granted, serverWide, roles } = grantedOn(lines, database);
  const missing = requiredPrivileges.filter((name) => !granted.has(name));
  return {
    sufficient: missing.length === 0,
    missing,
    missingUseful: usefulPrivileges.filter((name) => !granted.has(name)),
    excessive: administrative.filter((name) => serverWide.has(name)),
    roles,
  };
}

/**
 * Privileges that an account lacks to dump all of a database, from the same lines; empty when it may.
 * `['TRIGGER', 'EVENT']`: grant these on the database.
 */
export function missingForDump(lines: string[], database: string): string[] {
  const { granted, serverWide } = grantedOn(lines, database);
  const seesRoutines =
    showRoutines.some((name) => granted.has(name)) ||
    ['ALL PRIVILEGES', ...showRoutinesOfAll].some((name) => serverWide.has(name));
  return dumpPrivileges.filter(
    (name) => !granted.has(name) && !(name === 'EXECUTE' && seesRoutines),
  );
}

interface Granted {
  /** On the database as a whole. */
  granted: Set<string>;
  /** On the whole server, as they are called there. */
  serverWide: Set<string>;
  roles: string[];
}

function grantedOn(lines: string[], database: string): Granted {
  const granted = new Set<string>();
  const serverWide = new Set<string>();
  const roles: string[] = [];
  const everything = [...new Set([...requiredPrivileges, ...usefulPrivileges, ...dumpPrivileges])];
  for (const line of lines) {
    const grant = parseGrant(line);
    if (!grant) {
      const role = roleLine.exec(line);
      if (role?.[1]) roles.push(...role[1].split(',').map((name) => name.trim()));
      continue;
    }
    if (grant.table !== '*' || !grantMatches(grant.database, database)) continue;
    const all = grant.privileges.some((name) => name === 'ALL PRIVILEGES' || name === 'ALL');
    const names = all ? everything : grant.privileges;
    for (const name of names) {
      if (grant.revoke) granted.delete(name);
      else granted.add(name);
    }
    if (grant.database === '*' && !grant.revoke) {
      for (const name of grant.privileges) serverWide.add(name);
    }
  }
  return { granted, serverWide, roles };
}
