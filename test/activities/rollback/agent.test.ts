import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/domain/json.ts';
import {
  agentAnswer,
  agentCode,
  type AgentOperation,
} from '../../../src/activities/wordpress/agent.ts';
import { acme } from '../../support/hybrid-fixtures.ts';
import { imageRoot } from '../../support/toolbox-image.ts';

/**
 * What the agent does for a rollback where WordPress may not start, run by the PHP of the sandbox's WordPress image: there is
 * no WordPress in these folders at all.
 */

let image = '';
let folder = '';
let inside = '';

beforeAll(async () => {
  image = await imageRoot('wordpress');
});
beforeEach(async () => {
  folder = await mkdtemp(join(image, 'tmp', 'agent-'));
  inside = folder.slice(image.length);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function agent(operation: AgentOperation, args: JsonObject) {
  const code = agentCode(acme(), operation, args, { root: inside, keepUser: true });
  const { stdout } = await promisify(execFile)('chroot', [image, 'php', '-r', code]);
  return agentAnswer(stdout, 'a test');
}

describe('maintenance mode', () => {
  const file = () => readFile(join(folder, '.maintenance'), 'utf8').catch(() => null);
  const now = Math.round(Date.now() / 1000);
  const inForce = async (at: number) => {
    const code = `require '${inside}/.maintenance'; echo json_encode(${at} - $upgrading < 600);`;
    const { stdout } = await promisify(execFile)('chroot', [image, 'php', '-r', code]);
    return JSON.parse(stdout) as boolean;
  };

  it('is in force until the given time, and ends by itself then', async () => {
    expect(await agent('maintenance', { on: true, until: now + 3600 })).toEqual({
      maintenance: true,
    });
    expect(await inForce(now)).toBe(true);
    expect(await inForce(now + 3599)).toBe(true);
    expect(await inForce(now + 3601)).toBe(false);
  });

  it('ends when it is told to, twice as well', async () => {
    await agent('maintenance', { on: true, until: now + 3600 });
    expect(await agent('maintenance', { on: false })).toEqual({ maintenance: false });
    expect(await agent('maintenance', { on: false })).toEqual({ maintenance: false });
    expect(await file()).toBeNull();
  });

  it("leaves WordPress's own alone", async () => {
    await writeFile(join(folder, '.maintenance'), '<?php $upgrading = 1;');
    expect(await agent('maintenance', { on: false })).toEqual({ maintenance: true });
    expect(await file()).toBe('<?php $upgrading = 1;');
  });
});

describe('the listing of plugins and themes', () => {
  const listing = () =>
    agent('extension-listing', { folders: ['wp-content/plugins', 'wp-content/themes'] });
  const plugin = () => join(folder, 'wp-content/plugins/shop/shop.php');

  beforeEach(async () => {
    await mkdir(join(folder, 'wp-content/plugins/shop'), { recursive: true });
    await writeFile(plugin(), '<?php // one');
    await utimes(plugin(), 1_700_000_000, 1_700_000_000);
  });

  it('stays the same while nobody changes a file', async () => {
    const before = await listing();
    expect(before).toMatch(/^sha256:[0-9a-f]{64}$/);
    await writeFile(join(folder, 'wp-content/elsewhere.php'), 'x');
    expect(await listing()).toBe(before);
  });

  it.each([
    ['written to', () => writeFile(plugin(), '<?php // two')],
    ['added', () => writeFile(join(folder, 'wp-content/plugins/new.php'), '')],
    ['deleted', () => rm(plugin())],
    [
      'put in a new folder',
      () => mkdir(join(folder, 'wp-content/themes/empty'), { recursive: true }),
    ],
  ])('is another one when something is %s', async (_, change) => {
    const before = await listing();
    await change();
    expect(await listing()).not.toBe(before);
  });
});
