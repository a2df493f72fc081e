import { readFileSync } from 'node:fs';
import type { V1Deployment } from '@kubernetes/client-node';
import { operationKey } from '../../domain/kubernetes/names.ts';
import { selectorText } from '../../domain/kubernetes/rollout.ts';
import { restartAnnotations } from '../../domain/planners/rollback-facts.ts';
import { containersOf } from '../../domain/planners/rollback-app.ts';
import type { Site } from '../../domain/site/schema.ts';
import { phpPods, type PhpPod } from '../kubernetes/php-pods.ts';
import { cancellationSignal } from '../activity-context.ts';
import { listPods, requireDeployment, selectorOf } from '../kubernetes/site-objects.ts';
import { deploymentRef } from '../hybrid-storage/rollout-changes.ts';
import { mergePatch } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { failure, failureTypeOf } from '../failure.ts';

/** Why new pods do not become ready, in Kubernetes's words; null when none is in trouble. */
export async function stuckRollout(k: KubernetesClients, site: Site): Promise<string | null> {
  const deployment = await requireDeployment(k, site);
  const pods = await listPods(k, site, selectorOf(deployment));
  const trouble = pods.find((pod) => pod.trouble !== null && !pod.terminating);
  if (trouble !== undefined) return `pod ${trouble.name}: ${trouble.trouble ?? ''}`;
  const failed = deployment.status?.conditions?.find(
    ({ type, status }) => type === 'Progressing' && status === 'False',
  );
  return failed === undefined ? null : (failed.message ?? 'the rollout makes no progress');
}

/** The value that makes pods start anew once for one step of an operation. */
export function restartMark(operationId: string, step: string): string {
  return `${operationKey(operationId)}-${step}`;
}

/** Has every pod replaced, one by one and each only when another one is ready. The same mark again does nothing. */
async function markForRestart(k: KubernetesClients, site: Site, mark: string): Promise<void> {
  const [annotation] = restartAnnotations;
  const deployment = await requireDeployment(k, site);
  if (deployment.spec?.template.metadata?.annotations?.[annotation] !== mark) {
    await mergePatch<V1Deployment>(k, deploymentRef(site), {
      spec: { template: { metadata: { annotations: { [annotation]: mark } } } },
    });
  }
}

const rolloutTimeoutMs = 900_000;
/** An image that cannot be pulled for this long is not there. */
const troubleMs = 60_000;

/**
 * Waits until the Deployment has as many available pods of its template as it wants, and no others that take visitors.
 * @throws RolloutStuck with the new pods' own reason. Trouble of old ones is what a rollback is often for.
 */
export async function awaitRollout(k: KubernetesClients, site: Site): Promise<{ pods: number }> {
  let inTroubleSince: number | null = null;
  return waitUntil<{ pods: number }>({
    what: `every pod of ${site.cluster.namespace}/${site.cluster.deployment} is a new one`,
    timeoutMs: rolloutTimeoutMs,
    intervalMs: 500,
    onTimeout: 'RolloutStuck',
    check: async () => {
      const deployment = await requireDeployment(k, site);
      const { status, spec, metadata } = deployment;
      const wanted = spec?.replicas ?? 1;
      const seen = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
      const counts = [status?.replicas, status?.updatedReplicas, status?.availableReplicas];
      if (seen && counts.every((count) => (count ?? 0) === wanted))
        return { done: { pods: wanted } };
      const trouble = (await newPods(k, site, deployment)).find((pod) => pod.trouble !== null);
      inTroubleSince = trouble === undefined ? null : (inTroubleSince ?? Date.now());
      if (inTroubleSince !== null && Date.now() - inTroubleSince > troubleMs) {
        throw failure('RolloutStuck', `Pod ${trouble?.name ?? ''}: ${trouble?.trouble ?? ''}`);
      }
      return {
        missing: `${counts[1] ?? 0} new and ${counts[2] ?? 0} available of ${wanted}${trouble ? `; ${trouble.name}: ${trouble.trouble ?? ''}` : ''}`,
      };
    },
  });
}

/** Pods of the Deployment's present template that are to stay. */
async function newPods(k: KubernetesClients, site: Site, deployment: V1Deployment) {
  const { namespace } = site.cluster;
  const selector = selectorOf(deployment);
  const template = deployment.spec?.template;
  const list = await calling('list', `pods in ${namespace}`, () =>
    k.core.listNamespacedPod({ namespace, labelSelector: selectorText(selector) }),
  );
  const images = (containers: { name: string; image?: string }[]) =>
    containers.map(({ name, image }) => `${name}=${image ?? ''}`).join();
  const current = new Set(
    list.items
      .filter(
        (pod) =>
          restartAnnotations.every(
            (name) => pod.metadata?.annotations?.[name] === template?.metadata?.annotations?.[name],
          ) && images(containersOf(pod)) === images(containersOf(template)),
      )
      .map((pod) => pod.metadata?.name),
  );
  const pods = await listPods(k, site, selector);
  return pods.filter((pod) => current.has(pod.name) && !pod.terminating);
}

const reloadScript = readFileSync(
  new URL('./scripts/reload-php.php', import.meta.url),
  'utf8',
).replace(/^<\?php/, '');

/** Makes PHP of one pod read its files anew without ending the pod; `why` says why it could not. */
export async function reloadPhp(
  k: KubernetesClients,
  site: Site,
  pod: string,
): Promise<{ reloaded: boolean; why: string }> {
  const { namespace, container } = site.cluster;
  const length = Buffer.byteLength(reloadScript);
  const { stdout } = await k.execInPod({
    namespace,
    pod,
    container,
    command: ['php', '-r', `eval(stream_get_contents(STDIN, ${length}));`],
    stdin: reloadScript,
    timeoutMs: 60_000,
    signal: cancellationSignal(),
  });
  try {
    const answer = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      reloaded?: boolean;
      why?: string;
    };
    return { reloaded: answer.reloaded === true, why: answer.why ?? '' };
  } catch {
    return { reloaded: false, why: 'the pod gave no answer' };
  }
}

/**
 * PHP of every pod reads its files anew: by a reload, which no visitor notices; where that is not possible, and with `remount` in any
 * case, by replacing the pods one by one. With `wait` every pod is ready in the end.
 */
export async function readFilesAnew(
  k: KubernetesClients,
  site: Site,
  { mark, wait, remount }: { mark: string; wait: boolean; remount: boolean },
): Promise<{ how: 'reloaded' | 'replaced'; pods: number; why?: string }> {
  const running = await phpPods(k, site);
  const why = remount
    ? 'pods had mounted a folder that is gone'
    : await reloadAll(k, site, running);
  if (why !== null) await markForRestart(k, site, mark);
  const { pods } = wait ? await awaitRollout(k, site) : { pods: running.length };
  return why === null ? { how: 'reloaded', pods } : { how: 'replaced', pods, why };
}

/** Why not every pod could be reloaded; null when it could. */
async function reloadAll(k: KubernetesClients, site: Site, pods: PhpPod[]): Promise<string | null> {
  let why: string | null = null;
  for (const { name } of pods) {
    const answer = await reloadPhp(k, site, name).catch((error: unknown) => {
      if (failureTypeOf(error) === null) throw error;
      return { reloaded: false, why: (error as Error).message };
    });
    if (!answer.reloaded) why = answer.why;
  }
  return why;
}
