import type { V1Job } from '@kubernetes/client-node';
import { failures, type FailureType } from '../../domain/failures.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Site } from '../../domain/site/schema.ts';
import {
  cancellationRequested,
  cancellationSignal,
  heartbeat,
  withoutCancellation,
} from '../activity-context.ts';
import { apply, mergePatch, read, remove } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import {
  awaitJob,
  deleteJob,
  hasFailed,
  isBeingDeleted,
  lastLogLines,
  removeJob,
  type JobOutcome,
} from '../kubernetes/jobs.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { addressOf, toolboxJobManifest, toolboxSecretManifest } from './toolbox-manifest.ts';

export { toolboxScript, type ScriptLibrary } from './toolbox-script.ts';
export type { JobOutcome } from '../kubernetes/jobs.ts';

/** One script next to the data. Heavy data flows through it, never through the worker. */
export interface ToolboxJob {
  /** Default: the site's. */
  namespace?: string;
  /** DNS label. It must follow from what the Job does: a retry adopts the Job of that name. */
  name: string;
  operationId: string;
  /** Fixed text, from `toolboxScript`; values reach it by environment and files alone. */
  script: string;
  env?: Record<string, string>;
  /** In /presslift/secrets/, readable for root alone. Together with `inputFiles` at most 1 MiB. */
  secretFiles?: Record<string, string>;
  /** In /presslift/input/. */
  inputFiles?: Record<string, string>;
  volumes?: ToolboxVolume[];
  /** On the node of the pods with these labels: a volume of one node can be used only there. */
  sameNodeAs?: Record<string, string> | null;
  timeoutMs: number;
  /** Default: the site's toolbox image. */
  image?: string;
  /** Gets the last JSON line of the log, about every two seconds. */
  onProgress?(line: JsonObject): void;
}

export interface ToolboxVolume {
  claim: string;
  mountPath: string;
  subPath?: string;
  readOnly?: boolean;
}

/**
 * Runs a script to its end as root in a pod next to the data, and removes Job and Secret in every case but one: when the
 * worker itself stops or the API server does not answer, they stay and the next attempt adopts them.
 *
 * @returns what the script said (`message`, at most 4 KiB).
 * @throws the failure that the script named with `fail`; JobFailed with the last lines of its log when it named none;
 *   Unavailable when it has no end within `timeoutMs` or somebody deleted the Job.
 */
export async function runToolboxJob(
  k: KubernetesClients,
  site: Site,
  job: ToolboxJob,
): Promise<JobOutcome> {
  const { namespace, name } = addressOf(site, job);
  let keep = true;
  try {
    await start(k, site, job);
    keep = false;
    const { failed, outcome } = await awaitJob(k, namespace, name, {
      timeoutMs: job.timeoutMs + 60_000,
      onPoll: (pod) => reportProgress(k, namespace, pod, job),
    });
    if (failed !== null) throw failureOf(`${namespace}/${name}`, failed, outcome);
    // Its pod has ended; whoever needs what that pod has mounted waits for it by itself.
    await deleteJob(k, namespace, name);
    await removeSecret(k, namespace, name);
    return outcome;
  } catch (error) {
    const stopped = cancellationSignal()?.aborted === true;
    if (stopped ? cancellationRequested() : !keep || !isRetryable(error)) {
      // The error that led here is the one that people have to see.
      await withoutCancellation(() => removeToolboxJob(k, namespace, name)).catch(() => undefined);
    }
    throw error;
  }
}

async function reportProgress(
  k: KubernetesClients,
  namespace: string,
  pod: string,
  job: ToolboxJob,
): Promise<void> {
  const line = lastJson(await lastLogLines(k, namespace, pod, 5));
  heartbeat({ job: job.name, ...line });
  if (line !== null) job.onProgress?.(line);
}

/** Removes a toolbox Job with its pods and its Secret; what is not there is no error. */
export async function removeToolboxJob(
  k: KubernetesClients,
  namespace: string,
  name: string,
): Promise<void> {
  await removeJob(k, namespace, name);
  await removeSecret(k, namespace, name);
}

async function removeSecret(k: KubernetesClients, namespace: string, name: string): Promise<void> {
  await remove(k, { apiVersion: 'v1', kind: 'Secret', namespace, name });
}

/** Job, then the Secret that belongs to it, then go: no pod ever waits for a Secret, and no Secret outlives its Job. */
async function start(k: KubernetesClients, site: Site, job: ToolboxJob): Promise<void> {
  const { namespace, name } = addressOf(site, job);
  const ref = { apiVersion: 'batch/v1', kind: 'Job', namespace, name };
  const earlier = await read<V1Job>(k, ref);
  if (earlier !== null && (hasFailed(earlier) || isBeingDeleted(earlier))) {
    await removeToolboxJob(k, namespace, name);
  } else if (earlier !== null && earlier.spec?.suspend !== true) {
    return;
  }
  const made = await apply(k, toolboxJobManifest(site, job));
  const uid = made.metadata?.uid;
  if (uid === undefined) throw failure('Unavailable', `Job ${namespace}/${name} has no uid`);
  await apply(k, toolboxSecretManifest(site, job, uid), { force: true });
  await mergePatch(k, ref, { spec: { suspend: false } });
}

/** The failure behind a Job that failed. */
function failureOf(job: string, reason: string, outcome: JobOutcome) {
  const { message, log } = outcome;
  const said = saidBy(outcome);
  const type = said?.['failure'];
  if (typeof type === 'string' && type in failures) {
    const sentence = said?.['message'];
    return failure(
      type as FailureType,
      typeof sentence === 'string' ? sentence : `Job ${job} failed`,
    );
  }
  const tail = message || log.trim().split('\n').slice(-8).join('\n');
  return failure('JobFailed', `Job ${job} failed (${reason}): ${tail || 'it left no log'}`);
}

function isRetryable(error: unknown): boolean {
  const type = failureTypeOf(error);
  return type !== null && failures[type].retryable;
}

/** The result of a script. @throws JobFailed when it said none. */
export function resultOf<T>(outcome: JobOutcome, what: string): T {
  const result = saidBy(outcome);
  if (result === null) throw failure('JobFailed', `The Job for ${what} ended without a result`);
  return result as T;
}

const resultPrefix = 'result: ';

/** What a script told with `say`: its termination message, or the log's line for what is longer than such a message may be. */
function saidBy({ message, log }: JobOutcome): JsonObject | null {
  if (message !== '') return parseObject(message);
  const line = log.split('\n').findLast((one) => one.startsWith(resultPrefix));
  return line === undefined ? null : parseObject(line.slice(resultPrefix.length));
}

/** The last line of progress. A result is none: it begins with other words, and may be too long for a heartbeat. */
function lastJson(log: string): JsonObject | null {
  for (const line of log.trimEnd().split('\n').reverse()) {
    const parsed = parseObject(line);
    if (parsed !== null) return parsed;
  }
  return null;
}

function parseObject(text: string): JsonObject | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as JsonObject)
      : null;
  } catch {
    return null;
  }
}
