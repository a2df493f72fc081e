import type { OperationInput, OperationReport } from '../domain/operation.ts';
import type { ChangeTable } from './parts/change-table.ts';
import { checkOperationInput } from './parts/input.ts';
import { runOperation } from './parts/operation.ts';
import { versioned } from './parts/versioning.ts';

// A run stays on the code it started with: a phase is days long at most, and its steps must not change under it.
versioned('PINNED', hybridStorage);

/** Phase 1: plugins and themes move to a volume that every replica shares, without one failed visitor request. */
export async function hybridStorage(input: OperationInput): Promise<OperationReport> {
  return runOperation('hybridStorage', checkOperationInput(input), async (operation) => {
    await operation.untilNothingDrifts(async () => {
      await operation.plan('planHybridStorage', changes, {});
      await operation.approve();
      await operation.measureBaseline();
      await operation.takeRecoveryPoint();
      await operation.apply();
    });
    await operation.verify([
      { activity: 'verifySharedStorage', title: 'Every pod serves the same, complete files' },
      { activity: 'verifyPluginLifecycle', title: 'Plugins install and update through WP Admin' },
      {
        activity: 'verifyAdminAndVisitors',
        title: 'Logins hold, the editor is gone, no request failed',
      },
    ]);
  });
}

const changes: ChangeTable = {
  'install-provisioner': { do: 'installProvisioner', undo: 'removeProvisioner' },
  'create-shared-claim': { do: 'createSharedClaim', undo: 'releaseSharedClaim' },
  // What was copied goes with the claim.
  'copy-extensions': { do: 'copyExtensions' },
  'keep-salts': { do: 'keepSalts', undo: 'deleteSalts' },
  'apply-configuration': { do: 'applyConfiguration', undo: 'deleteConfiguration' },
  'apply-disruption-budget': {
    do: 'applyDisruptionBudget',
    undo: 'restoreDisruptionBudget',
    standsAlone: true,
  },
  // Traffic leaves the old pods by the Service's selector before they end, so that no request is cut off.
  'start-new-pods': { do: 'startNewPods', undo: 'removeNewPods' },
  'move-traffic': { do: 'moveTraffic', undo: 'returnTraffic' },
  'retire-old-pods': { do: 'retireOldPods', undo: 'reviveOldPods' },
  'scale-out': { do: 'scaleOut', undo: 'restoreScale' },
};
