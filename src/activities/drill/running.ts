import { WorkflowNotFoundError, type Client } from '@temporalio/client';

/** Tells whether a workflow is open, by its id; one that Temporal does not know is not. */
export function createIsRunning(client: Pick<Client, 'workflow'>) {
  return async (workflowId: string): Promise<boolean> => {
    if (workflowId === '') return false;
    try {
      const { status } = await client.workflow.getHandle(workflowId).describe();
      return status.name === 'RUNNING';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
}
