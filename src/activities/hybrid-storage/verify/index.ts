import type { VerificationActivities } from '../../contracts.ts';
import { verifyAdminAndVisitors } from './admin-and-visitors.ts';
import type { VerificationDeps } from './deps.ts';
import { verifyPluginLifecycle } from './plugin-lifecycle.ts';
import { verifySharedStorage } from './shared-storage.ts';

export type { VerificationDeps } from './deps.ts';

/** The success criteria of phase 1, measured on the real site. */
export function createHybridVerification(
  deps: VerificationDeps,
): Pick<
  VerificationActivities,
  'verifySharedStorage' | 'verifyPluginLifecycle' | 'verifyAdminAndVisitors'
> {
  return {
    verifySharedStorage: (input) => verifySharedStorage(deps, input),
    verifyPluginLifecycle: (input) => verifyPluginLifecycle(deps, input),
    verifyAdminAndVisitors: (input) => verifyAdminAndVisitors(deps, input),
  };
}
