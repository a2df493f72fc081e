import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  removeHostsBlock,
  withHostsBlock,
  withoutHostsBlock,
  writeHostsBlock,
} from '../../../deploy/sandbox/hosts-file.ts';

const machine = '127.0.0.1 localhost\n# by hand\n10.0.0.7 printer\n';
const names = { 'acme.presslift.test': '127.85.0.1', 'db.presslift.test': '127.0.0.1' };

describe('the block in the hosts file', () => {
  it('is added at the end and taken out again without a trace', () => {
    const edited = withHostsBlock(machine, names);
    expect(edited).toMatch(/^127\.0\.0\.1 localhost\n/);
    expect(edited).toContain('\n127.85.0.1 acme.presslift.test\n127.0.0.1 db.presslift.test\n');
    expect(withoutHostsBlock(edited)).toBe(machine);
  });

  it('replaces an older block in place of adding a second one', () => {
    const twice = withHostsBlock(withHostsBlock(machine, { 'old.test': '1.2.3.4' }), names);
    expect(twice).toBe(withHostsBlock(machine, names));
  });

  it('leaves lines that came after it', () => {
    const later = `${withHostsBlock(machine, names)}10.0.0.8 scanner\n`;
    expect(withoutHostsBlock(later)).toBe(`${machine}10.0.0.8 scanner\n`);
  });

  it('does not swallow the rest of the file when its end mark was deleted', () => {
    const cut = withHostsBlock(machine, names).replace(/# presslift sandbox: end\n/, '');
    expect(withoutHostsBlock(`${cut}10.0.0.8 scanner\n`)).toContain('10.0.0.8 scanner');
  });

  it('starts on a line of its own when the file has no last line break', () => {
    expect(withHostsBlock('127.0.0.1 localhost', names)).toMatch(/^127\.0\.0\.1 localhost\n# /);
  });

  it('leaves a file without the block as it is', () => {
    expect(withoutHostsBlock(machine)).toBe(machine);
  });
});

describe('the hosts file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hosts-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('keeps its mode, and no draft is left beside it', async () => {
    const file = join(folder, 'hosts');
    await writeFile(file, machine);
    await chmod(file, 0o640);
    await writeHostsBlock(names, file);
    expect(await readFile(file, 'utf8')).toContain('acme.presslift.test');
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    await removeHostsBlock(file);
    expect(await readFile(file, 'utf8')).toBe(machine);
    expect(await readdir(folder)).toEqual(['hosts']);
  });
});
