/**
 * The filled site as two files in the cache, `<cache>/acme/<key>/{files.tar.zst,database.sql.zst}`: putting them back is
 * quicker than filling a site again.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import type { SandboxKube } from '../kube.ts';
import { ensureCertificateAuthority } from '../pki.ts';
import { hostNames, network, ports } from '../settings.ts';
import { execFile, execText } from './cluster.ts';
import { helper, helperPod } from './objects.ts';

const target = { pod: helperPod, container: 'tools' };

/** Options of MariaDB's programs: TLS with the certificate checked. The password is in the pod's environment. */
const clientOptions =
  '--host="$DATABASE_HOST" --port="$DATABASE_PORT" --user="$DATABASE_USER" --ssl-ca="$DATABASE_CA" --ssl-verify-server-cert';

const bash = (script: string): string[] => ['bash', '-o', 'pipefail', '-ec', script];

const commands = {
  saveFiles: bash('tar --create --sort=name --numeric-owner . | zstd -3'),
  // The volume is emptied first: an entrypoint may have put WordPress there already.
  restoreFiles: bash(
    'find . -mindepth 1 -delete; zstd --decompress | tar --extract --numeric-owner --same-owner',
  ),
  saveDatabase: bash(
    `mariadb-dump ${clientOptions} --single-transaction --no-tablespaces --hex-blob wordpress | zstd -3`,
  ),
  restoreDatabase: bash(`zstd --decompress | mariadb ${clientOptions} wordpress`),
  emptyDatabase: bash(
    `mariadb ${clientOptions} --execute='DROP DATABASE IF EXISTS wordpress; CREATE DATABASE wordpress CHARACTER SET utf8mb4'`,
  ),
};

export interface Snapshot {
  files: string;
  database: string;
}

function snapshotIn(folder: string): Snapshot {
  return { files: join(folder, 'files.tar.zst'), database: join(folder, 'database.sql.zst') };
}

/** The saved site of a key; undefined when there is none. */
export function findSnapshot(cacheDir: string, key: string): Snapshot | undefined {
  const folder = join(cacheDir, 'acme', key);
  return existsSync(folder) ? snapshotIn(folder) : undefined;
}

/** Saves files and database. The folder appears when both are complete; those of other keys are removed. */
export async function saveSnapshot(cacheDir: string, key: string): Promise<void> {
  const parent = join(cacheDir, 'acme');
  const folder = join(parent, key);
  const unfinished = join(parent, '.unfinished');
  // Left by one that was killed; the sandbox's lock says that nobody else is at work here.
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  try {
    const { files, database } = snapshotIn(unfinished);
    await execFile(target, commands.saveFiles, { output: files });
    await execFile(target, commands.saveDatabase, { output: database });
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  for (const entry of await readdir(parent, { withFileTypes: true })) {
    const isSnapshot = entry.isDirectory() && /^[0-9a-f]{16}$/.test(entry.name);
    if (isSnapshot && entry.name !== key) await rm(join(parent, entry.name), { recursive: true });
  }
}

/** Puts files and database back. Nothing else may use them meanwhile. */
export async function restoreSnapshot(snapshot: Snapshot): Promise<void> {
  await execFile(target, commands.restoreDatabase, { input: snapshot.database });
  await execFile(target, commands.restoreFiles, { input: snapshot.files });
}

/**
 * Lets WordPress's account do everything in its database again, as the sandbox's administrator: a rollback to a point in
 * time has left the old database read-only for it.
 */
export async function grantDatabase(administratorPassword: string): Promise<void> {
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');
  const connection = await createConnection({
    host: hostNames.database,
    user: 'doadmin',
    password: administratorPassword,
    ssl: { ca: await readFile(certFile), rejectUnauthorized: true, verifyIdentity: true },
    stream: () => connect(ports.database, network.loopback),
    connectTimeout: 5_000,
  });
  try {
    await connection.query("GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%'");
  } finally {
    connection.destroy();
  }
}

/** Drops every table of the site's database. */
export async function emptyDatabase(cluster: SandboxKube): Promise<void> {
  await execText(cluster, target, commands.emptyDatabase);
}

/** Starts the pod that the other functions work in, and waits for it. */
export async function startHelper(cluster: SandboxKube): Promise<void> {
  await cluster.apply([helper]);
  const wait = ['wait', '--for=condition=Ready', `pod/${helperPod}`, '--timeout=120s'];
  await cluster.kubectl([...wait, '--namespace', helper.metadata!.namespace!]);
}

export async function stopHelper({ kubectl }: SandboxKube): Promise<void> {
  const namespace = helper.metadata!.namespace!;
  await kubectl(['delete', 'pod', helperPod, '--namespace', namespace, '--ignore-not-found']);
}
