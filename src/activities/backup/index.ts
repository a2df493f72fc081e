import type { BackupActivities } from '../contracts.ts';
import { createAgeActivities, createBackupAges } from './age.ts';
import { createAppActivities } from './app.ts';
import { createCheckActivities } from './check.ts';
import { createDatabaseActivities } from './database.ts';
import type { BackupDeps } from './deps.ts';
import { createDiscardActivities } from './discard.ts';
import { createFilesActivities } from './files.ts';
import { createObjectStorageActivities } from './object-storage.ts';
import { createOpenActivities } from './open-repository.ts';
import { createPluginUpdateActivities } from './plugin-updates.ts';
import { createRecordActivities } from './record.ts';
import { createRetentionActivities } from './retention.ts';
import { createSentinelActivities } from './sentinel.ts';
import { createVolumeActivities } from './volumes.ts';
import { createWordPressActivities } from './wordpress.ts';

export type { BackupDeps } from './deps.ts';

/** The steps of a backup. */
export function createBackupActivities(deps: BackupDeps): BackupActivities {
  const ages = createBackupAges(deps);
  return {
    ...createObjectStorageActivities(deps),
    ...createOpenActivities(deps),
    ...createPluginUpdateActivities(deps),
    ...createSentinelActivities(deps),
    ...createWordPressActivities(deps),
    ...createAppActivities(deps),
    ...createVolumeActivities(deps),
    ...createFilesActivities(deps),
    ...createDatabaseActivities(deps),
    ...createRecordActivities(deps, ages),
    ...createRetentionActivities(deps),
    ...createCheckActivities(deps),
    ...createDiscardActivities(deps),
    ...createAgeActivities(deps, ages),
  };
}
