import type { CriterionResult } from '../criterion.ts';
import type { Json } from '../json.ts';
import type { TreeDigest } from '../wordpress.ts';

/**
 * A recovery point: everything that is needed to have a site back as it was at one time, under one id. The document in the
 * bucket holds names, digests and counts; contents are in the restic repository, in volume snapshots and at the provider.
 * No secret stands in it.
 */
export interface RecoveryPoint {
  schema: 1;
  /** `20261123T180000Z-acme-backup`: sorts by time. */
  id: string;
  site: string;
  reason: RecoveryPointReason;
  /** Workflow id of what took it. */
  operationId: string;
  /** ISO 8601; the site is as it was then. */
  takenAt: string;
  finishedAt: string;
  /** Written just before it was taken; a restore must bring it back. */
  sentinel: Sentinel | null;
  wordpress: WordPressPart | null;
  files: FilesPart | null;
  database: DatabasePart | null;
  app: AppPart | null;
  cdn: CdnPart | null;
  objectStorage: ObjectStoragePart | null;
  /** What it does not hold, as sentences, so that nobody counts on it. */
  missing: string[];
}

/**
 * Whether a rollback took the point before its first change: it holds what somebody wanted to get away from. Its id ends in the
 * operation that took it, whatever id the workflow was given.
 */
export function takenByRollback({
  id,
  site,
  reason,
}: Pick<RecoveryPoint, 'id' | 'site' | 'reason'>): boolean {
  const [, operation = ''] = id.split(`Z-${site}-`);
  return reason === 'before-change' && /^rollback(-\d+)*$/.test(operation);
}

export type RecoveryPointReason = 'scheduled' | 'manual' | 'drill' | 'before-change';

/** A fresh row (option `presslift_sentinel`) and file (`.presslift-sentinel` in the first content folder) with one random word. */
export interface Sentinel {
  nonce: string;
  writtenAt: string;
  /** Path of the file below the document root. */
  file: string;
}

/** WordPress as it answered when the point was taken. */
export interface WordPressPart {
  version: string;
  databaseVersion: number;
  php: string;
  siteUrl: string;
  tablePrefix: string;
  plugins: { file: string; version: string; active: boolean }[];
  themes: { slug: string; version: string; active: boolean }[];
  /** Options that a return of files alone would not bring back: `active_plugins`, `template`, `stylesheet`, `db_version`, … */
  options: Record<string, Json>;
  /** Fingerprint of keys and salts; logins hold only with the same ones. */
  saltsFingerprint: string | null;
  /** ISO 8601 of the newest published post, page or order. */
  newestPostAt: string | null;
  /** What visitors find, for comparison after a restore. */
  samples: {
    frontPageTitle: string;
    post: { path: string; title: string } | null;
    /** As visitors got them, with what plugins make of them; null or absent where the site did not answer the worker. */
    served?: { frontPage: ServedPage | null; post: ServedPage | null };
  };
}

/** What is kept of a page that visitors got, as its HTML has it. */
export interface ServedPage {
  title: string;
  /** Some of the body, in their order. */
  words: string[];
}

/** How a claim can be copied at one instant. */
export type VolumeSnapshotKind = 'csi' | 'digitalocean-nfs' | 'none';

export interface VolumeSnapshotRef {
  claim: string;
  kind: VolumeSnapshotKind;
  /** Name of the VolumeSnapshot, or the provider's id; null for `none`. */
  name: string | null;
  takenAt: string;
}

/** One claim that pods mount at or below the document root. */
export interface ContentVolume {
  claim: string;
  /** Where in the claim content begins; '' for its root. */
  subPath: string;
  /** Folders below the document root that it provides: `['']` for the whole document root, `['wp-content/plugins', …]`. */
  provides: string[];
  storageClass: string | null;
  accessModes: string[];
  /** Kubernetes quantity. */
  size: string;
}

/** Volumes in restic, one snapshot for all. Paths in it: `/presslift/volumes/<claim>/…` and `/presslift/point/{files.tsv,objects.json,cdn-rules.json}`. */
export interface FilesPart {
  repository: string;
  /** Full restic snapshot id. */
  snapshotId: string;
  volumes: ContentVolume[];
  localSnapshots: VolumeSnapshotRef[];
  files: number;
  bytes: number;
  /** `sha256:…` of files.tsv: one line a file, `<sha256>\t<mode octal>\t<uid>:<gid>\t<size>\t<path>`, sorted by path (C locale). */
  manifestDigest: string;
  /** By claim, its root folder, which no line of files.tsv names: octal mode, `<uid>:<gid>`. */
  roots?: Record<string, { mode: string; owner: string }>;
  /** Plugins and themes by folder below the document root, digested as the agent's `tree-digest` does it. */
  trees?: Record<string, TreeDigest>;
  /** The sentinel's word as the copy has it; null when it has none. */
  sentinel?: string | null;
  /**
   * Paths as in files.tsv, never of plugins or themes, that changed during each attempt of the copy: they are in it as they
   * were at some moment of it, or not at all, and nothing compares them. None when absent.
   */
  unsettled?: string[];
  bytesAdded: number;
}

/** Rows and content of one table, order-independent and independent of server version. */
export interface TableManifest {
  name: string;
  rows: number;
  /** The sum modulo 2^64 of 64 bits of SHA-256 of every row, hexadecimal; `null` for a view. */
  checksum: string | null;
  /** `sha256:…` of columns, keys, charset and collation. */
  structure: string;
}

export interface DatabaseManifest {
  schema: string;
  charset: string;
  collation: string;
  tables: TableManifest[];
  /** Definitions by name, as digests. */
  triggers: Record<string, string>;
  routines: Record<string, string>;
  events: Record<string, string>;
  views: Record<string, string>;
}

/** The dump in restic (`/database.sql` of its own snapshot), and what managed backups there are. */
export interface DatabasePart {
  repository: string;
  snapshotId: string;
  bytes: number;
  manifest: DatabaseManifest;
  server: { version: string; host: string };
  /** Binary log position of the dump, where the server tells. */
  gtid: string | null;
  /** How long tables with transactions were locked against writers, until dump and manifest had begun. */
  lockedMs?: number;
  /** ISO 8601, newest first; at the provider, not ours. */
  managedBackups: string[];
}

/** The Deployment and what hangs on it. The objects themselves are in `/presslift/point/objects.json` of the files snapshot. */
export interface AppPart {
  deployment: string;
  replicas: number;
  /** Image of each container by name, with digest where the nodes tell. */
  images: Record<string, string>;
  templateDigest: string;
  configMaps: string[];
  /** `namespace/name` of Secrets that the pods use. Their values are not copied. */
  secrets: string[];
  /** Name of the Secret in the site's namespace that holds the objects for a rollback without the repository. */
  objectsSecret: string;
}

export interface CdnRulesetRef {
  phase: string;
  rulesetId: string;
  version: string;
  rules: number;
  digest: string;
}

/** Which rules the zone had. The rules themselves are in the Secret of the point and in `/presslift/point/cdn-rules.json`. */
export interface CdnPart {
  provider: 'cloudflare';
  zoneId: string;
  rulesets: CdnRulesetRef[];
}

/** Where the bucket stood: with versioning on, it can be read as of this time. */
export interface ObjectStoragePart {
  provider: string;
  bucket: string;
  versioning: boolean;
  /** Whether it can lock objects, as the point's document then is; null when none of the site's keys may ask. */
  objectLock?: boolean | null;
  asOf: string;
}

/** What became known of a point after it was taken; kept beside it, because the point itself never changes. */
export interface RecoveryPointState {
  pinned: { by: string; at: string; reason: string | null } | null;
  /** Set by a failed drill or check; rollback asks again. */
  bad: { at: string; by: string; findings: string[] } | null;
  /** The newest drill that passed. */
  proved: { at: string; drill: string; rtoMs: number } | null;
}

/** One line of `presslift recovery-points`. */
export interface RecoveryPointSummary {
  id: string;
  takenAt: string;
  reason: RecoveryPointReason;
  files: number | null;
  bytes: number | null;
  tables: number | null;
  rows: number | null;
  missing: string[];
  state: RecoveryPointState;
  /** Null when it is sound; else why it cannot be read (tampered, half-finished). */
  error: string | null;
}

/** One timed part of a restore. */
export interface DrillStage {
  id: string;
  title: string;
  startedAt: string;
  ms: number;
  /** Counts towards the recovery time: what a real recovery would have to do too. */
  countsForRto: boolean;
}

export interface DrillReport {
  schema: 1;
  site: string;
  drill: string;
  point: string;
  pass: boolean;
  startedAt: string;
  endedAt: string;
  rtoMs: number;
  /** From when the point was taken to when the drill asked for it back. */
  rpoMs: number;
  targets: { rtoMs: number; rpoMs: number };
  stages: DrillStage[];
  criteria: CriterionResult[];
  /** Times and outcomes of earlier drills, newest last. */
  trend: { drill: string; at: string; pass: boolean; rtoMs: number; rpoMs: number }[];
}

/** Parts of a site that can go back by themselves. */
export const rollbackLayers = ['database', 'plugins-themes', 'app', 'cdn'] as const;
export type RollbackLayer = (typeof rollbackLayers)[number];
