/**
 * How far a long activity is: what its heartbeats carry as `{ progress }`, and `status` shows. Null is what is not known
 * (yet): a dump does not know its length, a scan not the number of files.
 */
export interface Progress {
  files: number | null;
  totalFiles: number | null;
  bytes: number | null;
  totalBytes: number | null;
  secondsRemaining: number | null;
}

/** Details of a heartbeat. */
export interface ProgressDetails {
  progress: Progress;
}

const numbers = ['files', 'totalFiles', 'bytes', 'totalBytes', 'secondsRemaining'] as const;

/** The progress in details of a heartbeat, whoever wrote them; null where there is none. */
export function progressOf(details: unknown): Progress | null {
  const { progress } = (details ?? {}) as { progress?: unknown };
  if (typeof progress !== 'object' || progress === null) return null;
  const values = progress as Record<string, unknown>;
  const known = numbers.map((name) => {
    const value = values[name];
    return [name, typeof value === 'number' && value >= 0 ? value : null] as const;
  });
  if (known.every(([, value]) => value === null)) return null;
  return Object.fromEntries(known) as unknown as Progress;
}
