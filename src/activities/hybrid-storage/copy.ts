import type { V1PersistentVolumeClaim } from '@kubernetes/client-node';
import { copyJob, sharedVolumeJob } from '../../domain/kubernetes/jobs.ts';
import { COPIED_ANNOTATION, hybridNames, operationKey } from '../../domain/kubernetes/names.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { TreeDigest } from '../../domain/wordpress.ts';
import { mergePatch } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { runJob } from '../kubernetes/jobs.ts';
import { scripts } from './deps.ts';

/** What the copy Job writes into its termination message. */
export interface CopyResult {
  plugins: CopiedTree;
  themes: CopiedTree;
  manifest: { files: number; digest: string };
}

interface CopiedTree extends TreeDigest {
  links: number;
  copied: number;
  removed: number;
}

/** What the reading Job writes. */
export interface SharedVolumeContent {
  plugins: TreeDigest;
  themes: TreeDigest;
  manifest: {
    files: number;
    missing: number;
    /** Missing files of plugins and themes that are still there: lost, not deleted by somebody. */
    lost: number;
    lostPaths: string[];
    /** Whole plugins and themes that are gone. */
    deleted: string[];
  } | null;
}

const copyTimeoutMs = 3_600_000;

/**
 * Copies plugins and themes and notes their digests on the shared claim.
 * @throws JobFailed when old and new differ after the copy.
 */
export async function copyAndNote(
  k: KubernetesClients,
  site: Site,
  input: {
    operationId: string;
    old: { claim: string; subPath: string };
    sameNodeAs: Record<string, string> | null;
    attempt: number;
    chown: boolean;
  },
): Promise<CopyResult> {
  const { operationId, ...rest } = input;
  const job = copyJob({
    site,
    operation: operationKey(operationId),
    script: scripts.copyExtensions,
    ...rest,
  });
  const { message } = await runJob(k, job, { timeoutMs: copyTimeoutMs });
  const result = parse<CopyResult>(message, 'copy');
  const copied = { plugins: result.plugins.digest, themes: result.themes.digest };
  await mergePatch<V1PersistentVolumeClaim>(
    k,
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      namespace: site.cluster.namespace,
      name: hybridNames(site).sharedClaim,
    },
    { metadata: { annotations: { [COPIED_ANNOTATION]: JSON.stringify(copied) } } },
  );
  return result;
}

/** Reads the shared volume by a Job: its digests, and what of the manifest is missing. */
export async function readSharedVolume(
  k: KubernetesClients,
  site: Site,
  operationId: string,
  purpose: string,
): Promise<SharedVolumeContent> {
  const job = sharedVolumeJob({
    site,
    operation: operationKey(operationId),
    script: scripts.readShared,
    purpose,
  });
  const { message } = await runJob(k, job, { timeoutMs: 900_000 });
  return parse<SharedVolumeContent>(message, purpose);
}

function parse<T>(message: string, what: string): T {
  try {
    return JSON.parse(message) as T;
  } catch {
    throw failure('JobFailed', `The Job for ${what} ended without a result`);
  }
}
