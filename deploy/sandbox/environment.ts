import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { SandboxCredentials } from './credentials.ts';
import { ensureCertificateAuthority } from './pki.ts';
import type { GivenEndpoints } from './replaced.ts';
import { endpoints, paths } from './settings.ts';

const projectDir = resolve(import.meta.dirname, '../..');

/** Variables for the worker and the command line: the sandbox's endpoints and credentials. */
export async function sandboxEnvironment(
  credentials: SandboxCredentials,
  { temporalAddress, kubeconfig }: GivenEndpoints,
): Promise<Record<string, string>> {
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');
  return {
    TEMPORAL_ADDRESS: temporalAddress ?? endpoints.temporal,
    TEMPORAL_NAMESPACE: process.env.TEMPORAL_NAMESPACE ?? 'default',
    KUBECONFIG: kubeconfig ?? paths.workerKubeconfig,
    NODE_EXTRA_CA_CERTS: certFile,
    DIGITALOCEAN_TOKEN: credentials.digitaloceanToken,
    CLOUDFLARE_API_TOKEN: credentials.cloudflareToken,
    VAULT_ADDR: endpoints.vault,
    VAULT_TOKEN: credentials.vaultToken,
    PRESSLIFT_SITES_DIR: resolve(projectDir, 'sites'),
  };
}

/** Writes `paths.environment` as `KEY=value` lines, readable by its owner alone. */
export async function writeEnvironment(values: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(values).map(([name, value]) => {
    if (/[\n'"\\$`]/.test(value)) throw new Error(`${name} has a character that needs quoting`);
    return `${name}=${value}`;
  });
  await mkdir(dirname(paths.environment), { recursive: true });
  const temporary = `${paths.environment}.${process.pid}`;
  await writeFile(temporary, `${lines.join('\n')}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, paths.environment);
}

/** Reads what `writeEnvironment` wrote. @throws Error that says how to bring the sandbox up where there is none. */
export function readEnvironment(): Record<string, string> {
  if (!existsSync(paths.environment)) {
    throw new Error(
      `There is no ${paths.environment}: bring the sandbox up with "npx presslift sandbox up"`,
    );
  }
  const lines = readFileSync(paths.environment, 'utf8').trim().split('\n');
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
