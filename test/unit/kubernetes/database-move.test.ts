/** Proves what of a pod template names its database, and that a move can be taken back. */
import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import {
  databaseHosts,
  isDatabaseAt,
  movedTemplate,
  returnedTemplate,
  sameDatabaseHosts,
} from '../../../src/domain/kubernetes/database-move.ts';
import { forkNames } from '../../../src/domain/recovery/database-fork.ts';

const move = {
  host: 'fork.example.com:25060',
  secrets: { 'site-db': 'fork-db', 'site-ca': 'fork-ca' },
};

/** Every way in which a pod can be told of its database, and things beside that look alike. */
function template(): V1PodTemplateSpec {
  const password = { secretKeyRef: { name: 'site-db', key: 'password' } };
  return {
    metadata: { labels: { app: 'wordpress' } },
    spec: {
      initContainers: [
        {
          name: 'php',
          env: [
            { name: 'WORDPRESS_DB_HOST', value: 'db.example.com:25060' },
            { name: 'WORDPRESS_DB_PASSWORD', valueFrom: password },
            { name: 'OTHER_HOST', value: 'db.example.com:25060' },
          ],
          envFrom: [{ secretRef: { name: 'salts' } }, { secretRef: { name: 'site-db' } }],
        },
      ],
      containers: [
        {
          name: 'cron',
          env: [
            { name: 'WORDPRESS_DB_HOST', valueFrom: { configMapKeyRef: { name: 'c', key: 'h' } } },
            { name: 'MAIL', valueFrom: { secretKeyRef: { name: 'mail', key: 'password' } } },
          ],
        },
        { name: 'web' },
      ],
      volumes: [
        { name: 'ca', secret: { secretName: 'site-ca', defaultMode: 420 } },
        { name: 'both', projected: { sources: [{ secret: { name: 'site-db' } }] } },
        { name: 'salts', secret: { secretName: 'salts' } },
        { name: 'files', persistentVolumeClaim: { claimName: 'site-db' } },
      ],
    },
  };
}

test('host and Secrets are exchanged wherever they stand, and nothing else', () => {
  const before = template();
  const { template: after, hosts, named } = movedTemplate(before, move);
  expect(before).toEqual(template());
  const host = { name: 'WORDPRESS_DB_HOST', value: move.host };
  const [php] = after.spec!.initContainers!;
  const [cron] = after.spec!.containers;
  expect(php!.env).toEqual([
    host,
    {
      name: 'WORDPRESS_DB_PASSWORD',
      valueFrom: { secretKeyRef: { name: 'fork-db', key: 'password' } },
    },
    { name: 'OTHER_HOST', value: 'db.example.com:25060' },
  ]);
  expect(php!.envFrom).toEqual([
    { secretRef: { name: 'salts' } },
    { secretRef: { name: 'fork-db' } },
  ]);
  expect(cron!.env).toEqual([host, before.spec!.containers[0]!.env![1]]);
  expect(after.spec!.volumes).toEqual([
    { name: 'ca', secret: { secretName: 'fork-ca', defaultMode: 420 } },
    { name: 'both', projected: { sources: [{ secret: { name: 'fork-db' } }] } },
    ...before.spec!.volumes!.slice(2),
  ]);
  expect(named.sort()).toEqual(['site-ca', 'site-db']);
  expect(hosts.map(({ container }) => container)).toEqual(['php', 'cron']);
  expect(databaseHosts(after)).toEqual([move.host]);
});

test('the way back keeps what has changed otherwise since', () => {
  const { template: after, hosts } = movedTemplate(template(), move);
  expect(returnedTemplate(after, move, hosts)).toEqual(template());
  after.spec!.containers[1]!.image = 'new';
  const back = returnedTemplate(after, move, hosts);
  expect(back.spec!.containers[1]!.image).toBe('new');
  back.spec!.containers[1] = { name: 'web' };
  expect(back).toEqual(template());
});

test('moving twice is moving once', () => {
  const { template: once } = movedTemplate(template(), move);
  expect(movedTemplate(once, move).template).toEqual(once);
});

test('names of a fork are its operation’s, and fit the provider', () => {
  const site = { name: 'a-very-long-name-of-a-site-that-nobody-would-want-to-type' };
  const names = forkNames(site, 'acme/rollback/20261123T180000Z', '2026-11-23T18:00:00Z');
  expect(names.cluster).toMatch(/^[a-z][a-z0-9-]{1,61}[a-z0-9]$/);
  expect(names.cluster).toContain('20261123t180000z');
  expect(forkNames(site, 'acme/rollback/other', '2026-11-23T18:00:00Z')).not.toEqual(names);
});

const table: [string, boolean][] = [
  ['db.example.com:25060', true],
  ['DB.example.com:25060', true],
  ['db.example.com', false],
  ['db.example.com:3306', false],
  ['other.example.com:25060', false],
];
test.each(table)('a database may be named %s: %s', (value, expected) => {
  expect(isDatabaseAt(value, { host: 'db.example.com', port: 25060 })).toBe(expected);
});

test('a name without a port is that of MySQL', () => {
  expect(isDatabaseAt('db.example.com', { host: 'db.example.com', port: 3306 })).toBe(true);
  expect(isDatabaseAt('db.example.com:/run/sock', { host: 'db.example.com', port: 3306 })).toBe(
    true,
  );
});

test('templates are compared by the hosts that they name, and one that names none is no other', () => {
  const of = (value: string) => ({
    spec: { containers: [{ name: 'php', env: [{ name: 'WORDPRESS_DB_HOST', value }] }] },
  });
  expect(sameDatabaseHosts(of('db.example.com'), of('db.example.com:3306'))).toBe(true);
  expect(sameDatabaseHosts(of('db.example.com'), of('fork.example.com'))).toBe(false);
  expect(sameDatabaseHosts(of('db.example.com'), { spec: { containers: [] } })).toBe(true);
});
