/**
 * Builds the Go programs of the sandbox from pinned sources and keeps the finished ones.
 *
 * A finished program lies under `<cache>/programs/<name>/<key>/`, where the key stands for everything
 * that went into it; so a checkout of another version builds its own and comes back to the old one
 * for free. Runs alone, too: `node deploy/sandbox/build/go-programs.ts [NAME…]`.
 */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GoProgram, GoProgramName, ModuleFiles } from '../programs/catalogue.ts';
import { goProgram, goProgramNames } from '../programs/catalogue.ts';
import type { GoEnvironment, RunOptions } from '../programs/go-command.ts';
import {
  endingCommandsOnSignals,
  goEnvironment,
  removeGoCaches,
  runGo,
} from '../programs/go-command.ts';
import { cacheDir as sandboxCacheDir } from '../settings.ts';

/** Where a program stands; sent whenever that changes. */
export interface GoProgramProgress {
  name: GoProgramName;
  state: 'cached' | 'building' | 'built' | 'failed';
  /** Since this program's build began. */
  elapsedMs: number;
  /** Programs that are finished, out of `total` that were asked for. */
  done: number;
  total: number;
}

export interface BuildGoProgramsOptions<Name extends GoProgramName = GoProgramName> {
  /** Which programs; all by default. */
  names?: readonly Name[];
  /** Finished programs, logs and the build's own caches go below it. */
  cacheDir: string;
  /** Calls the build off. What has been compiled by then is used again by the next run. */
  signal?: AbortSignal;
  onProgress?: (progress: GoProgramProgress) => void;
  /** The `go` command, if it is not the one on the PATH. */
  goCommand?: string;
}

/** Two builds share the cores well: while one links, which takes a single core, the other compiles. */
const buildsAtOnce = 2;

const buildFlags = ['-mod=readonly', '-trimpath'];

/** Folder of the programs' sources. */
const sources = join(import.meta.dirname, '../programs');

/** The user's cache folder for this project. */
export function defaultCacheDir(): string {
  return sandboxCacheDir;
}

/**
 * Builds what is not in the cache and returns the folder of each program's binaries, as absolute
 * paths. Files of the programs (`crds/`, `*.proto`) are in the same folder.
 *
 * Safe to call at the same time from several processes: the later ones wait and find everything
 * cached. After a failure or an interruption the compiler's cache stays, so that the next run goes
 * on where this one stopped; after a success it is removed.
 */
export async function buildGoPrograms<Name extends GoProgramName = GoProgramName>({
  names = goProgramNames as readonly Name[],
  cacheDir,
  signal: callerSignal,
  onProgress,
  goCommand = 'go',
}: BuildGoProgramsOptions<Name>): Promise<Record<Name, string>> {
  const cache = resolve(cacheDir);
  const logs = join(cache, 'logs');
  const workDir = join(cache, 'go');
  // A failed build calls off the others: nobody wants to wait minutes for the error message.
  const failure = new AbortController();
  const signal = callerSignal ? AbortSignal.any([callerSignal, failure.signal]) : failure.signal;
  await mkdir(logs, { recursive: true });

  const ordered = goProgramNames.filter((name) => (names as readonly string[]).includes(name));
  const startedAt = new Map<GoProgramName, number>();
  let done = 0;
  const report = (name: GoProgramName, state: GoProgramProgress['state']): void => {
    if (state === 'building') startedAt.set(name, Date.now());
    if (state === 'cached' || state === 'built') done += 1;
    const elapsedMs = Date.now() - (startedAt.get(name) ?? Date.now());
    onProgress?.({ name, state, elapsedMs, done, total: ordered.length });
  };

  const keyLog = join(logs, 'go-env.log');
  await rm(keyLog, { force: true });
  const outputs = new Map<GoProgramName, string>();
  for (const name of ordered) {
    const run = { cwd: join(sources, name), what: 'Asking for the version of Go', signal };
    const key = await programKey(name, goCommand, { ...run, logFile: keyLog });
    outputs.set(name, join(cache, 'programs', name, key));
  }
  const missing = (): GoProgramName[] =>
    ordered.filter((name) => !isComplete(goProgram(name), outputs.get(name)!));

  const atFirst = new Set(missing());
  for (const name of ordered) if (!atFirst.has(name)) report(name, 'cached');
  if (atFirst.size > 0) {
    const unlock = await lockCache(cache, signal);
    try {
      const queue = missing();
      for (const name of atFirst) if (!queue.includes(name)) report(name, 'cached');
      const go = await goEnvironment(goCommand, workDir);
      const worker = async (): Promise<void> => {
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
          report(name, 'building');
          try {
            await build(name, outputs.get(name)!, go, join(logs, `go-${name}.log`), signal);
          } catch (error) {
            report(name, 'failed');
            failure.abort(error);
            throw error;
          }
          report(name, 'built');
        }
      };
      await endingCommandsOnSignals(async () => {
        const results = await Promise.allSettled(Array.from({ length: buildsAtOnce }, worker));
        // The reason of the abort is the first failure, or what the caller gave.
        signal.throwIfAborted();
        for (const result of results) if (result.status === 'rejected') throw result.reason;
      });
      await removeGoCaches(workDir);
    } finally {
      await unlock();
    }
  }
  return Object.fromEntries(outputs) as Record<Name, string>;
}

/** Hash of everything a program is made from. */
async function programKey(
  name: GoProgramName,
  command: string,
  options: RunOptions,
): Promise<string> {
  const folder = options.cwd;
  const { binaries, links, ldflags, files } = goProgram(name);
  const hash = createHash('sha256');
  // In the program's folder: its go.mod can make the go command switch to another version of Go.
  const go = { command, variables: { ...process.env, GOWORK: 'off' } };
  hash.update(await runGo(go, ['env', 'GOVERSION', 'GOOS', 'GOARCH'], options));
  const patterns = files?.map((each) => ({ ...each, match: each.match?.source }));
  hash.update(JSON.stringify([buildFlags, binaries, links, ldflags, patterns]));
  for (const file of (await readdir(folder)).sort()) {
    if (!/^go\.(mod|sum)$|\.go$/.test(file)) continue;
    hash.update(`\n${file}\n`).update(await readFile(join(folder, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Folders appear complete, by a rename; the look inside is for those who tidy their cache by hand. */
function isComplete(program: GoProgram, output: string): boolean {
  const expected = [
    ...Object.keys(program.binaries),
    ...Object.keys(program.links ?? {}),
    ...(program.files ?? []).map((files) => files.to),
  ];
  return expected.every((file) => existsSync(join(output, file)));
}

async function build(
  name: GoProgramName,
  output: string,
  go: GoEnvironment,
  logFile: string,
  signal: AbortSignal,
): Promise<void> {
  const program = goProgram(name);
  const parent = join(output, '..');
  await rm(logFile, { force: true });
  await mkdir(parent, { recursive: true });
  // Left by builds that were killed: the lock says that nobody else is at work here.
  for (const entry of await readdir(parent)) {
    if (entry.startsWith('.')) await rm(join(parent, entry), { recursive: true, force: true });
  }
  const unfinished = join(parent, `.${process.pid}`);
  await mkdir(unfinished);
  try {
    const run = { cwd: join(sources, name), what: `Building ${name}`, logFile, signal };
    for (const [binary, pkg] of Object.entries(program.binaries)) {
      const target = join(unfinished, binary);
      const flags = [...buildFlags, '-ldflags', program.ldflags, '-o', target];
      await runGo(go, ['build', ...flags, pkg], run);
    }
    for (const [link, binary] of Object.entries(program.links ?? {})) {
      await symlink(binary, join(unfinished, link));
    }
    for (const files of program.files ?? []) await copyModuleFiles(files, unfinished, go, run);
    await rm(output, { recursive: true, force: true });
    await rename(unfinished, output);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function copyModuleFiles(
  { module, from, to, match, count }: ModuleFiles,
  output: string,
  go: GoEnvironment,
  run: RunOptions,
): Promise<void> {
  const answer = await runGo(go, ['mod', 'download', '-json', module], run);
  const { Dir: moduleDir } = JSON.parse(answer) as { Dir: string };
  const source = join(moduleDir, from);
  const target = join(output, to);
  const copies: [string, string][] = [];
  if (match === undefined) {
    copies.push([source, target]);
  } else {
    await mkdir(target);
    for (const file of await readdir(source)) {
      if (match.test(file)) copies.push([join(source, file), join(target, file)]);
    }
  }
  if (copies.length !== count) {
    throw new Error(`${module} has ${copies.length} files in ${from}, not ${count}`);
  }
  for (const [original, copy] of copies) {
    await copyFile(original, copy);
    // Files of the module cache are read-only, and copies inherit that.
    await chmod(copy, 0o644);
  }
}

/**
 * Waits until no other process builds into this cache. The lock is a name in Linux's abstract socket
 * namespace: the kernel gives it to one process and frees it when that process ends, however it ends.
 * Returns the function that gives the lock back.
 */
async function lockCache(cacheDir: string, signal: AbortSignal): Promise<() => Promise<void>> {
  const id = createHash('sha256').update(cacheDir).digest('hex').slice(0, 32);
  for (;;) {
    const server = createServer();
    const taken = await new Promise<boolean>((resolveTaken, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolveTaken(true) : reject(error),
      );
      server.listen(`\0presslift-go-programs-${id}`, () => resolveTaken(false));
    });
    if (!taken) {
      server.unref();
      return () => new Promise((closed) => server.close(() => closed()));
    }
    await sleep(500, undefined, { signal });
  }
}

/** The command line: builds the named programs, or all, and prints where they are. */
async function main(args: readonly string[]): Promise<void> {
  const unknown = args.filter((name) => !(goProgramNames as readonly string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(', ')}. Known: ${goProgramNames.join(', ')}.`);
    process.exitCode = 2;
    return;
  }
  const names = args.length > 0 ? (args as readonly GoProgramName[]) : goProgramNames;
  try {
    const folders = await buildGoPrograms({
      names,
      cacheDir: defaultCacheDir(),
      onProgress: ({ name, state, elapsedMs, done, total }) => {
        const time = elapsedMs > 0 ? ` (${Math.round(elapsedMs / 1000)} s)` : '';
        console.log(`[${done}/${total}] ${name}: ${state}${time}`);
      },
    });
    for (const [name, folder] of Object.entries(folders)) console.log(`${name}\t${folder}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

// import.meta.main would say the same, but not in all supported versions of Node.
if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  await main(process.argv.slice(2));
}
