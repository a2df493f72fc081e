import { chmod, chown, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';

/** Where the machine looks up names first. */
export const systemHostsFile = '/etc/hosts';

const begin = '# presslift sandbox: begin (removed by `presslift sandbox down`)';
const end = '# presslift sandbox: end';

/** The text without our block, and everything else as it was. */
export function withoutHostsBlock(text: string): string {
  const lines = text.split('\n');
  const kept: string[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]!;
    if (line === begin) {
      const close = lines.indexOf(end, index);
      // Without its end line the block is not ours to guess at: only the mark goes.
      if (close >= 0) index = close;
      continue;
    }
    if (line !== end) kept.push(line);
  }
  return kept.join('\n');
}

/** The text with one block of ours at its end: host name to address. */
export function withHostsBlock(text: string, names: Readonly<Record<string, string>>): string {
  const rest = withoutHostsBlock(text);
  const entries = Object.entries(names).map(([name, address]) => `${address} ${name}`);
  const separator = rest === '' || rest.endsWith('\n') ? '' : '\n';
  return `${rest}${separator}${[begin, ...entries, end].join('\n')}\n`;
}

/** Writes our block, replacing an older one. */
export async function writeHostsBlock(
  names: Readonly<Record<string, string>>,
  file: string = systemHostsFile,
): Promise<void> {
  await edit(file, (text) => withHostsBlock(text, names));
}

/** Removes our block; nothing happens when there is none. */
export async function removeHostsBlock(file: string = systemHostsFile): Promise<void> {
  await edit(file, withoutHostsBlock);
}

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(file, 'utf8');
  const after = change(before);
  if (after === before) return;
  const { mode, uid, gid } = await stat(file);
  const temporary = `${file}.presslift-${process.pid}`;
  await writeFile(temporary, after);
  await chmod(temporary, mode & 0o777);
  await chown(temporary, uid, gid);
  try {
    await rename(temporary, file);
  } catch (error) {
    // Where the file is a mount of its own (in a container), it can only be written in place.
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    await writeFile(file, after);
    await rm(temporary);
  }
}
