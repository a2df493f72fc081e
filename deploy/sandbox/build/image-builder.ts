/**
 * Command lines of the programs that build images from Dockerfiles. buildah is the default; PRESSLIFT_BUILDER names another
 * one. Whatever the builder, an image ends up as an OCI archive.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../command.ts';

export const builderNames = ['buildah', 'podman', 'docker'] as const;
export type BuilderName = (typeof builderNames)[number];

/** The builder that PRESSLIFT_BUILDER selects; buildah by default. */
export function selectedBuilder(selected = process.env.PRESSLIFT_BUILDER): BuilderName {
  if (selected === undefined || selected === '') return 'buildah';
  const known = builderNames.find((name) => name === selected);
  if (known) return known;
  throw new Error(`PRESSLIFT_BUILDER is ${selected}; it may be ${builderNames.join(', ')}`);
}

export interface BuildRequest {
  dockerfile: string;
  context: string;
  reference: string;
  /** Build arguments. */
  args: Record<string, string>;
  /** Files that RUN instructions see while they run; nothing of them stays in the image. */
  secrets: Record<string, string>;
}

/** buildah's and podman's own store: apart from the user's, so that it can go when the images are finished. */
export interface BuilderStore {
  root: string;
  runRoot: string;
}

type Command = [command: string, ...args: string[]];

function storeFlags(store: BuilderStore): string[] {
  return ['--root', store.root, '--runroot', store.runRoot, '--storage-driver', 'overlay'];
}

/** Command line that builds one image. */
export function buildCommand(
  builder: BuilderName,
  store: BuilderStore,
  { dockerfile, context, reference, args, secrets }: BuildRequest,
): Command {
  const given = [
    ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...Object.entries(secrets).flatMap(([id, file]) => ['--secret', `id=${id},src=${file}`]),
  ];
  const what = ['--file', dockerfile, '--tag', reference, context];
  if (builder === 'docker') return ['docker', 'build', ...given, ...what];
  // chroot: needs neither a container runtime nor control groups. Bases come from the store or are named in full.
  const how = ['--isolation', 'chroot', '--format', 'oci', '--pull=missing'];
  return [builder, ...storeFlags(store), 'build', ...how, ...given, ...what];
}

/** Command lines that write an image to an archive. Docker writes its own format, which skopeo turns into an OCI archive. */
export function archiveCommands(
  builder: BuilderName,
  store: BuilderStore,
  reference: string,
  archive: string,
): Command[] {
  if (builder === 'docker') {
    return [
      ['docker', 'save', '--output', `${archive}.docker`, reference],
      [
        'skopeo',
        'copy',
        '--quiet',
        '--format',
        'oci',
        `docker-archive:${archive}.docker`,
        `oci-archive:${archive}`,
      ],
    ];
  }
  const push = ['push', '--quiet', '--compression-format', 'zstd', '--format', 'oci'];
  return [[builder, ...storeFlags(store), ...push, reference, `oci-archive:${archive}`]];
}

export interface ImageBuilder {
  build(request: BuildRequest, onLine?: (line: string) => void): Promise<void>;
  /** Writes a built image to an OCI archive. */
  archive(reference: string, archive: string): Promise<void>;
  /** Makes an archived image known under a name. */
  load(archive: string, reference: string): Promise<void>;
  /** Removes what the builder keeps on disk. */
  close(): Promise<void>;
}

/** A builder that works below `workDir`. */
export async function openBuilder(
  builder: BuilderName,
  workDir: string,
  signal?: AbortSignal,
): Promise<ImageBuilder> {
  const folder = await mkdtemp(join(workDir, 'store-'));
  const store: BuilderStore = { root: join(folder, 'root'), runRoot: join(folder, 'run') };
  const options = {
    signal,
    env: { TMPDIR: folder, BUILDAH_LAYERS: 'false' },
    timeoutMs: 1_800_000,
  };
  const run = async ([command, ...args]: Command): Promise<void> => {
    await runCommand(command, args, options);
  };
  return {
    async build(request) {
      await run(buildCommand(builder, store, request));
    },
    async archive(reference, archive) {
      for (const command of archiveCommands(builder, store, reference, archive)) await run(command);
      await rm(`${archive}.docker`, { force: true });
    },
    async load(archive, reference) {
      if (builder === 'docker') {
        const copy = join(folder, 'base.tar');
        const target = `docker-archive:${copy}:${reference}`;
        await run(['skopeo', 'copy', '--quiet', `oci-archive:${archive}`, target]);
        await run(['docker', 'load', '--quiet', '--input', copy]);
        return;
      }
      const driver = `overlay@${store.root}+${store.runRoot}`;
      const target = `containers-storage:[${driver}]${reference}`;
      await run(['skopeo', 'copy', '--quiet', `oci-archive:${archive}`, target]);
    },
    async close() {
      await removeStore(folder);
    },
  };
}

/** Removes a builder's folder, with the mounts that a killed build left in it. */
export async function removeStore(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4])
    .filter((path) => path !== undefined && path.startsWith(`${folder}/`)) as string[];
  for (const mount of mounts.sort().reverse()) await runCommand('umount', ['--lazy', mount]);
  await rm(folder, { recursive: true, force: true });
}
