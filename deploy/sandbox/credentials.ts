import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { paths } from './settings.ts';

/** Passwords and keys of one sandbox; made once, kept until `reset`. */
export interface SandboxCredentials {
  databaseAdminPassword: string;
  wordpressDatabasePassword: string;
  wordpressAdminPassword: string;
  objectStorageAccessKey: string;
  objectStorageSecretKey: string;
  digitaloceanToken: string;
  vaultToken: string;
}

/** Reads the sandbox's credentials, making them on the first call. The file is 0600 and written atomically. */
export async function sandboxCredentials(): Promise<SandboxCredentials> {
  try {
    return JSON.parse(await readFile(paths.credentials, 'utf8')) as SandboxCredentials;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const secret = (bytes = 18) => randomBytes(bytes).toString('base64url');
  const made: SandboxCredentials = {
    databaseAdminPassword: secret(),
    wordpressDatabasePassword: secret(),
    wordpressAdminPassword: secret(12),
    objectStorageAccessKey: `PL${randomBytes(9).toString('hex').toUpperCase()}`,
    objectStorageSecretKey: secret(30),
    digitaloceanToken: `dop_v1_${randomBytes(32).toString('hex')}`,
    vaultToken: `hvs.${secret(24)}`,
  };
  await mkdir(dirname(paths.credentials), { recursive: true });
  const temporary = `${paths.credentials}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(made, null, 2), { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, paths.credentials);
  return made;
}
