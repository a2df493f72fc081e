/** Debian packages that the sandbox's programs come from. */
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { CommandError, runCommand } from './command.ts';

/** Names of packages that are not installed, in order, each once. Rejects where there is no dpkg. */
export async function missingPackages(packages: readonly string[]): Promise<string[]> {
  const wanted = [...new Set(packages)].sort();
  if (wanted.length === 0) return [];
  const installed = new Set<string>();
  const format = '${db:Status-Status} ${binary:Package}\n';
  try {
    const { stdout } = await runCommand('dpkg-query', ['-W', '-f', format, ...wanted]);
    addInstalled(stdout, installed);
  } catch (error) {
    // Status 1 says that some are unknown; the others are printed all the same.
    if (!(error instanceof CommandError) || error.exitCode !== 1) throw error;
    for (const name of wanted) {
      const answer = await runCommand('dpkg-query', ['-W', '-f', format, name]).catch(() => null);
      if (answer) addInstalled(answer.stdout, installed);
    }
  }
  return wanted.filter((name) => !installed.has(name));
}

/** The command a person types to install them. */
export function installCommand(packages: readonly string[]): string {
  return `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/**
 * Installs packages by apt-get, without questions and without starting the services that some bring (containerd, a
 * registry, a database): the sandbox runs its own.
 */
export async function installPackages(
  packages: readonly string[],
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  // Another apt-get may be at work; that is waited for.
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  const putBack = await forbidServiceStarts();
  try {
    progress('reading the package lists');
    await runCommand('apt-get', [...wait, 'update', '-q'], { env, signal });
    progress(`installing ${packages.join(', ')}`);
    const install = ['install', '-y', '-q', '--no-install-recommends', ...packages];
    await runCommand('apt-get', [...wait, ...install], { env, signal });
  } finally {
    await putBack();
  }
}

const policyFile = '/usr/sbin/policy-rc.d';
const policyMark = '# written by presslift sandbox while it installs packages';

/** Makes packages not start their services. Returns the function that puts the machine's own policy back. */
async function forbidServiceStarts(): Promise<() => Promise<void>> {
  const kept = `${policyFile}.presslift`;
  const current = await readFile(policyFile, 'utf8').catch(() => undefined);
  // Ours is there when an installation was killed: then the machine's own one, if any, is already kept.
  if (current !== undefined && !current.includes(policyMark)) await rename(policyFile, kept);
  await writeFile(policyFile, `#!/bin/sh\n${policyMark}\nexit 101\n`);
  await chmod(policyFile, 0o755);
  return async () => {
    await rm(policyFile, { force: true });
    await rename(kept, policyFile).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  };
}

function addInstalled(output: string, installed: Set<string>): void {
  for (const line of output.split('\n')) {
    const [status, name] = line.split(' ');
    // Packages of a foreign architecture are named with it.
    if (status === 'installed' && name) installed.add(name.replace(/:.*$/, ''));
  }
}
