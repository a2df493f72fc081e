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
  /** Opens acme's backup repository. */
  backupPassword: string;
  cloudflareToken: string;
}

/**
 * Reads the sandbox's credentials, making on the first call what is not there: all of them, or the ones that a sandbox of an
 * earlier version did not have. The file is 0600 and written atomically.
 */
export async function sandboxCredentials(): Promise<SandboxCredentials> {
  const known = await readCredentials();
  const made = { ...newCredentials(), ...known };
  if (Object.keys(made).length > Object.keys(known).length) await keepCredentials(made);
  return made;
}

/** Keeps what was changed while the sandbox runs: a password that its database API has set anew. */
export async function changeCredentials(changed: Partial<SandboxCredentials>): Promise<void> {
  await keepCredentials({ ...(await sandboxCredentials()), ...changed });
}

async function keepCredentials(credentials: SandboxCredentials): Promise<void> {
  await mkdir(dirname(paths.credentials), { recursive: true });
  const temporary = `${paths.credentials}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(credentials, null, 2), { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, paths.credentials);
}

async function readCredentials(): Promise<Partial<SandboxCredentials>> {
  try {
    return JSON.parse(await readFile(paths.credentials, 'utf8')) as Partial<SandboxCredentials>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return {};
  }
}

function newCredentials(): SandboxCredentials {
  const secret = (bytes = 18) => randomBytes(bytes).toString('base64url');
  return {
    databaseAdminPassword: secret(),
    wordpressDatabasePassword: secret(),
    wordpressAdminPassword: secret(12),
    objectStorageAccessKey: `PL${randomBytes(9).toString('hex').toUpperCase()}`,
    objectStorageSecretKey: secret(30),
    digitaloceanToken: `dop_v1_${randomBytes(32).toString('hex')}`,
    vaultToken: `hvs.${secret(24)}`,
    backupPassword: secret(24),
    cloudflareToken: secret(30),
  };
}
