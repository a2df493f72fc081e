/** Temporal: the official command line's development server with its Web UI, on a database file. */
import { lstat, mkdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { searchAttributeNames } from '../../../src/domain/search-attributes.ts';
import type { Component } from '../component.ts';
import { endpoints, network, paths, ports } from '../settings.ts';

const home = join(paths.state, 'temporal');

/** The command line, for people and for scripts. */
export const temporalCommand = join(paths.state, 'bin', 'temporal');

/**
 * The development server polls its own queues twenty times a second by default, which makes every workflow task take
 * 50 ms.
 */
const pollSettings = ['transfer', 'timer', 'visibility'].flatMap((queue) => [
  '--dynamic-config-value',
  `history.${queue}ProcessorMaxPollRPS=2000`,
]);

/** Write-ahead log: a commit is one write. What is lost in a power failure does not matter here; a kill loses nothing. */
const databaseSettings = ['journal_mode=wal', 'synchronous=normal'].flatMap((setting) => [
  '--sqlite-pragma',
  setting,
]);

export const temporal: Component = {
  name: 'temporal',
  title: 'Temporal with its Web UI',
  needs: [],
  programs: ['temporal'],
  async start(context) {
    await mkdir(home, { recursive: true });
    const program = join(context.programDir('temporal'), 'temporal');
    await link(program, temporalCommand);
    await context.daemon('temporal', program, [
      ...['server', 'start-dev', '--log-level', 'warn'],
      ...['--ip', network.loopback, '--port', String(ports.temporal)],
      ...['--ui-port', String(ports.temporalUi)],
      ...['--db-filename', join(home, 'temporal.db')],
      ...databaseSettings,
      ...pollSettings,
      ...searchAttributeNames.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ]);
  },
  async ready() {
    const connection = await Connection.connect({
      address: endpoints.temporal,
      connectTimeout: 2_000,
    });
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace: 'default',
      });
      const ui = await fetch(endpoints.temporalUi, { signal: AbortSignal.timeout(2_000) });
      await ui.body?.cancel();
      return ui.ok && searchAttributeNames.every((name) => name in (customAttributes ?? {}));
    } finally {
      await connection.close();
    }
  },
  async stop(context) {
    // It takes 3 to 5 seconds, and until it is gone its database is locked.
    await context.stopDaemon('temporal', { timeoutMs: 20_000 });
  },
  async reset() {
    await rm(home, { recursive: true, force: true });
    await rm(temporalCommand, { force: true });
  },
};

/** Makes a symbolic link, or moves it to another target in one step. */
async function link(target: string, file: string): Promise<void> {
  const isLink = await lstat(file).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
  if (isLink && (await readlink(file)) === target) return;
  await mkdir(join(file, '..'), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, file);
}
