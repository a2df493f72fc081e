/** Every workflow type, under the name that the Web UI shows. */
export { backup } from './backup.ts';
export { backupWatch } from './backupWatch.ts';
export { hybridStorage } from './hybridStorage.ts';
export { prerequisites } from './prerequisites.ts';
export { recoveryPoints } from './recoveryPoints.ts';
export { restoreDrill } from './restoreDrill.ts';
export { roadmap } from './roadmap.ts';
export { rollback } from './rollback.ts';
export { siteLock } from './siteLock.ts';
