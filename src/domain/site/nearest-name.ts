/**
 * Edits (insert, delete, replace, swap of neighbours) that turn one text into the other: the optimal string alignment
 * form of the Damerau-Levenshtein distance. Compares without regard to case, `-` and `_`.
 */
export function editDistance(a: string, b: string): number {
  const [from, to] = [a, b].map((text) => text.toLowerCase().replaceAll(/[-_]/g, '')) as [
    string,
    string,
  ];
  // rows[i][j]: edits between the first i letters of `from` and the first j of `to`.
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + (same ? 0 : 1),
          i > 1 && j > 1 && swapped ? at(i - 2, j - 2) + 1 : Infinity,
        ),
      );
    }
  }
  return at(from.length, to.length);
}

/** The name that was probably meant, or null when none is near: at most a third of its letters (one at least) differ. */
export function nearestName(written: string, known: readonly string[]): string | null {
  // Longer names than any field has are not typing errors, and comparing them would take time.
  if (written.length > 80) return null;
  const ranked = known
    .map((name) => ({ name, distance: editDistance(written, name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.name ?? null;
}
