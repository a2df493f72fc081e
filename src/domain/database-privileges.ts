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
export const usefulPrivileges = ['LOCK TABLES', 'CREATE TEMPORARY TABLES', 'REFERENCES'] as const;

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
  const granted = new Set<string>();
  const serverWide = new Set<string>();
  const roles: string[] = [];
  const everything = [...requiredPrivileges, ...usefulPrivileges];
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
      for (const name of administrative) {
        if (grant.privileges.includes(name)) serverWide.add(name);
      }
    }
  }
  const missing = requiredPrivileges.filter((name) => !granted.has(name));
  return {
    sufficient: missing.length === 0,
    missing,
    missingUseful: usefulPrivileges.filter((name) => !granted.has(name)),
    excessive: [...serverWide],
    roles,
  };
}
