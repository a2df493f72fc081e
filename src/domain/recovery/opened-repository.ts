/** What earlier points have left while the repository holds nothing at all. */
export interface LostPoints {
  /** Ids of the catalogue, newest first. */
  points: string[];
  /** Snapshots of volumes, in the cluster or at the provider. */
  localSnapshots: string[];
}

/** What `openRepository` has found and done. */
export interface OpenedRepository {
  /** Address without credentials. */
  repository: string;
  created: boolean;
  lost: LostPoints | null;
}
