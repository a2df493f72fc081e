import type { RestoreDrillInput, RestoreDrillReport } from '../domain/recovery/request.ts';
import { rehearse } from './parts/drill.ts';
import { checkRestoreDrillInput } from './parts/input.ts';
import { versioned } from './parts/versioning.ts';

// A run stays on the code it started with: it is bounded by the site's `drill.timeout`.
versioned('PINNED', restoreDrill);

/**
 * Restores a recovery point elsewhere and proves it, with numbers. Without a point given, a fresh backup is taken and
 * must bring back what was written into the site just before. The live site stays as it is, so the lock is held
 * for that backup alone.
 *
 * A drill whose criteria are not all met fails: the workflow ends as failed, with type `RestoreDiffers` and the whole
 * report in the failure's details, after everything has been recorded and removed. A drill that somebody stops is not
 * recorded, for it says nothing about the recovery point.
 */
export async function restoreDrill(input: RestoreDrillInput): Promise<RestoreDrillReport> {
  return rehearse(checkRestoreDrillInput(input), async (drill) => {
    await drill.sweep();
    await drill.takeBackup();
    await drill.open();
    await drill.restore();
    await drill.boot();
    await drill.checkSite();
  });
}
