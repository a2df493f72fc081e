/** What the benchmark and the process that orchestrates say to each other. */
import type { DatabasePart, FilesPart } from '../../src/domain/recovery/point.ts';
import type { DataSet, Task } from './settings.ts';

/** One task. Every repository is one of its own: the name of the site is in its address. */
export interface TaskRequest {
  task: Task;
  siteName: string;
  data: DataSet;
  /** What the tasks before have made. */
  files: FilesPart | null;
  database: DatabasePart | null;
}

export interface TaskResult {
  ms: number;
  /** Resident bytes before the task, and at the highest during it. */
  before: number;
  peak: number;
  files: FilesPart | null;
  database: DatabasePart | null;
}

export type TaskAnswer = { result: TaskResult } | { error: string };

/** Folder below the claim for restored files. */
export const restoredFolder = 'presslift';
