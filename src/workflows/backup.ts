import type { BackupInput, BackupReport } from '../domain/recovery/request.ts';
import { backUp } from './parts/backing-up.ts';
import { checkBackupInput } from './parts/input.ts';
import { versioned } from './parts/versioning.ts';

// A run stays on the code it started with: it is over in hours, and its steps must not change under it.
versioned('PINNED', backup);

/**
 * Takes a recovery point off the cluster, removes those past their time and checks the repository. Asks nobody and
 * waits for nobody but the site's lock: what goes wrong fails it, and people are told. A backup for a drill leaves the
 * repository's care to the drill and to the next scheduled one.
 */
export async function backup(input: BackupInput): Promise<BackupReport> {
  const { reason = 'manual', ...asked } = checkBackupInput(input);
  return backUp(asked, reason, async (backingUp) => {
    await backingUp.takePoint();
    if (reason !== 'drill') await backingUp.careForRepository();
  });
}
