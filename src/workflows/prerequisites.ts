import type { OperationInput, OperationReport } from '../domain/operation.ts';
import type { ChangeTable } from './parts/change-table.ts';
import { checkOperationInput } from './parts/input.ts';
import { runOperation } from './parts/operation.ts';
import { versioned } from './parts/versioning.ts';

// A run stays on the code it started with: a phase is days long at most, and its steps must not change under it.
versioned('PINNED', prerequisites);

/** Phase 0: the managed database, the bucket and the host names are proved, and what is missing is created. */
export async function prerequisites(input: OperationInput): Promise<OperationReport> {
  return runOperation('prerequisites', checkOperationInput(input), async (operation) => {
    await operation.untilNothingDrifts(async () => {
      await operation.plan('planPrerequisites', changes, {});
      await operation.approve();
      await operation.measureBaseline();
      await operation.takeRecoveryPoint();
      await operation.apply();
    });
    await operation.verify([
      { activity: 'verifyDatabase', title: 'The database is reached over TLS alone' },
      { activity: 'verifyObjectStorage', title: 'Bucket and keys work, for this bucket alone' },
      { activity: 'verifyHostnames', title: 'Host names, ingress and certificate agree' },
    ]);
  });
}

const changes: ChangeTable = {
  'create-bucket': { do: 'createBucket', undo: 'deleteEmptyBucket' },
  'configure-bucket': {
    do: 'configureBucket',
    undo: 'restoreBucketConfiguration',
    standsAlone: true,
  },
  'create-bucket-keys': { do: 'createBucketKeys', undo: 'deleteBucketKeys' },
};
