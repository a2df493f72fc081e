import type { V1EnvVar, V1Job, V1KeyToPath, V1Secret } from '@kubernetes/client-node';
import {
  managedLabels,
  OPERATION_LABEL,
  operationKey,
  shortName,
} from '../../domain/kubernetes/names.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ToolboxJob } from './toolbox.ts';

/** Where a toolbox Job finds what it was given. */
export const toolboxPaths = {
  secrets: '/presslift/secrets',
  input: '/presslift/input',
  work: '/presslift/work',
} as const;

/** What a restore as root needs to give files their owners and modes; nothing else is left to the Job. */
const capabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID'];

/** restic needs time to remove its lock from the repository. */
const gracePeriodSeconds = 60;

/**
 * How the host names of a site's Jobs begin, of those whose names begin with `jobs`. Locks in a repository say by it whose they
 * are: other sites may have theirs in the same one.
 */
export function jobHosts(site: Site, jobs = ''): string {
  return `${operationKey(site.name)}-${jobs}`;
}

/** The Job, not yet started: it waits for the Secret that belongs to it. */
export function toolboxJobManifest(site: Site, job: ToolboxJob): V1Job {
  const labels = {
    ...managedLabels(site, 'job'),
    [OPERATION_LABEL]: operationKey(job.operationId),
  };
  const claims = [...new Set((job.volumes ?? []).map(({ claim }) => claim))];
  const env: V1EnvVar[] = Object.entries({
    TMPDIR: toolboxPaths.work,
    HOME: toolboxPaths.work,
    ...job.env,
  }).map(([name, value]) => ({ name, value }));
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...addressOf(site, job), labels },
    spec: {
      // Temporal tries again, and knows what failed.
      backoffLimit: 0,
      // A pod that had to leave its node has not failed.
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        ],
      },
      activeDeadlineSeconds: Math.ceil(job.timeoutMs / 1000),
      // The activity removes the Job; this is for the case that nobody comes back to it.
      ttlSecondsAfterFinished: 3600,
      suspend: true,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          hostname: jobHosts(site, job.name).slice(0, 63).replace(/-+$/, ''),
          terminationGracePeriodSeconds: gracePeriodSeconds,
          ...(job.sameNodeAs && {
            affinity: {
              podAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: [
                  {
                    labelSelector: { matchLabels: job.sameNodeAs },
                    topologyKey: 'kubernetes.io/hostname',
                  },
                ],
              },
            },
          }),
          containers: [
            {
              name: 'toolbox',
              image: job.image ?? site.wordpress.toolboxImage,
              command: ['bash', '-c', job.script],
              env,
              workingDir: toolboxPaths.work,
              securityContext: {
                runAsUser: 0,
                runAsGroup: 0,
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'], add: capabilities },
              },
              volumeMounts: [
                { name: 'work', mountPath: toolboxPaths.work },
                { name: 'secrets', mountPath: toolboxPaths.secrets, readOnly: true },
                { name: 'input', mountPath: toolboxPaths.input, readOnly: true },
                ...(job.volumes ?? []).map(({ claim, mountPath, subPath, readOnly }) => ({
                  name: volumeName(claims, claim),
                  mountPath,
                  ...(subPath && { subPath }),
                  ...(readOnly && { readOnly }),
                })),
              ],
            },
          ],
          volumes: [
            { name: 'work', emptyDir: {} },
            secretVolume(job, 'secrets', 0o400),
            secretVolume(job, 'input', 0o444),
            // Not `readOnly` here: a block volume that a pod has attached writable cannot be attached read-only too.
            ...claims.map((claim) => ({
              name: volumeName(claims, claim),
              persistentVolumeClaim: { claimName: claim },
            })),
          ],
        },
      },
    },
  };
}

/** Everything that the Job is given in files, in one Secret that goes with it. */
export function toolboxSecretManifest(site: Site, job: ToolboxJob, jobUid: string): V1Secret {
  const address = addressOf(site, job);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      ...address,
      labels: { ...managedLabels(site, 'job'), [OPERATION_LABEL]: operationKey(job.operationId) },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: address.name, uid: jobUid }],
    },
    type: 'Opaque',
    data: Object.fromEntries(
      filesOf(job).map(({ key, content }) => [key, Buffer.from(content).toString('base64')]),
    ),
  };
}

/** Namespace and name of a Job and of its Secret. */
export function addressOf(site: Site, job: ToolboxJob): { namespace: string; name: string } {
  return { namespace: job.namespace ?? site.cluster.namespace, name: shortName(job.name) };
}

function filesOf(job: ToolboxJob) {
  const entries = (kind: 'secrets' | 'input', files: Record<string, string> = {}) =>
    Object.entries(files).map(([path, content]) => ({
      kind,
      path,
      key: `${kind}.${path}`,
      content,
    }));
  return [...entries('secrets', job.secretFiles), ...entries('input', job.inputFiles)];
}

function secretVolume(job: ToolboxJob, kind: 'secrets' | 'input', mode: number) {
  const items: V1KeyToPath[] = filesOf(job)
    .filter((file) => file.kind === kind)
    .map(({ key, path }) => ({ key, path, mode }));
  // A Secret volume without items would show all of it.
  if (items.length === 0) return { name: kind, emptyDir: {} };
  return { name: kind, secret: { secretName: shortName(job.name), items, defaultMode: mode } };
}

const volumeName = (claims: string[], claim: string) => `claim-${claims.indexOf(claim)}`;
