import { proxyActivities } from '@temporalio/workflow';
import type { BackupActivities } from '../../src/activities/contracts.ts';
import type { Site } from '../../src/domain/site/schema.ts';

const { measureBackupAge } = proxyActivities<BackupActivities>({ startToCloseTimeout: '30s' });

/** Measures each site once. */
export async function backupAges(sites: Site[]): Promise<void> {
  for (const site of sites) await measureBackupAge({ site });
}
