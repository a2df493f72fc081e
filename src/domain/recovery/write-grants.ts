/** Which privileges let an account write, and how to take exactly those away and give them back. */

/** One line of `SHOW GRANTS` on a database, a table or everything. */
export interface Grant {
  /** `INSERT`, `ALL PRIVILEGES`, `UPDATE (name)`, … */
  privileges: string[];
  /** What it is on, names in backticks: `` `wordpress`.* ``. */
  level: string;
  withGrantOption: boolean;
}

/** Privileges with which nothing of a database changes. */
const harmless = new Set([
  'USAGE',
  'SELECT',
  'SHOW VIEW',
  'SHOW DATABASES',
  'PROCESS',
  'REPLICATION CLIENT',
  'REPLICATION SLAVE',
  'BINLOG MONITOR',
]);

/** What `ALL PRIVILEGES` holds besides them. */
const writing = [
  ...['INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER'],
  ...['CREATE TEMPORARY TABLES', 'LOCK TABLES', 'EXECUTE', 'CREATE VIEW', 'CREATE ROUTINE'],
  ...['ALTER ROUTINE', 'EVENT', 'TRIGGER'],
];

/** Reads what `SHOW GRANTS` prints, whatever quotes its mode has; lines about roles (`rolesOf`) and routines are left out. */
export function parseGrants(lines: readonly string[]): Grant[] {
  const name = '(?:`[^`]*`|"[^"]*"|\\*)';
  const pattern = new RegExp(`^GRANT (.+) ON (${name}\\.${name}) TO (.+)$`);
  return lines.flatMap((line) => {
    const [, privileges, level, rest] = pattern.exec(line) ?? [];
    if (privileges === undefined || level === undefined) return [];
    return [
      {
        privileges: privileges.split(/,\s*(?![^(]*\))/).map((each) => each.trim()),
        level: level.replaceAll('"', '`'),
        withGrantOption: /WITH GRANT OPTION/.test(rest ?? ''),
      },
    ];
  });
}

/** Roles that `SHOW GRANTS` says the account has, quoted as MySQL takes them: `` `writer`@`%` ``. */
export function rolesOf(lines: readonly string[]): string[] {
  const name = '(?:`[^`]*`|"[^"]*")';
  const role = `${name}@${name}`;
  const pattern = new RegExp(`^GRANT (${role}(?:, ?${role})*) TO `);
  return lines.flatMap((line) => {
    const [, roles] = pattern.exec(line) ?? [];
    return (roles?.match(new RegExp(role, 'g')) ?? []).map((each) => each.replaceAll('"', '`'));
  });
}

/** The privileges of a grant that must go for the account to be unable to write. */
export function writesOf({ privileges }: Grant): string[] {
  // Names with an underscore are administrative ones, which touch no table.
  const isWrite = (each: string) =>
    !harmless.has(each.replace(/ \(.*$/, '')) && !each.includes('_');
  return privileges.flatMap((each) =>
    /^ALL( PRIVILEGES)?$/.test(each) ? writing : isWrite(each) ? [each] : [],
  );
}

/** Statements that leave the account what reads. `account` is quoted already: `'wordpress'@'%'`. */
export function revocations(grants: readonly Grant[], account: string): string[] {
  return grants.flatMap((grant) => {
    const writes = writesOf(grant);
    return writes.length === 0
      ? []
      : [`REVOKE ${writes.join(', ')} ON ${grant.level} FROM ${account}`];
  });
}

/** Statements that give the account what it had. */
export function regrants(grants: readonly Grant[], account: string): string[] {
  return grants
    .filter((grant) => writesOf(grant).length > 0)
    .map(
      ({ privileges, level, withGrantOption }) =>
        `GRANT ${privileges.join(', ')} ON ${level} TO ${account}${withGrantOption ? ' WITH GRANT OPTION' : ''}`,
    );
}
