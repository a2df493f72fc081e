/**
 * Builds the container images of the sandbox from deploy/images and keeps the finished ones.
 *
 * A finished image is an OCI archive, `<cache>/images/<name>-<key>.oci.tar`, where the key stands for everything that went
 * into it. Runs alone, too: `node deploy/sandbox/build/images.ts [NAME…]`.
 *
 * PRESSLIFT_BUILDER selects the builder (buildah, podman, docker), PRESSLIFT_BASE_IMAGE a base image of a registry instead of
 * the one that is made with debootstrap.
 */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../command.ts';
import { cacheDir as sandboxCacheDir } from '../settings.ts';
import { baseRelease, machineAptSettings, makeBaseRootFs } from './debian-base.ts';
import type { ImageDefinition, ImageName } from './image-catalogue.ts';
import { imageReference, images } from './image-catalogue.ts';
import type { ImageBuilder } from './image-builder.ts';
import { openBuilder, removeStore, selectedBuilder } from './image-builder.ts';

/** Where an image stands; sent whenever that changes. */
export interface ImageProgress {
  name: ImageName | 'base';
  state: 'cached' | 'building' | 'built' | 'failed';
  /** Since this image's build began. */
  elapsedMs: number;
  /** Images that are finished, out of `total` that were asked for. The base is none of them. */
  done: number;
  total: number;
}

export interface BuildImagesOptions {
  /** Which images; all by default. */
  names?: readonly ImageName[];
  /** Finished images and the build's own files go below `<cacheDir>/images`. */
  cacheDir: string;
  /** Calls the build off. */
  signal?: AbortSignal;
  onProgress?: (progress: ImageProgress) => void;
}

export interface BuiltImage {
  name: ImageName;
  /** Name under which the cluster pulls it. */
  reference: string;
  /** OCI archive. */
  archive: string;
  /** Hash of what it was made from. */
  key: string;
  /** Digest of its manifest. */
  digest: string;
  sizeBytes: number;
}

/** Folder of the Dockerfiles; it is the context of every build. */
const context = join(import.meta.dirname, '../../images');

const baseName = `localhost/presslift/base:${baseRelease}`;

/** The base is made anew when this file or the Dockerfile changes. */
const baseSources = [join(import.meta.dirname, 'debian-base.ts'), join(context, 'base/Dockerfile')];

/**
 * Builds what is not in the cache. Safe to call at the same time from several processes: the later ones wait and find
 * everything cached. An interrupted build leaves nothing that a later one would take for finished.
 */
export async function buildImages({
  names = images.map(({ name }) => name),
  cacheDir,
  signal,
  onProgress,
}: BuildImagesOptions): Promise<Record<ImageName, BuiltImage>> {
  const folder = join(resolve(cacheDir), 'images');
  await mkdir(folder, { recursive: true });
  const wanted = images.filter(({ name }) => names.includes(name));
  const baseImage = process.env.PRESSLIFT_BASE_IMAGE;
  const baseKey = baseImage ?? (await hashFiles(baseSources));
  const keys = new Map<ImageName, string>();
  for (const image of wanted) keys.set(image.name, await imageKey(image, baseKey));
  const archiveOf = ({ name }: ImageDefinition): string =>
    join(folder, `${name}-${keys.get(name)}.oci.tar`);
  const missing = (): ImageDefinition[] => wanted.filter((image) => !existsSync(archiveOf(image)));

  let done = 0;
  const report = (
    name: ImageProgress['name'],
    state: ImageProgress['state'],
    startedAt: number,
  ) => {
    if (name !== 'base' && (state === 'cached' || state === 'built')) done += 1;
    const elapsedMs = Date.now() - startedAt;
    onProgress?.({ name, state, elapsedMs, done, total: wanted.length });
  };
  const step = async (name: ImageProgress['name'], work: () => Promise<void>): Promise<void> => {
    const startedAt = Date.now();
    report(name, 'building', startedAt);
    try {
      await work();
    } catch (error) {
      report(name, 'failed', startedAt);
      throw error;
    }
    report(name, 'built', startedAt);
  };

  const atFirst = missing();
  for (const image of wanted)
    if (!atFirst.includes(image)) report(image.name, 'cached', Date.now());
  if (atFirst.length > 0) {
    const unlock = await lockBuilds(folder, signal);
    try {
      await removeLeftovers(folder);
      const queue = missing();
      for (const image of atFirst) {
        if (!queue.includes(image)) report(image.name, 'cached', Date.now());
      }
      if (queue.length > 0) {
        const work = join(folder, `work-${process.pid}`);
        await mkdir(work);
        const builder = await openBuilder(selectedBuilder(), work, signal);
        try {
          const secrets = baseImage ? {} : await aptSecrets(work, signal);
          if (!baseImage) await provideBase({ folder, work, builder, key: baseKey, step, signal });
          for (const image of queue) {
            await step(image.name, () =>
              buildImage(image, {
                builder,
                base: baseImage ?? baseName,
                secrets,
                work,
                archive: archiveOf(image),
              }),
            );
            await removeOlder(folder, image.name, archiveOf(image));
          }
        } finally {
          await builder.close();
          await rm(work, { recursive: true, force: true });
        }
      }
    } finally {
      await unlock();
    }
  }
  const built: [ImageName, BuiltImage][] = [];
  for (const image of wanted) {
    const archive = archiveOf(image);
    built.push([
      image.name,
      {
        name: image.name,
        reference: imageReference(image.name),
        archive,
        key: keys.get(image.name)!,
        digest: await archiveDigest(archive, signal),
        sizeBytes: (await stat(archive)).size,
      },
    ]);
  }
  return Object.fromEntries(built) as Record<ImageName, BuiltImage>;
}

/** Hash of everything an image is made from: its files, its base and the way it is built. */
async function imageKey({ name, sources }: ImageDefinition, baseKey: string): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([name, baseKey, process.arch]));
  for (const source of sources) hash.update(await hashFiles([join(context, source)]));
  return hash.digest('hex').slice(0, 16);
}

/** Hash of files and of all files in folders, with their names and modes. */
export async function hashFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const add = async (path: string, origin: string): Promise<void> => {
    const info = await stat(path);
    if (info.isDirectory()) {
      for (const entry of (await readdir(path)).sort()) await add(join(path, entry), origin);
      return;
    }
    const name = relative(origin, path);
    const executable = (info.mode & 0o100) !== 0;
    hash.update(JSON.stringify([name, executable, info.size])).update(await readFile(path));
  };
  for (const path of paths) await add(path, join(path, '..'));
  return hash.digest('hex').slice(0, 16);
}

/** The machine's apt configuration as files that RUN instructions see. */
async function aptSecrets(work: string, signal?: AbortSignal): Promise<Record<string, string>> {
  const apt = await machineAptSettings(signal);
  const files = { 'apt-sources': apt.sources, 'apt-settings': apt.settings };
  const secrets: Record<string, string> = {};
  for (const [id, content] of Object.entries(files)) {
    secrets[id] = join(work, id);
    await writeFile(secrets[id], content);
  }
  return secrets;
}

interface BaseBuild {
  folder: string;
  work: string;
  builder: ImageBuilder;
  key: string;
  step: (name: 'base', work: () => Promise<void>) => Promise<void>;
  signal: AbortSignal | undefined;
}

/** Makes the base image known to the builder: from the cache, or with debootstrap. */
async function provideBase({ folder, work, builder, key, step, signal }: BaseBuild): Promise<void> {
  const archive = join(folder, `base-${key}.oci.tar`);
  if (existsSync(archive)) {
    await builder.load(archive, baseName);
    return;
  }
  await step('base', async () => {
    const baseContext = join(work, 'base');
    await mkdir(baseContext);
    await makeBaseRootFs(baseContext, await machineAptSettings(signal), signal);
    const dockerfile = join(baseContext, 'Dockerfile');
    await copyFile(join(context, 'base/Dockerfile'), dockerfile);
    const request = {
      dockerfile,
      context: baseContext,
      reference: baseName,
      args: {},
      secrets: {},
    };
    await builder.build(request);
    await rm(baseContext, { recursive: true, force: true });
    const unfinished = join(work, 'base.oci.tar');
    await builder.archive(baseName, unfinished);
    await rename(unfinished, archive);
    await removeOlder(folder, 'base', archive);
  });
}

async function buildImage(
  { name }: ImageDefinition,
  using: {
    builder: ImageBuilder;
    base: string;
    secrets: Record<string, string>;
    work: string;
    archive: string;
  },
): Promise<void> {
  const reference = imageReference(name);
  await using.builder.build({
    dockerfile: join(context, name, 'Dockerfile'),
    context,
    reference,
    args: { BASE: using.base },
    secrets: using.secrets,
  });
  const unfinished = join(using.work, `${name}.oci.tar`);
  await using.builder.archive(reference, unfinished);
  await rename(unfinished, using.archive);
}

/** Digest of the manifest in an OCI archive that holds one image. */
export async function archiveDigest(archive: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await runCommand('tar', ['-xOf', archive, 'index.json'], { signal });
  const { manifests } = JSON.parse(stdout) as { manifests: { digest: string }[] };
  if (manifests.length !== 1)
    throw new Error(`${archive} holds ${manifests.length} images, not one`);
  return manifests[0]!.digest;
}

/** Removes archives of an image that were made from older files. */
async function removeOlder(folder: string, name: string, current: string): Promise<void> {
  const pattern = new RegExp(`^${name}-[0-9a-f]{16}\\.oci\\.tar$`);
  for (const entry of await readdir(folder)) {
    const path = join(folder, entry);
    if (pattern.test(entry) && path !== current) await rm(path);
  }
}

/** Removes what killed builds left; the lock says that none is at work. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (entry.startsWith('work-')) await removeStore(join(folder, entry));
  }
}

/**
 * Waits until no other process builds images into this cache. The lock is a name in Linux's abstract socket namespace:
 * the kernel frees it when its process ends, however it ends.
 */
async function lockBuilds(folder: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  const id = createHash('sha256').update(folder).digest('hex').slice(0, 32);
  for (;;) {
    const server = createServer();
    const taken = await new Promise<boolean>((answer, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? answer(true) : reject(error),
      );
      server.listen(`\0presslift-images-${id}`, () => answer(false));
    });
    if (!taken) {
      server.unref();
      return () => new Promise((closed) => server.close(() => closed()));
    }
    await sleep(500, undefined, { signal });
  }
}

/** The command line: builds the named images, or all, and prints where they are. */
async function main(args: readonly string[]): Promise<void> {
  const known = images.map(({ name }) => name);
  const names = known.filter((name) => args.length === 0 || args.includes(name));
  const unknown = args.filter((name) => !(known as string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(', ')}. Known: ${known.join(', ')}.`);
    process.exitCode = 2;
    return;
  }
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => ending.abort(new Error(`ended by ${signal}`)));
  }
  try {
    const built = await buildImages({
      names,
      cacheDir: sandboxCacheDir,
      signal: ending.signal,
      onProgress: ({ name, state, elapsedMs, done, total }) => {
        const time = elapsedMs > 500 ? ` (${Math.round(elapsedMs / 1000)} s)` : '';
        console.log(`[${done}/${total}] ${name}: ${state}${time}`);
      },
    });
    for (const { reference, archive, sizeBytes } of Object.values(built)) {
      console.log(`${reference}\t${(sizeBytes / 1e6).toFixed(1)} MB\t${archive}`);
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

// import.meta.main would say the same, but not in all supported versions of Node.
if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  await main(process.argv.slice(2));
}
