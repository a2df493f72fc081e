import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeConnection, WorkerDeploymentOptions } from '@temporalio/worker';
import type { ProcessConfig } from './environment.ts';
import { grpcCode, grpcCodes } from './grpc.ts';
import type { Logger } from './logging.ts';

/** Name of the worker deployment in Temporal. */
export const DEPLOYMENT_NAME = 'presslift';

/** The version of workers that were not given one; all of them count as the same. */
export const DEFAULT_BUILD_ID = 'default';

/**
 * The worker's place in Temporal's worker versioning. Workflow types say whether a run stays on the version it began
 * with, and Temporal accepts that from versioned workers only, so every worker has a version.
 */
export function deploymentOptions({
  buildId,
}: Pick<ProcessConfig, 'buildId'>): WorkerDeploymentOptions {
  return {
    version: { deploymentName: DEPLOYMENT_NAME, buildId: buildId ?? DEFAULT_BUILD_ID },
    useWorkerVersioning: true,
    // Each workflow type says its own; a type that says nothing stays on the code it began with.
    defaultVersioningBehavior: 'PINNED',
  };
}

/** What this file needs of the worker's connection. */
type Deployments = Pick<NativeConnection, 'workflowService'>;

async function currentBuildId(
  { workflowService }: Deployments,
  namespace: string,
): Promise<{ current: string | null; known: string[] }> {
  try {
    const { workerDeploymentInfo } = await workflowService.describeWorkerDeployment({
      namespace,
      deploymentName: DEPLOYMENT_NAME,
    });
    return {
      current: workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId ?? null,
      known: (workerDeploymentInfo?.versionSummaries ?? []).map(
        (summary) => summary.deploymentVersion?.buildId ?? '',
      ),
    };
  } catch (error) {
    if (grpcCode(error) === grpcCodes.notFound) return { current: null, known: [] };
    throw error;
  }
}

/** Sends new work to a version. @returns false where the worker may not do that */
async function promote(
  { workflowService }: Deployments,
  namespace: string,
  buildId: string,
): Promise<boolean> {
  try {
    await workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      deploymentName: DEPLOYMENT_NAME,
      buildId,
      identity: 'presslift worker',
      // A queue of an earlier version that nobody polls any more must not hold the start.
      ignoreMissingTaskQueues: true,
    });
    return true;
  } catch (error) {
    if (grpcCode(error) === grpcCodes.permissionDenied) return false;
    throw error;
  }
}

/**
 * Sends new work to this worker's version, once Temporal has seen it poll. A version that was given by name is only
 * promoted by whoever rolls it out (an operator or the Temporal worker controller); then a warning says how.
 *
 * @returns true when new work reaches this version, false when `signal` came first
 * @throws what Temporal refuses, other than for want of permission
 */
export async function joinDeployment(
  connection: Deployments,
  namespace: string,
  { buildId }: Pick<ProcessConfig, 'buildId'>,
  logger: Logger,
  signal: AbortSignal,
): Promise<boolean> {
  const wanted = buildId ?? DEFAULT_BUILD_ID;
  let mayPromote = buildId === null;
  let warned = false;
  while (!signal.aborted) {
    const { current, known } = await currentBuildId(connection, namespace);
    if (current === wanted) return true;
    if (mayPromote && known.includes(wanted)) {
      mayPromote = await promote(connection, namespace, wanted);
    }
    if (!mayPromote && !warned) {
      warned = true;
      const command =
        `temporal worker deployment set-current-version --namespace ${namespace}` +
        ` --deployment-name ${DEPLOYMENT_NAME} --build-id ${wanted}`;
      logger.warn({ current, command }, 'this version gets no new work until it is made current');
    }
    // Quickly while Temporal registers the version, slowly while a person is waited for.
    await sleep(mayPromote ? 100 : 5_000, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
