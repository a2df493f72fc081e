/**
 * The sandbox's host names, for the machine and for pods. Names of database clusters that come and go while the sandbox
 * runs are kept in a file, so that every `up` writes them again.
 */
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeHostsBlock } from './hosts-file.ts';
import { hostNames, network, paths } from './settings.ts';

/** Names as pods see them; CoreDNS reads the file again when it changes. */
export const podHostsFile = join(paths.kubernetes, 'pod-hosts');

const keptFile = join(paths.state, 'database-names.json');

async function databaseNames(): Promise<string[]> {
  try {
    return JSON.parse(await readFile(keptFile, 'utf8')) as string[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Visitors come in by name; databases and the object storage are met by the names in their certificates. */
export async function writeMachineNames(): Promise<void> {
  const databases = (await databaseNames()).map((name) => [name, network.loopback] as const);
  await writeHostsBlock({
    [hostNames.acme]: network.ingressAddress,
    [hostNames.database]: network.loopback,
    [hostNames.privateDatabase]: network.loopback,
    [hostNames.objectStorage]: network.loopback,
    ...Object.fromEntries(databases),
  });
}

/** What belongs in `podHostsFile`. */
export async function podHosts(): Promise<string> {
  const names = [...Object.values(hostNames), ...(await databaseNames())];
  return names.map((name) => `${network.nodeAddress} ${name}\n`).join('');
}

/** Makes these, beside the fixed ones, the names of database clusters: in the machine's hosts file and for pods. */
export async function publishDatabaseNames(names: readonly string[]): Promise<void> {
  await writeAtomically(keptFile, JSON.stringify(names));
  await writeMachineNames();
  // Without CoreDNS nobody reads it; when that starts, it writes the file itself.
  const wanted = await access(podHostsFile).then(
    () => true,
    () => false,
  );
  if (wanted) await writeAtomically(podHostsFile, await podHosts());
}

async function writeAtomically(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text);
  await rename(temporary, file);
}
