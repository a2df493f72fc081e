/**
 * Database servers unpacked from Debian packages of another release than the machine's own.
 *
 * Nothing is installed: a private apt root (own sources, lists and cache; the machine's proxies and keyrings) resolves a
 * server package with everything that it needs, the packages are unpacked into one folder, and the server runs in it
 * by `chroot`, with its own C library.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { machineAptSettings } from '../build/debian-base.ts';
import type { ComponentContext } from '../component.ts';

/** A server program as Debian packages it. */
export interface ServerPackage {
  /** Name of the folder in the cache. */
  name: string;
  packageName: string;
  /** Series of the upstream version that is wanted, such as `9.7`. */
  series: string;
  /** Debian release that has this series. */
  suite: string;
}

/** An unpacked server: its root folder and the Debian version. */
export interface ServerTree {
  root: string;
  version: string;
}

type Tools = Pick<ComponentContext, 'run' | 'progress'>;

/** Not needed to run a server, and most of the size. */
const dropped = ['doc', 'info', 'lintian', 'locale', 'man', 'perl', 'zoneinfo'];

/** Folders that packages rely on from their base system, and those that the server's own folders are mounted on. */
const skeleton = ['dev', 'etc/mysql', 'proc', 'run/mysqld', 'tmp', 'var/lib/mysql'];

const keyrings = [
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/usr/share/keyrings/debian-archive-keyring.pgp',
];

/**
 * Returns the newest unpacked tree of the wanted series, making it when the cache has none. Safe to call again after
 * an interruption: a tree appears under its name only when it is complete.
 */
export async function unpackedServer(
  wanted: ServerPackage,
  cacheDir: string,
  tools: Tools,
): Promise<ServerTree> {
  const trees = join(cacheDir, 'debian', wanted.name);
  await mkdir(trees, { recursive: true });
  const cached = await newestTree(trees, wanted.series);
  if (cached) return cached;

  // For this process alone: apt would refuse a second one in the same folder.
  const folder = join(cacheDir, 'debian', `.apt-${process.pid}`);
  try {
    const apt = await privateApt(folder, wanted.suite, tools);
    const version = await candidateVersion(apt, wanted, tools);
    tools.progress(`downloading ${wanted.packageName} ${version}`);
    const what = ['install', '--yes', '--download-only', `${wanted.packageName}=${version}`];
    await tools.run('apt-get', ['-c', apt.config, ...what], { timeoutMs: 600_000 });
    return await unpack(apt, trees, version, tools);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function newestTree(trees: string, series: string): Promise<ServerTree | undefined> {
  const versions = (await readdir(trees)).filter(
    (name) =>
      !name.includes(':') &&
      hasSeries(versionOf(name), series) &&
      existsSync(join(trees, name, 'usr')),
  );
  const newest = versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  return newest === undefined
    ? undefined
    : { root: join(trees, newest), version: versionOf(newest) };
}

/** The folder of a Debian version, as in names of packages: a list of library folders is separated by colons. */
const folderOf = (version: string) => version.replaceAll(':', '%3a');
const versionOf = (folder: string) => folder.replaceAll('%3a', ':');

/** Whether a Debian version (`1:10.11.18-0+deb12u1`) is of an upstream series (`10.11`). */
export function hasSeries(version: string, series: string): boolean {
  return version.replace(/^\d+:/, '').startsWith(`${series}.`);
}

interface PrivateApt {
  config: string;
  archives: string;
}

/** An apt root with the packages of one release and nothing installed, on the machine's own mirror. */
async function privateApt(folder: string, suite: string, tools: Tools): Promise<PrivateApt> {
  const archives = join(folder, 'cache/archives');
  const config = join(folder, 'apt.conf');
  const sources = join(folder, 'sources.list');
  await mkdir(join(folder, 'state/lists/partial'), { recursive: true });
  await mkdir(join(folder, 'parts'), { recursive: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  await writeFile(join(folder, 'state/status'), '');

  const keyring = keyrings.find((file) => existsSync(file));
  if (!keyring) {
    throw new Error(
      'The keys of the Debian archive are missing: apt-get install debian-archive-keyring',
    );
  }
  const mirror = (await machineAptSettings()).mirror;
  await writeFile(sources, `deb [signed-by=${keyring} target=Packages] ${mirror} ${suite} main\n`);
  await writeFile(
    config,
    [
      `Dir::State "${join(folder, 'state')}";`,
      `Dir::State::status "${join(folder, 'state/status')}";`,
      `Dir::Cache "${join(folder, 'cache')}";`,
      `Dir::Cache::archives "${archives}";`,
      `Dir::Etc::SourceList "${sources}";`,
      `Dir::Etc::SourceParts "${join(folder, 'parts')}";`,
      `Dir::Etc::Preferences "${join(folder, 'preferences')}";`,
      `Dir::Etc::PreferencesParts "${join(folder, 'parts')}";`,
      'APT::Sandbox::User "root";',
      'APT::Install-Recommends "false";',
      'Acquire::Languages "none";',
      'Acquire::Retries "3";',
      // Otherwise an update that reached nothing is only a warning.
      'APT::Update::Error-Mode "any";',
      // The machine's hooks speak of the machine's own packages.
      '#clear APT::Update::Post-Invoke;',
      '#clear APT::Update::Post-Invoke-Success;',
      '#clear DPkg::Post-Invoke;',
      '#clear DPkg::Pre-Install-Pkgs;',
      '',
    ].join('\n'),
  );
  tools.progress(`reading the package list of Debian ${suite}`);
  await tools.run('apt-get', ['-c', config, 'update'], { timeoutMs: 300_000 });
  return { config, archives };
}

async function candidateVersion(
  apt: PrivateApt,
  wanted: ServerPackage,
  tools: Tools,
): Promise<string> {
  const { stdout } = await tools.run('apt-cache', [
    '-c',
    apt.config,
    'madison',
    wanted.packageName,
  ]);
  const versions = stdout
    .split('\n')
    .map((line) => line.split('|')[1]?.trim())
    .filter((version) => version !== undefined);
  const version = versions.find((each) => hasSeries(each, wanted.series));
  if (!version) {
    const found = versions.join(', ') || 'none';
    throw new Error(
      `Debian ${wanted.suite} has no ${wanted.packageName} ${wanted.series} (found: ${found})`,
    );
  }
  return version;
}

async function unpack(
  apt: PrivateApt,
  trees: string,
  version: string,
  tools: Tools,
): Promise<ServerTree> {
  const unfinished = join(trees, `.unfinished-${process.pid}`);
  await rm(unfinished, { recursive: true, force: true });
  try {
    for (const folder of ['bin', 'lib', 'lib64', 'sbin']) {
      await mkdir(join(unfinished, 'usr', folder), { recursive: true });
      await symlink(`usr/${folder}`, join(unfinished, folder));
    }
    const archives = (await readdir(apt.archives)).filter((name) => name.endsWith('.deb'));
    for (const [index, archive] of archives.entries()) {
      tools.progress(`unpacking ${index + 1} of ${archives.length}`);
      // dpkg-deb's own extraction would replace the links above by folders.
      const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink';
      const args = ['-c', `set -o pipefail; ${script}`, 'bash', join(apt.archives, archive)];
      await tools.run('bash', [...args, unfinished]);
    }
    for (const folder of skeleton) await mkdir(join(unfinished, folder), { recursive: true });
    for (const folder of dropped) {
      await rm(join(unfinished, 'usr/share', folder), { recursive: true, force: true });
    }
    // The packages ship settings that include files of a usual installation.
    await rm(join(unfinished, 'etc/mysql'), { recursive: true, force: true });
    await mkdir(join(unfinished, 'etc/mysql'));
    const root = join(trees, folderOf(version));
    await rm(root, { recursive: true, force: true });
    await rename(unfinished, root);
    return { root, version };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
