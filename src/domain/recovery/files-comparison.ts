/** Restored trees compared with the manifest of the recovery point; lists hold at most 20 of what `counts` counts. */
export interface FilesComparison {
  /** Regular files that are there now, and their size. */
  files: number;
  bytes: number;
  /** Regular files that the manifest names. */
  expected: number;
  /** Paths as in the manifest, `<claim>/<path>`; folders and links count too. */
  missing: string[];
  changed: string[];
  extra: string[];
  /** Same content, other mode or owner. */
  permissions: string[];
  counts: { missing: number; changed: number; extra: number; permissions: number };
  /** The snapshot's manifest is the one whose digest stands in the catalogue. */
  manifestIntact: boolean;
  /** What restic could not restore, in its own words. */
  errors: string[];
}
