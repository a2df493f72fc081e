/** What earlier points have left while the repository holds nothing at all. */
export interface LostPoints {
  /** Ids of the catalogue, newest first. */
  points: string[];
  /** Snapshots of volumes, in the cluster or at the provider. */
  localSnapshots: string[];
}

/** What `prepareBackup` has found and done. */
export interface PreparedBackup {
  /** Address without credentials. */
  repository: string;
  created: boolean;
  lost: LostPoints | null;
  /** Why automatic updates could not be held; null when they are, or where no PHP runs that could update anything. */
  unheld: string | null;
}
