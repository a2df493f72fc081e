/** Which builds of the Go programs this sandbox runs. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GoProgram, GoProgramName } from './programs/catalogue.ts';
import { goProgram } from './programs/catalogue.ts';
import { paths } from './settings.ts';

const file = join(paths.state, 'programs.json');

/** Links to every binary that the sandbox runs, for people and tests: `bin/kubectl`, `bin/temporal`. */
const linkDir = join(paths.state, 'bin');

/** Program to folder, as the last `up` used them. */
export async function rememberedPrograms(): Promise<Map<string, string>> {
  try {
    const known = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>;
    return new Map(Object.entries(known));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
}

/** Keeps program to folder for `down` and `status`, which compile nothing, and links the binaries into one folder. */
export async function rememberPrograms(dirs: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(linkDir, { recursive: true });
  for (const [name, dir] of dirs) {
    const { binaries, links }: GoProgram = goProgram(name as GoProgramName);
    for (const binary of Object.keys({ ...binaries, ...links })) {
      const draft = join(linkDir, `.${binary}.${process.pid}`);
      await symlink(join(dir, binary), draft);
      await rename(draft, join(linkDir, binary));
    }
  }
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(Object.fromEntries(dirs), null, 2)}\n`);
  await rename(temporary, file);
}

/** Those of the programs that the last `up` ran and that are still there: a compiler may not be needed for them. */
export async function compiledPrograms(
  names: readonly GoProgramName[],
): Promise<Set<GoProgramName>> {
  const dirs = await rememberedPrograms();
  const isThere = (name: GoProgramName): boolean => {
    const dir = dirs.get(name);
    if (dir === undefined) return false;
    return Object.keys(goProgram(name).binaries).every((binary) => existsSync(join(dir, binary)));
  };
  return new Set(names.filter(isThere));
}
