/**
 * The base system of the images: Debian's minimal one, made by debootstrap from the mirror that the machine itself uses.
 * The mirror's address and the machine's apt settings serve the build and are not left in any image.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../command.ts';

export const baseRelease = 'bookworm';

/** One `deb` line of apt's sources. */
export interface AptSource {
  uri: string;
  release: string;
}

/**
 * The machine's mirrors of Debian's archive, for `release` and its updates, from the output of
 * `apt-get --print-uris update`. Empty where the machine uses another distribution.
 */
export function debianSources(printedUris: string, release: string): AptSource[] {
  const found = [...printedUris.matchAll(/^'(.+)\/dists\/([^/']+)\/InRelease'/gm)];
  const uriOf = (name: RegExp, path: RegExp): string | undefined =>
    found.find((each) => name.test(each[2]!) && path.test(new URL(each[1]!).pathname))?.[1];
  const archive = uriOf(/^[a-z]+$/, /\/debian\/?$/);
  if (!archive) return [];
  const security = uriOf(/^[a-z]+-security$/, /debian-security\/?$/);
  return [
    { uri: archive, release },
    { uri: archive, release: `${release}-updates` },
    ...(security ? [{ uri: security, release: `${release}-security` }] : []),
  ];
}

/**
 * Those of the machine's apt settings (`apt-config dump`) that reaching a mirror hangs on: proxies, time-outs, checks of dates.
 * Files that only the machine has, such as client certificates, are none of them.
 */
export function transferSettings(aptConfig: string): string {
  const lines = aptConfig
    .split('\n')
    .filter((line) => /^Acquire::(https?|ftp|Check-|Retries|Max-)/i.test(line))
    .filter((line) => !/ "\/|Auto-?Detect/i.test(line));
  return lines.map((line) => `${line}\n`).join('');
}

export interface AptSettings {
  mirror: string;
  sources: string;
  settings: string;
}

/** Reads the machine's apt configuration; PRESSLIFT_DEBIAN_MIRROR goes before what it says. */
export async function machineAptSettings(signal?: AbortSignal): Promise<AptSettings> {
  const given = process.env.PRESSLIFT_DEBIAN_MIRROR;
  const sources: AptSource[] = given
    ? [{ uri: given, release: baseRelease }]
    : debianSources(
        // Unlike apt's other listings this one needs no downloaded package lists.
        (await runCommand('apt-get', ['--print-uris', 'update'], { signal })).stdout,
        baseRelease,
      );
  if (sources[0] === undefined) {
    throw new Error(
      'This machine has no Debian mirror in its apt sources: set PRESSLIFT_DEBIAN_MIRROR to the address of one',
    );
  }
  const { stdout } = await runCommand('apt-config', ['dump'], { signal });
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  return {
    mirror: sources[0].uri,
    sources: sources
      .map(({ uri, release }) => `deb [signed-by=${keyring}] ${uri} ${release} main\n`)
      .join(''),
    settings: transferSettings(stdout),
  };
}

/** What debootstrap leaves of the machine it ran on, and what no container needs. */
const surplus = [
  'etc/apt/sources.list',
  'etc/hostname',
  'etc/machine-id',
  'etc/resolv.conf',
  'usr/share/doc-base',
  'usr/share/info',
  'usr/share/lintian',
  'usr/share/locale',
  'usr/share/man',
  'var/cache/apt/archives',
  'var/cache/debconf/config.dat-old',
  'var/cache/debconf/templates.dat-old',
  'var/cache/ldconfig/aux-cache',
  'var/lib/apt/lists',
  'var/lib/dpkg/status-old',
  'var/log/alternatives.log',
  'var/log/bootstrap.log',
  'var/log/dpkg.log',
];

/** Makes the base system and packs it as `<folder>/rootfs.tar`. */
export async function makeBaseRootFs(
  folder: string,
  apt: AptSettings,
  signal?: AbortSignal,
): Promise<void> {
  const root = join(folder, 'root');
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  const arguments_ = ['--variant=minbase', baseRelease, root, apt.mirror];
  await runCommand('debootstrap', arguments_, { signal, timeoutMs: 1_200_000 });
  for (const path of surplus) await rm(join(root, path), { recursive: true, force: true });
  for (const path of ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial']) {
    await mkdir(join(root, path), { recursive: true });
  }
  await keepLicencesOnly(join(root, 'usr/share/doc'));
  await writeFile(join(root, 'etc/apt/sources.list'), '');
  const pack = ['--numeric-owner', '--sort=name', '--xattrs', '--create'];
  await runCommand('tar', [...pack, '--file', join(folder, 'rootfs.tar'), '-C', root, '.'], {
    signal,
  });
  await rm(root, { recursive: true, force: true });
}

async function keepLicencesOnly(docs: string): Promise<void> {
  for (const entry of await readdir(docs)) {
    const copyright = join(docs, entry, 'copyright');
    const text = await readFile(copyright).catch(() => undefined);
    await rm(join(docs, entry), { recursive: true, force: true });
    if (text === undefined) continue;
    await mkdir(join(docs, entry));
    await writeFile(copyright, text);
  }
}
