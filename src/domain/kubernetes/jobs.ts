import type { V1Affinity, V1Job, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import type { Site } from '../site/schema.ts';
import { hybridNames, managedLabels, OPERATION_LABEL, shortName } from './names.ts';

/** Where the old document root and the shared volume are in the pods of Jobs. */
export const jobPaths = { old: '/presslift/old', shared: '/presslift/new' } as const;

export interface OldVolume {
  claim: string;
  /** Folder of the claim that is the document root; '' for its root. */
  subPath: string;
}

export interface JobInput {
  site: Site;
  /** `operationKey` of the operation, for the name and the label. */
  operation: string;
  /** The fixed script of the repository; values reach it by environment alone. */
  script: string;
}

/**
 * The Job that copies plugins and themes, hashes every file on both sides and writes the manifest. The old volume is
 * mounted read-only: nothing in this Job can change it.
 *
 * @param attempt makes the name: 0 for the change itself, 1 for the one repetition after files changed meanwhile.
 */
export function copyJob(
  input: JobInput & {
    old: OldVolume;
    sameNodeAs: Record<string, string> | null;
    attempt: number;
    chown: boolean;
  },
): V1Job {
  const { site, old } = input;
  return job(input, `${site.cluster.deployment}-copy-extensions-${input.attempt}`, {
    ...(input.sameNodeAs && { affinity: nodeOf(input.sameNodeAs) }),
    containers: [
      {
        name: 'copy',
        image: site.wordpress.toolboxImage,
        command: ['bash', '-c', input.script],
        env: [
          { name: 'OLD', value: jobPaths.old },
          { name: 'NEW', value: jobPaths.shared },
          { name: 'OWNER', value: String(site.wordpress.user) },
          { name: 'CHOWN', value: input.chown ? 'yes' : 'no' },
        ],
        volumeMounts: [
          {
            name: 'old',
            mountPath: jobPaths.old,
            readOnly: true,
            ...(old.subPath !== '' && { subPath: old.subPath }),
          },
          { name: 'new', mountPath: jobPaths.shared },
        ],
      },
    ],
    volumes: [
      // Not `readOnly` here: a block volume that is attached writable to the old pod cannot be attached read-only too.
      { name: 'old', persistentVolumeClaim: { claimName: old.claim } },
      { name: 'new', persistentVolumeClaim: { claimName: hybridNames(site).sharedClaim } },
    ],
  });
}

/** The Job that reads the shared volume: digests of plugins and themes, and the files of the manifest that are missing. */
export function sharedVolumeJob(input: JobInput & { purpose: string }): V1Job {
  const { site } = input;
  return job(input, `${site.cluster.deployment}-${input.purpose}`, {
    containers: [
      {
        name: 'read',
        image: site.wordpress.toolboxImage,
        command: ['bash', '-c', input.script],
        env: [{ name: 'NEW', value: jobPaths.shared }],
        volumeMounts: [{ name: 'new', mountPath: jobPaths.shared, readOnly: true }],
      },
    ],
    volumes: [{ name: 'new', persistentVolumeClaim: { claimName: hybridNames(site).sharedClaim } }],
  });
}

/**
 * The Job that looks at the old document root with the image that will serve the site: it holds the core files that the
 * old ones are compared with. The agent's code comes by environment and prints its JSON.
 */
export function inspectionJob(
  input: Omit<JobInput, 'script'> & {
    old: OldVolume;
    sameNodeAs: Record<string, string> | null;
    agent: string;
  },
): V1Job {
  const { site, old } = input;
  return job(input, `${site.cluster.deployment}-inspect`, {
    ...(input.sameNodeAs && { affinity: nodeOf(input.sameNodeAs) }),
    containers: [
      {
        name: 'inspect',
        image: site.wordpress.image,
        command: ['php', '-r', "eval(getenv('PRESSLIFT_AGENT'));"],
        env: [{ name: 'PRESSLIFT_AGENT', value: input.agent }],
        volumeMounts: [
          {
            name: 'old',
            mountPath: jobPaths.old,
            readOnly: true,
            ...(old.subPath !== '' && { subPath: old.subPath }),
          },
        ],
      },
    ],
    volumes: [{ name: 'old', persistentVolumeClaim: { claimName: old.claim } }],
  });
}

/** One of the two pods that prove a claim to be shared: each waits for what the other writes. */
export function probePod(input: {
  site: Site;
  claim: string;
  part: 'a' | 'b';
  name: string;
  script: string;
  /** With more than one node the pods must be on different ones, or the proof is none. */
  differentNodes: boolean;
}): V1Pod {
  const { site, part } = input;
  const labels = { ...managedLabels(site, 'probe'), 'presslift.dev/probe': input.claim };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: input.name, namespace: site.cluster.namespace, labels },
    spec: {
      restartPolicy: 'Never',
      activeDeadlineSeconds: 240,
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      ...(input.differentNodes && {
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              {
                labelSelector: { matchLabels: { 'presslift.dev/probe': input.claim } },
                topologyKey: 'kubernetes.io/hostname',
              },
            ],
          },
        },
      }),
      containers: [
        {
          name: 'probe',
          image: site.wordpress.toolboxImage,
          command: ['bash', '-c', input.script],
          env: [
            { name: 'PART', value: part },
            { name: 'VOLUME', value: jobPaths.shared },
            { name: 'OWNER', value: String(site.wordpress.user) },
          ],
          volumeMounts: [{ name: 'volume', mountPath: jobPaths.shared }],
        },
      ],
      volumes: [{ name: 'volume', persistentVolumeClaim: { claimName: input.claim } }],
    },
  };
}

function job(
  { site, operation }: { site: Site; operation: string },
  prefix: string,
  pod: V1PodSpec,
): V1Job {
  const labels = { ...managedLabels(site, 'job'), [OPERATION_LABEL]: operation };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: shortName(`${prefix}-${operation}`),
      namespace: site.cluster.namespace,
      labels,
    },
    spec: {
      backoffLimit: 2,
      activeDeadlineSeconds: 3600,
      // The activity removes the Job; this is for the case that nobody comes back to it.
      ttlSecondsAfterFinished: 3600,
      template: {
        metadata: { labels },
        spec: { restartPolicy: 'Never', automountServiceAccountToken: false, ...pod },
      },
    },
  };
}

/** On the node of the pods with these labels: a volume of one node can be read only there. */
function nodeOf(labels: Record<string, string>): V1Affinity {
  return {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' },
      ],
    },
  };
}
