import { setTimeout as delay } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import type { KubernetesClients } from '../../src/activities/kubernetes/clients.ts';

/** What a pod that runs to its end writes into its termination message; a string that begins with `!` is a failure. */
export type PodEnding = (pod: V1Pod) => string;

const node = 'pretended';

/**
 * Does what scheduler and node would: pods are bound, those that serve become ready, those that run to their end do so with
 * the message that the test gives, and those that were deleted go.
 */
export function runPods(
  clients: KubernetesClients,
  namespace: string,
  ending: PodEnding,
): { stop(): Promise<void> } {
  let running = true;
  let address = 1;
  const loop = (async () => {
    await ensureNode(clients);
    while (running) {
      try {
        const { items } = await clients.core.listNamespacedPod({ namespace });
        for (const pod of items) {
          const name = pod.metadata?.name ?? '';
          if (pod.metadata?.deletionTimestamp !== undefined) {
            await clients.core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 });
            continue;
          }
          if (pod.status?.podIP !== undefined) continue;
          if (pod.spec?.nodeName === undefined) {
            const target = { apiVersion: 'v1', kind: 'Node', name: node };
            const body = { metadata: { name }, target };
            await clients.core.createNamespacedPodBinding({ name, namespace, body });
            continue;
          }
          await setStatus(clients, pod, ending, `10.98.0.${(address += 1)}`);
        }
      } catch {
        // A pod may be deleted between the list and the patch.
      }
      await delay(100);
    }
  })();
  return {
    async stop() {
      running = false;
      await loop;
    },
  };
}

async function ensureNode(clients: KubernetesClients): Promise<void> {
  const { items } = await clients.core.listNode();
  if (items.length === 0) await clients.core.createNode({ body: { metadata: { name: node } } });
}

async function setStatus(clients: KubernetesClients, pod: V1Pod, ending: PodEnding, podIP: string) {
  const name = pod.metadata?.name ?? '';
  const namespace = pod.metadata?.namespace ?? '';
  const now = new Date();
  const ends = pod.spec?.restartPolicy === 'Never';
  const message = ends ? ending(pod) : '';
  const failed = message.startsWith('!');
  const container = pod.spec?.containers[0];
  const common = {
    name: container?.name ?? '',
    image: container?.image ?? '',
    imageID: '',
    ready: !ends,
    restartCount: 0,
  };
  const state = ends
    ? {
        terminated: {
          exitCode: failed ? 1 : 0,
          message: message.replace(/^!/, ''),
          finishedAt: now,
          startedAt: now,
        },
      }
    : { running: { startedAt: now } };
  await clients.core.replaceNamespacedPodStatus({
    name,
    namespace,
    body: {
      ...pod,
      status: {
        ...pod.status,
        phase: ends ? (failed ? 'Failed' : 'Succeeded') : 'Running',
        podIP,
        podIPs: [{ ip: podIP }],
        conditions: [
          { type: 'PodScheduled', status: 'True' },
          { type: 'Ready', status: ends ? 'False' : 'True', lastTransitionTime: now },
        ],
        containerStatuses: [{ ...common, state }],
      },
    },
  });
}
