/** Proves which rights a read-only account loses, and that it gets exactly those back. Real servers: test/activities. */
import { expect, test } from 'vitest';
import {
  parseGrants,
  regrants,
  revocations,
  rolesOf,
  writesOf,
} from '../../../src/domain/recovery/write-grants.ts';

const account = "'wordpress'@'%'";

test.each([
  [
    'everything on one database, in a server with ANSI quotes',
    [
      'GRANT USAGE ON *.* TO "wordpress"@"%"',
      'GRANT ALL PRIVILEGES ON "wordpress".* TO "wordpress"@"%"',
    ],
    [expect.stringMatching(/^REVOKE INSERT, UPDATE, DELETE, .*TRIGGER ON `wordpress`\.\* FROM/)],
    ["GRANT ALL PRIVILEGES ON `wordpress`.* TO 'wordpress'@'%'"],
  ],
  [
    'a managed user’s rights on everything, with dynamic ones',
    [
      'GRANT SELECT, INSERT, SHOW DATABASES, CREATE TEMPORARY TABLES ON *.* TO `wordpress`@`%` WITH GRANT OPTION',
      'GRANT ROLE_ADMIN,XA_RECOVER_ADMIN ON *.* TO `wordpress`@`%`',
    ],
    ["REVOKE INSERT, CREATE TEMPORARY TABLES ON *.* FROM 'wordpress'@'%'"],
    [
      "GRANT SELECT, INSERT, SHOW DATABASES, CREATE TEMPORARY TABLES ON *.* TO 'wordpress'@'%' WITH GRANT OPTION",
    ],
  ],
  [
    'columns of one table',
    ['GRANT SELECT, UPDATE (`name`, `text`) ON `wordpress`.`entries` TO `wordpress`@`%`'],
    ["REVOKE UPDATE (`name`, `text`) ON `wordpress`.`entries` FROM 'wordpress'@'%'"],
    ["GRANT SELECT, UPDATE (`name`, `text`) ON `wordpress`.`entries` TO 'wordpress'@'%'"],
  ],
  ['reading alone', ['GRANT SELECT, SHOW VIEW ON `wordpress`.* TO `wordpress`@`%`'], [], []],
  ['a role', ['GRANT `editor`@`%` TO `wordpress`@`%`'], [], []],
])('%s', (_, lines, taken, given) => {
  const grants = parseGrants(lines);
  expect(revocations(grants, account)).toEqual(taken);
  expect(regrants(grants, account)).toEqual(given);
});

test('reading is never taken', () => {
  const all = parseGrants(['GRANT ALL PRIVILEGES ON `a`.* TO `b`@`%`']).flatMap(writesOf);
  expect(all).toContain('INSERT');
  expect(all).not.toContain('SELECT');
  expect(all).not.toContain('SHOW VIEW');
});

test('roles are named as MySQL takes them, and nothing else is one', () => {
  expect(
    rolesOf([
      'GRANT `editor`@`%`,`writer`@`%` TO `wordpress`@`%`',
      'GRANT "reader"@"10.%" TO "wordpress"@"%" WITH ADMIN OPTION',
      'GRANT SELECT ON `a`.* TO `wordpress`@`%`',
      'GRANT PROXY ON `a`@`%` TO `wordpress`@`%`',
    ]),
  ).toEqual(['`editor`@`%`', '`writer`@`%`', '`reader`@`10.%`']);
});
