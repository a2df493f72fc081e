import type { HybridStorageActivities } from '../contracts.ts';
import type { HybridStorageDeps } from './deps.ts';
import { createRolloutChanges } from './rollout-changes.ts';
import { createRolloutUndos } from './rollout-undo.ts';
import { createSettingsChanges } from './settings-changes.ts';
import { createStorageChanges } from './storage-changes.ts';

export type { HybridStorageDeps } from './deps.ts';
export {
  createDriftDetection,
  createHybridObservers,
  createHybridPlanning,
  type Observer,
  type ObserverRegistry,
} from './planning.ts';

/** The changes of phase 1 and their undos. */
export function createHybridStorageActivities(deps: HybridStorageDeps): HybridStorageActivities {
  return {
    ...createStorageChanges(deps),
    ...createSettingsChanges(deps),
    ...createRolloutChanges(deps),
    ...createRolloutUndos(deps),
  };
}
export { createHybridVerification, type VerificationDeps } from './verify/index.ts';
