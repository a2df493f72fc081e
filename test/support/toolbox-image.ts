import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { defaultCacheDir } from '../../deploy/sandbox/build/go-programs.ts';
import { buildImages } from '../../deploy/sandbox/build/images.ts';

const run = promisify(execFile);

/** The toolbox image unpacked into a folder of the cache; see `imageRoot`. */
export const toolboxRoot = (): Promise<string> => imageRoot('toolbox');

/** One of the sandbox's images unpacked into a folder of the cache; it is built when the cache has none. Needs root. */
export async function imageRoot(name: 'toolbox' | 'wordpress'): Promise<string> {
  const { [name]: image } = await buildImages({ names: [name], cacheDir: defaultCacheDir() });
  const folder = join(defaultCacheDir(), 'test-roots', image.key);
  if (await exists(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(join(dirname(folder), '.unpack-'));
  try {
    const [archive, root] = [join(work, 'archive'), join(work, 'root')];
    await mkdir(archive);
    await mkdir(root);
    await run('tar', ['-xf', image.archive, '-C', archive]);
    const blob = (digest: string) => join(archive, 'blobs', digest.replace(':', '/'));
    const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as unknown;
    const index = (await readJson(join(archive, 'index.json'))) as {
      manifests: { digest: string }[];
    };
    const manifest = (await readJson(blob(index.manifests[0]?.digest ?? ''))) as {
      layers: { digest: string }[];
    };
    for (const { digest } of manifest.layers) {
      await run('tar', ['-xf', blob(digest), '-C', root, '--exclude=.wh.*', '--numeric-owner']);
    }
    // What a node mounts there.
    await mkdir(join(root, 'presslift'));
    await writeFile(join(root, 'etc/hosts'), '');
    await rename(root, folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
