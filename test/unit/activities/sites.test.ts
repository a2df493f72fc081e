/** Proves that site files are read from their folder only, and that what is wrong becomes the documented failure. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSiteActivities } from '../../../src/activities/sites/index.ts';
import { listSites } from '../../../src/activities/sites/load-site.ts';
import { parseTfvars } from '../../../src/activities/sites/tfvars.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-sites-'));
  await writeFile(join(folder, 'broken.yaml'), 'name: broken\nclsuter: {}\n');
});

afterAll(() => rm(folder, { recursive: true }));

const failureOf = (sitesDir: string, name: string) =>
  createSiteActivities({ sitesDir })
    .loadSite({ name })
    .then(
      () => {
        throw new Error('loaded');
      },
      (error: unknown) => {
        expect(error).toBeInstanceOf(ApplicationFailure);
        return error as ApplicationFailure;
      },
    );

test('loads a site with the digest of what it resolved to', async () => {
  const activities = createSiteActivities({ sitesDir: 'sites' });
  const first = await activities.loadSite({ name: 'acme' });
  expect(first.site.name).toBe('acme');
  expect(first.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await activities.loadSite({ name: 'acme' })).toEqual(first);
});

test.each([
  '../sites/acme',
  '/etc/passwd',
  'acme.yaml',
  '..',
  '',
  'ACME',
  'a'.repeat(64),
  'a\0b',
  'a/b',
])('refuses the name %j without looking at the disk', async (name) => {
  const failure = await failureOf('sites', name);
  expect(failure.type).toBe('InvalidInput');
  expect(failure.nonRetryable).toBe(true);
});

test('an unknown site names the nearest', async () => {
  const failure = await failureOf('sites', 'acmee');
  expect(failure.type).toBe('NotFound');
  expect(failure.message).toContain('did you mean acme?');
});

test('a broken file fails with every error in one message', async () => {
  const failure = await failureOf(folder, 'broken');
  expect(failure.type).toBe('InvalidSite');
  expect(failure.nonRetryable).toBe(true);
  expect(failure.message).toContain('clsuter: found an unknown key');
  expect(failure.message).toContain('hosts: found nothing');
});

test('lists the sites of a folder, none when it does not exist', async () => {
  expect(await listSites('sites')).toEqual(['acme', 'example-digitalocean']);
  expect(await listSites(join(folder, 'nowhere'))).toEqual([]);
});

test('reads Terraform variables and says where they are malformed', async () => {
  expect(await parseTfvars('a = "x.test"\nb = ["y.test"]\n# comment\n', 'p.tfvars')).toEqual({
    a: 'x.test',
    b: ['y.test'],
  });
  await expect(parseTfvars('a = \n', 'p.tfvars')).rejects.toThrow(/p\.tfvars:1/);
});
