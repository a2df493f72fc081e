/** What the benchmark asks of the sandbox's cluster: kubectl, and Jobs as a person would write them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { imageReference } from '../../deploy/sandbox/build/image-catalogue.ts';
import { kube, type SandboxKube } from '../../deploy/sandbox/kube.ts';
import { place } from './settings.ts';

export interface PlainJob {
  name: string;
  /** The program; its text is the Job's only argument. */
  program: readonly string[];
  env: Record<string, string>;
  /** Claims by mount path. */
  volumes: Record<string, string>;
  /** Keys of the Secret `raw`, as files in /secrets. */
  needsSecrets?: boolean;
  timeoutSeconds: number;
}

export interface FinishedJob {
  log: string;
  /** From before the Job was made until its end was seen. */
  ms: number;
}

/** Runs a Job to its end, without retries, and removes it. Rejects with its log when it fails. */
export async function runJob(cluster: SandboxKube, job: PlainJob): Promise<FinishedJob> {
  const from = performance.now();
  await cluster.apply([manifest(job)]);
  try {
    const reason = await endOf(cluster, job);
    const ms = performance.now() - from;
    const log = await cluster.kubectl(['logs', '-n', place.namespace, `job/${job.name}`]);
    if (reason !== null) throw new Error(`Job ${job.name} ${reason}: ${log.slice(-2_000)}`);
    return { log, ms };
  } finally {
    await cluster.kubectl([
      ...['delete', 'job', job.name, '-n', place.namespace],
      ...['--ignore-not-found', '--wait=true', '--cascade=foreground'],
    ]);
  }
}

interface Pods {
  items: {
    status?: { containerStatuses?: { state?: { terminated?: { exitCode: number } } }[] };
  }[];
}

/**
 * Null when the Job's container ended with 0, else why it did not. The container's own end counts for both sides; a Job says that it is
 * complete a second or two later. It is asked for a few times a second.
 */
async function endOf({ get }: SandboxKube, job: PlainJob): Promise<string | null> {
  const deadline = Date.now() + job.timeoutSeconds * 1_000;
  const path = `/api/v1/namespaces/${place.namespace}/pods?labelSelector=job-name%3D${job.name}`;
  while (Date.now() < deadline) {
    const { items } = await get<Pods>(path);
    const ended = items[0]?.status?.containerStatuses?.[0]?.state?.terminated;
    if (ended !== undefined) return ended.exitCode === 0 ? null : `ended with ${ended.exitCode}`;
    await sleep(200);
  }
  return `had no end in ${job.timeoutSeconds} s`;
}

function manifest(job: PlainJob) {
  const volumes = Object.entries(job.volumes).map(([mountPath, claimName], index) => ({
    ...{ name: `volume-${index}`, mountPath, persistentVolumeClaim: { claimName } },
  }));
  const secret = { name: 'secrets', secret: { secretName: 'raw', defaultMode: 0o400 } };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: job.name, namespace: place.namespace },
    spec: {
      backoffLimit: 0,
      template: {
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          containers: [
            {
              name: 'job',
              image: imageReference('toolbox'),
              command: [...job.program],
              env: Object.entries(job.env).map(([name, value]) => ({ name, value })),
              volumeMounts: [
                ...volumes.map(({ name, mountPath }) => ({ name, mountPath })),
                ...(job.needsSecrets ? [{ name: 'secrets', mountPath: '/secrets' }] : []),
              ],
            },
          ],
          volumes: [
            ...volumes.map(({ name, persistentVolumeClaim }) => ({ name, persistentVolumeClaim })),
            ...(job.needsSecrets ? [secret] : []),
          ],
        },
      },
    },
  };
}

export { kube, type SandboxKube };
