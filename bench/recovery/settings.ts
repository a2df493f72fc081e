/** Names of everything that the benchmark makes in the sandbox, and how much data it makes. */
export const place = {
  namespace: 'presslift-bench',
  bucket: 'presslift-bench',
  /** Restored files, in a folder a side. */
  restoredClaim: 'restored',
  restoredSchema: 'presslift_bench_restored',
  storageClass: 'presslift-rwx',
  /** Names of Secrets in the namespace. */
  secrets: {
    database: 'database',
    ca: 'sandbox-ca',
    storage: 'object-storage',
    password: 'repository',
  },
} as const;

/** Files and a database of one size. */
export interface DataSet {
  name: string;
  files: number;
  fileBytes: number;
  databaseBytes: number;
  /** Claim with the files. */
  claim: string;
  schema: string;
}

/** What is compared: 20,000 files of 1 GB together, and a database of 500 MB. */
const whole = { files: 20_000, fileBytes: 1_000_000_000, databaseBytes: 500_000_000 };

/** A data set of a share of the whole. */
export function dataSet(name: string, share: number): DataSet {
  return {
    name,
    files: Math.max(1, Math.round(whole.files * share)),
    fileBytes: Math.round(whole.fileBytes * share),
    databaseBytes: Math.round(whole.databaseBytes * share),
    claim: `content-${name}`,
    schema: `presslift_bench_${name}`,
  };
}

/** What is timed, in the order of a round. */
export const tasks = [
  'back up files',
  'back up database',
  'restore files',
  'restore database',
] as const;
export type Task = (typeof tasks)[number];
export type Side = 'raw' | 'presslift';

/** Orchestrated time over raw time that is allowed. */
export const allowedRatio = 1.15;
