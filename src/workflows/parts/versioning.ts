import { setWorkflowOptions, workflowInfo } from '@temporalio/workflow';

/**
 * Says how runs of a type follow new code: `PINNED` runs stay on the worker version they started with, `AUTO_UPGRADE`
 * runs move to the current one. It is said by versioned workers only: the server refuses it from any other.
 */
export function versioned<Input, Output>(
  behaviour: 'PINNED' | 'AUTO_UPGRADE',
  workflow: (input: Input) => Promise<Output>,
): void {
  setWorkflowOptions(() => {
    // Any worker has a build id; only a versioned one belongs to a deployment.
    const isVersioned = Boolean(workflowInfo().currentDeploymentVersion?.deploymentName);
    return isVersioned ? { versioningBehavior: behaviour } : {};
  }, workflow);
}
