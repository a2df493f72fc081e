import { readFileSync } from 'node:fs';

/** Parts that scripts share; see the head of each file in scripts/. */
export type ScriptLibrary = 'restic' | 'locks' | 'file-manifest' | 'mysql' | 'encrypt';

const read = (url: URL) => readFileSync(url, 'utf8');

const prelude = read(new URL('./scripts/prelude.sh', import.meta.url));

/**
 * The fixed text of a script for a toolbox Job: the prelude (`say`, `fail`, `run`, `$work`), the libraries named, then the
 * file. `toolboxScript(new URL('./scripts/back-up-files.sh', import.meta.url), 'restic', 'file-manifest')`.
 */
export function toolboxScript(file: URL, ...libraries: ScriptLibrary[]): string {
  const parts = libraries.map((name) => read(new URL(`./scripts/${name}.sh`, import.meta.url)));
  return [prelude, ...parts, read(file)].join('\n');
}
