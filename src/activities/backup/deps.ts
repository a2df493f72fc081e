import type { MetricMeter } from '@temporalio/common';
import type { Site } from '../../domain/site/schema.ts';
import {
  cancellationRequested,
  cancellationSignal,
  withoutCancellation,
} from '../activity-context.ts';
import { createDigitalOcean, type DigitalOcean } from '../digitalocean/client.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { failures } from '../../domain/failures.ts';
import {
  listPods,
  readDeployment,
  readService,
  selectorOf,
  servingPod,
} from '../kubernetes/site-objects.ts';
import { TRACK_LABEL } from '../../domain/kubernetes/names.ts';
import { siteCluster, type RecoveryCoreDeps } from '../recovery/deps.ts';
import { phpPods } from '../kubernetes/php-pods.ts';

/** What the activities of `backup` are made with. */
export interface BackupDeps extends RecoveryCoreDeps {
  /** DigitalOcean's API for sites that name none; the official one when absent. */
  digitaloceanEndpoint?: string;
  /** Where the age of the newest point is shown; nowhere when absent. */
  meter?: MetricMeter;
}

/**
 * The pod that shows the site as visitors meet it. A site that a plugin has broken has none that is ready; then one in which PHP
 * runs. Null when there is neither.
 */
export async function findPod(deps: BackupDeps, site: Site): Promise<string | null> {
  const k = siteCluster(deps, site);
  const deployment = await readDeployment(k, site);
  const service = await readService(k, site);
  const pods = deployment === null ? [] : await listPods(k, site, selectorOf(deployment));
  const pod = servingPod(pods, service?.spec?.selector?.[TRACK_LABEL] !== undefined);
  if (pod !== null) return pod.name;
  const [running] = deployment === null ? [] : await phpPods(k, site);
  return running?.name ?? null;
}

/** The same where it is needed. @throws Unavailable when PHP runs in no pod */
export async function requirePod(deps: BackupDeps, site: Site): Promise<string> {
  const pod = await findPod(deps, site);
  if (pod !== null) return pod;
  const { namespace, deployment: name } = site.cluster;
  throw failure('Unavailable', `PHP runs in no pod of Deployment ${namespace}/${name}`);
}

/** The API that the site's managed services are at. @throws InvalidSite, SecretMissing */
export async function digitalOceanOf(deps: BackupDeps, site: Site): Promise<DigitalOcean> {
  const { managed } = site.database;
  if (managed === undefined) {
    throw failure('InvalidSite', 'database.managed names no API token for DigitalOcean');
  }
  return createDigitalOcean({
    token: await deps.secrets.secret(managed.token),
    endpoint: managed.apiEndpoint ?? deps.digitaloceanEndpoint,
  });
}

/**
 * Runs work that needs temporary things, and removes them whatever its end: but for the case that the next attempt goes on
 * with them, when the worker stops or an answer may come at the next attempt.
 */
export async function withTemporary<T>(
  work: () => Promise<T>,
  cleanUp: () => Promise<void>,
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const type = failureTypeOf(error);
    const stopped = cancellationSignal()?.aborted === true;
    const isFinal = stopped ? cancellationRequested() : type === null || !failures[type].retryable;
    // The error that led here is the one that people have to see.
    if (isFinal) await withoutCancellation(cleanUp).catch(() => undefined);
    throw error;
  }
  // Work that is done is not done again for what could not be removed: the next backup removes it.
  await withoutCancellation(cleanUp).catch(() => undefined);
  return result;
}
