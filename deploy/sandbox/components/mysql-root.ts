/**
 * Programs of an unpacked server in its root (mysql-packages.ts): the server's own folders are mounted into that root in a
 * mount namespace that ends with the process.
 */
import { chmod, chown, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from '../pki.ts';
import type { ServerTree } from './mysql-packages.ts';
import type { DatabaseEngine } from './mysql-server.ts';
import { engines, serverUser } from './mysql-server.ts';

/** Folders of one server, as the machine or as the server sees them. */
export interface ServerFolders {
  data: string;
  run: string;
  settings: string;
  temporary: string;
}

/** How programs of a server's tree are run, and what they then see. */
export interface ServerRuntime {
  engine: DatabaseEngine;
  /** A command of the machine that runs a program of the tree (`/usr/sbin/mysqld`) with these folders. */
  command(folders: ServerFolders, program: string, args: readonly string[]): [string, string[]];
  /** The folders as the program sees them. */
  seen(folders: ServerFolders): ServerFolders;
  /** The rest of what the settings file names. */
  basedir: string;
  extraSettings: readonly string[];
  /** The server's user; null where it runs as whoever starts it. */
  user: { name: string; uid: number; gid: number } | null;
}

export function foldersBelow(home: string): ServerFolders {
  return {
    data: join(home, 'data'),
    run: join(home, 'run'),
    settings: join(home, 'settings'),
    temporary: join(home, 'tmp'),
  };
}

/** $1 root, $2 data, $3 run, $4 settings, $5 temporary files; the rest is the program's command line. */
const enterRoot = `
set -e
root=$1; mount --bind "$2" "$root/var/lib/mysql"; mount --bind "$3" "$root/run/mysqld"
mount --bind "$4" "$root/etc/mysql"; mount --bind "$5" "$root/tmp"; mount --rbind /dev "$root/dev"
shift 5
exec chroot "$root" "$@"
`;

/** The sandbox's way: `chroot` in a mount namespace, under a user of its own. */
export function rootedRuntime(tree: ServerTree, engine: DatabaseEngine): ServerRuntime {
  return {
    engine,
    command: ({ data, run, settings, temporary }, program, args) => [
      'unshare',
      [
        ...['--mount', '--propagation', 'private', '--', 'sh', '-c', enterRoot, 'sh'],
        ...[tree.root, data, run, settings, temporary, program, ...args],
      ],
    ],
    seen: () => ({
      data: '/var/lib/mysql',
      run: '/run/mysqld',
      settings: '/etc/mysql',
      temporary: '/tmp',
    }),
    basedir: '/usr',
    extraSettings: [],
    user: serverUser,
  };
}

/** The server's command line with its settings file. */
export function serverCommand(
  runtime: ServerRuntime,
  folders: ServerFolders,
  args: readonly string[] = [],
): [string, string[]] {
  const settings = join(runtime.seen(folders).settings, 'my.cnf');
  const { program } = engines[runtime.engine];
  return runtime.command(folders, program, [`--defaults-file=${settings}`, ...args]);
}

/** Gives a file or folder to the server alone. */
export async function secure(
  { user }: Pick<ServerRuntime, 'user'>,
  file: string,
  mode = 0o600,
): Promise<void> {
  if (user) await chown(file, user.uid, user.gid);
  await chmod(file, mode);
}

/** Folders, certificate and settings file; written anew at every start, so that a changed setting takes hold. */
export async function prepareServer(
  runtime: ServerRuntime,
  folders: ServerFolders,
  given: { authority: CertificateFiles; certificate: CertificateFiles; settings: string },
): Promise<void> {
  for (const folder of [folders.data, folders.run, folders.settings, folders.temporary]) {
    await mkdir(folder, { recursive: true });
    await secure(runtime, folder, 0o750);
  }
  const files: Record<string, string> = {
    'ca.crt': given.authority.certFile,
    'server.crt': given.certificate.certFile,
    'server.key': given.certificate.keyFile,
  };
  for (const [name, source] of Object.entries(files)) {
    const file = join(folders.settings, name);
    await copyFile(source, file);
    await secure(runtime, file);
  }
  const settings = join(folders.settings, 'my.cnf');
  await writeFile(settings, given.settings);
  await secure(runtime, settings, 0o640);
}
