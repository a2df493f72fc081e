import type { BackupWatchInput, BackupWatchReport } from '../domain/recovery/request.ts';
import { checkBackupWatchInput } from './parts/input.ts';
import { versioned } from './parts/versioning.ts';
import { watchBackup } from './parts/watching.ts';

// A run stays on the code it started with: it is over in a moment.
versioned('PINNED', backupWatch);

/**
 * Looks how old a site's newest sound recovery point is, and tells people once when it has become too old or its age
 * cannot be told. It remembers nothing: its Schedule hands each run the result of the one before.
 */
export async function backupWatch(input: BackupWatchInput): Promise<BackupWatchReport> {
  return watchBackup(checkBackupWatchInput(input));
}
