/**
 * What to give to `iptables-restore --noflush` so that chains whose name matches go, with every rule that jumps to
 * them; everything else stays. Empty when there is none. `saved` is what `iptables-save` printed.
 */
export function rulesToRemove(saved: string, chain: RegExp): string {
  const transactions: string[] = [];
  for (const table of saved.split(/^(?=\*)/m).filter((text) => text.startsWith('*'))) {
    const lines = table.split('\n');
    const chains = lines
      .map((line) => /^:(\S+)/.exec(line)?.[1])
      .filter((name) => name !== undefined && chain.test(name));
    if (chains.length === 0) continue;
    const jumps = lines.filter((line) => {
      const [, from, target] = /^-A (\S+) (?:.* )?-[jg] (\S+)/.exec(line) ?? [];
      return from && target && !chain.test(from) && chain.test(target);
    });
    transactions.push(
      lines[0]!,
      ...jumps.map((line) => line.replace(/^-A/, '-D')),
      // Emptied first: they jump to each other.
      ...chains.map((name) => `-F ${name}`),
      ...chains.map((name) => `-X ${name}`),
      'COMMIT',
    );
  }
  return transactions.length > 0 ? `${transactions.join('\n')}\n` : '';
}
