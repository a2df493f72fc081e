/** Proves how the sandbox's database servers are chosen, found and set up; that they run is the end-to-end tests' matter. */
import { expect, test } from 'vitest';
import { hasSeries } from '../../../deploy/sandbox/components/mysql-packages.ts';
import { foldersBelow } from '../../../deploy/sandbox/components/mysql-root.ts';
import {
  initialStatements,
  selectedEngine,
  serverSettings,
  sqlString,
} from '../../../deploy/sandbox/components/mysql-server.ts';

test.each([
  ['9.7.4-2', '9.7', true],
  ['9.70.1-1', '9.7', false],
  ['1:10.11.18-0+deb12u1', '10.11', true],
  ['1:11.8.9+ds-4', '10.11', false],
])('version %s is of series %s: %s', (version, series, expected) => {
  expect(hasSeries(version, series)).toBe(expected);
});

test('MySQL is the default, MariaDB can be selected, anything else is refused', () => {
  expect(selectedEngine('')).toBe('mysql');
  expect(selectedEngine('mariadb')).toBe('mariadb');
  expect(() => selectedEngine('postgres')).toThrow('mysql or mariadb');
});

test('both servers demand TLS and listen where they are told', () => {
  for (const engine of ['mysql', 'mariadb'] as const) {
    const settings = serverSettings(engine, {
      ...{ addresses: ['127.0.0.1', '10.85.0.1'], port: 13306 },
      ...{ folders: foldersBelow('/server'), basedir: '/usr', user: { name: 'mysql' } },
      extra: ['max_connections=75'],
    });
    // A later line wins over an earlier one.
    expect(settings.lastIndexOf('max_connections=75')).toBeGreaterThan(
      settings.indexOf('max_connections=150'),
    );
    expect(settings).toContain('\ndatadir=/server/data\n');
    expect(settings).toContain('\nrequire_secure_transport=ON\n');
    expect(settings).toContain('\nbind-address=127.0.0.1,10.85.0.1\nport=13306\n');
    expect(settings).toContain('\nlog-bin=binlog\n');
  }
});

test('WordPress’s user reaches its own database alone and needs TLS', () => {
  const credentials = { databaseAdminPassword: 'admin-pw', wordpressDatabasePassword: 'wp-pw' };
  for (const engine of ['mysql', 'mariadb'] as const) {
    const lines = initialStatements(engine, credentials).split('\n');
    const about = lines.filter((line) => line.includes("'wordpress'@"));
    expect(about).toEqual([
      "CREATE USER 'wordpress'@'%' IDENTIFIED BY 'wp-pw' REQUIRE SSL;",
      "GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%';",
    ]);
  }
});

test('a password that would need escaping is refused', () => {
  expect(sqlString('aB3_-')).toBe("'aB3_-'");
  expect(() => sqlString("x'; DROP")).toThrow('escaped');
});
