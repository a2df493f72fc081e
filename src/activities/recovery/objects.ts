import type {
  V1ConfigMap,
  V1Deployment,
  V1PodDisruptionBudget,
  V1Secret,
  V1Service,
} from '@kubernetes/client-node';
import { nameFrom } from '../../domain/kubernetes/names.ts';
import type { RecoveryPointRef } from '../../domain/operation.ts';
import type { Site } from '../../domain/site/schema.ts';
import { read } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';

/** What a recovery point keeps of a site's Kubernetes objects and of WordPress, as JSON in a Secret. */
export interface RecoveryContent {
  takenAt: string;
  deployment: V1Deployment | null;
  service: V1Service | null;
  disruptionBudgets: V1PodDisruptionBudget[];
  /** The ConfigMap of phase 1, where an earlier operation made it. */
  configMap: V1ConfigMap | null;
  /** Whether the salts Secret of phase 1 was there; its values are not copied. */
  saltsSecret: boolean;
  claims: string[];
  activePlugins: string[] | null;
  plugins: { file: string; version: string }[] | null;
  /** Cookies of an administrator who logged in when this was taken: proof later that logins stay valid. */
  session: string[] | null;
  snapshot: string | null;
  /** Whether the CDN's rules lie beside this in the Secret; absent in points of before. */
  cdnRules?: boolean;
  missing: string[];
}

export const recoveryRole = 'recovery-point';
export const recoveryKey = 'recovery-point.json';
export const recoveryIdAnnotation = 'presslift.dev/recovery-point';

/** Name of the Secret that holds a recovery point. */
export function recoverySecretName(id: string): string {
  return nameFrom('presslift-recovery', id);
}

export async function readRecovery(
  k: KubernetesClients,
  site: Site,
  id: string,
): Promise<RecoveryContent | null> {
  const secret = await read<V1Secret>(k, {
    apiVersion: 'v1',
    kind: 'Secret',
    namespace: site.cluster.namespace,
    name: recoverySecretName(id),
  });
  return secret === null ? null : contentOf(secret);
}

export function contentOf(secret: V1Secret): RecoveryContent {
  const text = Buffer.from(secret.data?.[recoveryKey] ?? '', 'base64').toString('utf8');
  return JSON.parse(text) as RecoveryContent;
}

/**
 * What the undo of a change goes back to.
 * @throws PreconditionFailed when there is no such recovery point: nothing is undone by guessing.
 */
export async function requireRecovery(
  k: KubernetesClients,
  site: Site,
  ref: RecoveryPointRef | null,
): Promise<RecoveryContent> {
  const found = ref === null ? null : await readRecovery(k, site, ref.id);
  if (found === null) {
    const which = ref === null ? 'no recovery point' : `recovery point ${ref.id} is gone`;
    throw failure('PreconditionFailed', `Nothing tells what to go back to: ${which}`);
  }
  return found;
}
