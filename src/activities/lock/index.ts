import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { TASK_QUEUE, workflowIds } from '../../domain/identifiers.ts';
import { signals } from '../../domain/messages.ts';
import type { LockActivities } from '../contracts.ts';

export interface LockDeps {
  /** A client of the Temporal namespace that the worker works in. */
  client: Pick<Client, 'workflow'>;
}

/** Activities that talk to the site's lock workflow. */
export function createLockActivities({ client }: LockDeps): LockActivities {
  return {
    async requestLock({ site, holder }) {
      await client.workflow.signalWithStart('siteLock', {
        workflowId: workflowIds.siteLock(site),
        taskQueue: TASK_QUEUE,
        args: [{ site }],
        signal: signals.requestLock,
        signalArgs: [holder],
        staticSummary: `Lock of ${site}`,
      });
    },

    async isHolderAlive({ holder }) {
      try {
        const { status, runId } = await client.workflow
          .getHandle(holder.workflowId, holder.runId)
          .describe();
        return status.name === 'RUNNING' && runId === holder.runId;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      }
    },
  };
}
