import { describe, expect, it } from 'vitest';
import {
  connectionsNeeded,
  databaseHazards,
  endOfLife,
  type DatabaseServer,
} from '../../../src/domain/database-hazards.ts';
import {
  grantMatches,
  missingForDump,
  readGrants,
} from '../../../src/domain/database-privileges.ts';

const sound: DatabaseServer = {
  engine: 'mysql',
  version: '8.4.6',
  sqlModes: ['NO_ENGINE_SUBSTITUTION'],
  maxConnections: 151,
  requireSecureTransport: true,
  requirePrimaryKey: false,
  hasMd5: true,
  characterSet: 'utf8mb4',
};

describe('hazards of a database server', () => {
  const cases: [string, Partial<DatabaseServer>, string[]][] = [
    ['a sound server has none', {}, []],
    ['no MD5', { version: '9.7.4', hasMd5: false }, ['database-md5-missing']],
    ['MySQL 8.0 after its end', { version: '8.0.43' }, ['database-end-of-life']],
    ['MySQL 5.7', { version: '5.7.44' }, ['database-end-of-life', 'database-too-old']],
    ['MariaDB 10.11', { engine: 'mariadb', version: '10.11.19-MariaDB-0+deb12u1' }, []],
    [
      'MariaDB 10.5',
      { engine: 'mariadb', version: '10.5.29-MariaDB' },
      ['database-end-of-life', 'database-too-old'],
    ],
    ['a series of the future', { version: '11.1.0' }, ['database-version-unknown']],
    [
      "the provider's default mode ANSI",
      { sqlModes: ['REAL_AS_FLOAT', 'PIPES_AS_CONCAT', 'ANSI_QUOTES', 'IGNORE_SPACE', 'ANSI'] },
      ['database-sql-mode'],
    ],
    ['modes that WordPress drops itself', { sqlModes: ['STRICT_ALL_TABLES', 'NO_ZERO_DATE'] }, []],
    ['primary keys required', { requirePrimaryKey: true }, ['database-requires-primary-key']],
    ['an old character set', { characterSet: 'latin1' }, ['database-character-set']],
    ['no database yet', { characterSet: null }, []],
    ['plain possible', { requireSecureTransport: false }, ['database-plain-possible']],
    ['few connections', { maxConnections: 20 }, ['database-few-connections']],
  ];
  it.each(cases)('%s', (_name, change, expected) => {
    const found = databaseHazards({ ...sound, ...change }, { today: '2026-11-23', replicas: 2 });
    expect(found.map(({ id }) => id)).toEqual(expected);
  });

  it('knows the day on which support ends, series by series', () => {
    expect(endOfLife('mysql', '9.3.0')).toBe('2026-04-21');
    expect(endOfLife('mariadb', '10.6.22-MariaDB')).toBe('2026-07-06');
    expect(endOfLife('mariadb', '12.0.2-MariaDB')).toBeNull();
  });

  it('asks for connections by replicas, doubled for a rollout', () => {
    expect(connectionsNeeded(2)).toBe(30);
  });
});

describe('privileges read from SHOW GRANTS', () => {
  const to = 'TO `wp`@`%`';
  const cases: [
    string,
    string[],
    { sufficient: boolean; missing?: string[]; excessive?: string[] },
  ][] = [
    [
      'everything on the database',
      [`GRANT USAGE ON *.* ${to}`, `GRANT ALL PRIVILEGES ON \`wordpress\`.* ${to}`],
      { sufficient: true, missing: [], excessive: [] },
    ],
    [
      'a list that is enough',
      [`GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER ON \`wordpress\`.* ${to}`],
      { sufficient: true },
    ],
    [
      'reading alone',
      [`GRANT SELECT ON \`wordpress\`.* ${to}`],
      {
        sufficient: false,
        missing: ['INSERT', 'UPDATE', 'DELETE', 'CREATE', 'ALTER', 'DROP', 'INDEX'],
      },
    ],
    ['another database', [`GRANT ALL PRIVILEGES ON \`other\`.* ${to}`], { sufficient: false }],
    [
      'one table',
      [`GRANT ALL PRIVILEGES ON \`wordpress\`.\`wp_posts\` ${to}`],
      { sufficient: false },
    ],
    [
      'names in double quotes, as in ANSI mode',
      ['GRANT USAGE ON *.* TO "wp"@"%"', 'GRANT ALL PRIVILEGES ON "wordpress".* TO "wp"@"%"'],
      { sufficient: true, missing: [], excessive: [] },
    ],
    ['a wildcard', [`GRANT ALL PRIVILEGES ON \`word%\`.* ${to}`], { sufficient: true }],
    ['an escaped wildcard', [`GRANT ALL PRIVILEGES ON \`word\\%\`.* ${to}`], { sufficient: false }],
    [
      'columns are not tables',
      [
        `GRANT SELECT, INSERT, UPDATE (\`a\`, \`b\`), DELETE, CREATE, DROP, INDEX, ALTER ON \`wordpress\`.* ${to}`,
      ],
      { sufficient: false, missing: ['UPDATE'] },
    ],
    [
      'a partial revoke',
      [`GRANT ALL PRIVILEGES ON *.* ${to}`, `REVOKE DROP ON \`wordpress\`.* FROM \`wp\`@\`%\``],
      { sufficient: false, missing: ['DROP'], excessive: ['ALL PRIVILEGES'] },
    ],
    [
      'the whole server, as MariaDB writes it with a hash',
      [
        "GRANT ALL PRIVILEGES ON *.* TO `wp`@`%` IDENTIFIED BY PASSWORD '*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29' WITH GRANT OPTION",
      ],
      { sufficient: true, excessive: ['ALL PRIVILEGES'] },
    ],
    ['nothing', [`GRANT USAGE ON *.* ${to} REQUIRE SSL`], { sufficient: false }],
  ];
  it.each(cases)('%s', (_name, lines, expected) => {
    const report = readGrants(lines, 'wordpress');
    expect(report).toMatchObject(expected);
    expect(JSON.stringify(report)).not.toContain('94BDCEBE');
  });

  const toDump: [string, string[], string[]][] = [
    ['everything on the database', [`GRANT ALL PRIVILEGES ON \`wordpress\`.* ${to}`], []],
    [
      'what WordPress itself needs',
      [`GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER ON \`wordpress\`.* ${to}`],
      ['LOCK TABLES', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'EXECUTE'],
    ],
    [
      'all but triggers',
      [`GRANT ALL PRIVILEGES ON *.* ${to}`, `REVOKE TRIGGER ON \`wordpress\`.* FROM \`wp\`@\`%\``],
      ['TRIGGER'],
    ],
    [
      'another way to see routines',
      [
        `GRANT SELECT, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT ON \`wordpress\`.* ${to}`,
        `GRANT SHOW_ROUTINE ON *.* ${to}`,
      ],
      [],
    ],
    [
      'all of it on the whole server',
      [`GRANT SELECT, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT ON *.* ${to}`],
      [],
    ],
  ];
  it.each(toDump)('for a dump: %s', (_name, lines, missing) => {
    expect(missingForDump(lines, 'wordpress')).toEqual(missing);
  });

  it('names roles, which have to be expanded', () => {
    expect(readGrants(['GRANT `app`@`%`,`ops`@`%` TO `wp`@`%`'], 'wordpress').roles).toEqual([
      '`app`@`%`',
      '`ops`@`%`',
    ]);
    expect(readGrants(['GRANT "app"@"%" TO "wp"@"%"'], 'wordpress').roles).toEqual(['"app"@"%"']);
  });

  it.each([
    ['wp_site', 'wp_site', true],
    ['wp_site', 'wpxsite', true],
    ['wp\\_site', 'wpxsite', false],
    ['wp\\_site', 'wp_site', true],
    ['%', 'anything', true],
    ['wp.site', 'wpxsite', false],
  ])('%s matches %s: %s', (pattern, name, expected) => {
    expect(grantMatches(pattern, name)).toBe(expected);
  });
});
