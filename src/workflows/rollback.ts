import type { OperationReport } from '../domain/operation.ts';
import type { RollbackInput } from '../domain/recovery/request.ts';
import type { ChangeTable } from './parts/change-table.ts';
import { checkRollbackInput } from './parts/input.ts';
import { runOperation } from './parts/operation.ts';
import type { ExtraGate } from './parts/shape.ts';
import { versioned } from './parts/versioning.ts';

// A run stays on the code it started with: its steps must not change under it.
versioned('PINNED', rollback);

/**
 * Parts of a site go back to a recovery point. By hand, or as the child of an operation that holds the site's lock: it
 * works under that lock then. A rollback is taken back by a rollback to the point that it has taken itself.
 */
export async function rollback(input: RollbackInput): Promise<OperationReport> {
  const { point, layers, databaseTime, maintenance, release, ...asked } = checkRollbackInput(input);
  const request = { point, layers, databaseTime, maintenance, release };
  return runOperation(
    'rollback',
    asked,
    async (operation) => {
      await operation.untilNothingDrifts(async () => {
        await operation.plan('planRollback', changes, { request });
        await operation.approve();
        await operation.measureBaseline();
        await operation.takeRecoveryPoint();
        await operation.apply();
      });
      await operation.verify([
        {
          activity: 'verifyRolledBackLayers',
          title: 'What went back is as the recovery point has it',
        },
        {
          activity: 'verifyRolledBackSite',
          title: 'Visitors and administrators get what they should',
        },
      ]);
    },
    { extraGates: [badPoint] },
  );
}

const badPoint: ExtraGate = {
  id: 'bad-point',
  finding: 'recovery-point-bad',
  title: 'Approval of a recovery point that a drill found bad',
  question: 'Go back to this recovery point although a drill found it bad?',
};

/** Old trees and databases are deleted one by one, for that cannot be taken back. */
const deletions: ChangeTable = Object.fromEntries(
  Array.from({ length: 9 }, (_, index) => [
    `delete-kept-${index + 1}`,
    { do: 'deleteKept', standsAlone: true },
  ]),
);

const changes: ChangeTable = {
  // Whatever takes long is made ready beside the live site first.
  'stage-database': { do: 'stageDatabase', undo: 'unstageDatabase' },
  'fork-database': { do: 'forkDatabase', undo: 'deleteForkedDatabase' },
  'stage-extensions': { do: 'stageExtensions', undo: 'unstageExtensions' },
  'begin-maintenance': { do: 'beginMaintenance', undo: 'endMaintenance' },
  // Newer code never meets older data: the database goes back after the code.
  'switch-extensions': { do: 'switchExtensions', undo: 'switchExtensionsBack' },
  'restore-options': { do: 'restoreOptions', undo: 'returnOptions' },
  'restore-app': { do: 'restoreApp', undo: 'returnApp' },
  // Taken back with the begin.
  'renew-maintenance': { do: 'beginMaintenance' },
  'switch-database': { do: 'switchDatabase', undo: 'switchDatabaseBack' },
  'move-to-forked-database': { do: 'moveToForkedDatabase', undo: 'moveBackFromForkedDatabase' },
  'restore-cdn-rules': { do: 'restoreCdnRules', undo: 'returnCdnRules' },
  // What is not kept needs no taking back; but pages of a state that is given up must not stay at the edge either.
  'purge-cdn': { do: 'purgeCdn', afterUndo: 'purgeCdn', standsAlone: true },
  'end-maintenance': { do: 'endMaintenance', undo: 'beginMaintenance' },
  ...deletions,
};
