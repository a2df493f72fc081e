import { createHash } from 'node:crypto';
import type { V1ConfigMap, V1Pod } from '@kubernetes/client-node';
import { probePod } from '../../domain/kubernetes/jobs.ts';
import { hybridNames, managedLabels } from '../../domain/kubernetes/names.ts';
import type { ShareProof } from '../../domain/planners/hybrid-storage-facts.ts';
import type { Site } from '../../domain/site/schema.ts';
import { apply, mergePatch, read, remove } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { scripts } from './deps.ts';

/** A proof is good for this long; a storage class does not change its nature between two looks. */
const proofLifetimeMs = 60 * 60 * 1000;
const probeTimeoutMs = 240_000;

export interface ProbeTarget {
  /** Class to make a probe claim of; or… */
  storageClass: string | undefined;
  /** …a claim that exists already, where the class makes none on demand. */
  claim: string | null;
  nodes: number;
}

/**
 * Proves by two pods that volumes of a class are shared, and what may be done on them. Everything that it makes is removed
 * again; the result is kept for an hour as an annotation of a ConfigMap.
 */
export async function proveSharing(
  k: KubernetesClients,
  site: Site,
  target: ProbeTarget,
): Promise<ShareProof> {
  const key = `probe.presslift.dev/${hash(`${target.storageClass}|${target.claim}`)}`;
  const cached = await readCache(k, site, key);
  if (cached !== null) return cached;
  const proof = await probe(k, site, target);
  const { namespace } = site.cluster;
  const name = hybridNames(site).probeCache;
  const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name };
  await apply<V1ConfigMap>(k, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: managedLabels(site, 'probe-cache') },
  });
  // Apart from the apply, which would take the annotations of other classes away.
  const note = JSON.stringify({ ...proof, at: new Date().toISOString() });
  await mergePatch<V1ConfigMap>(k, ref, { metadata: { annotations: { [key]: note } } });
  return proof;
}

async function readCache(
  k: KubernetesClients,
  site: Site,
  key: string,
): Promise<ShareProof | null> {
  const map = await read<V1ConfigMap>(k, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    namespace: site.cluster.namespace,
    name: hybridNames(site).probeCache,
  });
  const text = map?.metadata?.annotations?.[key];
  if (text === undefined) return null;
  const { at, ...proof } = JSON.parse(text) as ShareProof & { at: string };
  // What failed may have been mended since: it is tried again.
  return proof.shared && Date.now() - Date.parse(at) < proofLifetimeMs ? proof : null;
}

async function probe(k: KubernetesClients, site: Site, target: ProbeTarget): Promise<ShareProof> {
  const { namespace } = site.cluster;
  const base = `presslift-probe-${hash(`${site.name}|${target.storageClass}|${target.claim}`)}`;
  const claim = target.claim ?? base;
  const pods = (['a', 'b'] as const).map((part) =>
    probePod({
      site,
      claim,
      part,
      name: `${base}-${part}`,
      script: scripts.sharedProbe,
      differentNodes: target.nodes > 1,
    }),
  );
  const cleanUp = async () => {
    for (const pod of pods) {
      await remove(k, podRef(namespace, pod.metadata?.name ?? ''), { gracePeriodSeconds: 0 });
    }
    if (target.claim === null) await remove(k, claimRef(namespace, claim));
    await waitUntil({
      what: `probe ${base} is gone`,
      timeoutMs: 120_000,
      check: async () => {
        for (const pod of pods) {
          if (await read(k, podRef(namespace, pod.metadata?.name ?? '')))
            return { missing: 'a pod' };
        }
        if (target.claim === null && (await read(k, claimRef(namespace, claim)))) {
          return { missing: 'the claim' };
        }
        return { done: true };
      },
    });
  };
  // Something of an attempt that was killed would answer in the place of this one.
  await cleanUp();
  try {
    if (target.claim === null) {
      await apply(k, {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: claim, namespace, labels: managedLabels(site, 'probe') },
        spec: {
          accessModes: ['ReadWriteMany'],
          resources: { requests: { storage: '1Gi' } },
          ...(target.storageClass !== undefined && { storageClassName: target.storageClass }),
        },
      } as never);
    }
    for (const pod of pods) await apply(k, pod);
    return await outcome(k, site, base, claim);
  } finally {
    await cleanUp();
  }
}

async function outcome(
  k: KubernetesClients,
  site: Site,
  base: string,
  claim: string,
): Promise<ShareProof> {
  const { namespace } = site.cluster;
  const none = { shared: false, chown: false, writable: false, direct: false };
  const deadline = Date.now() + probeTimeoutMs;
  return waitUntil<ShareProof>({
    what: `the probe pods of ${claim} have tried the volume`,
    timeoutMs: probeTimeoutMs + 30_000,
    check: async () => {
      const [a, b] = await Promise.all(
        ['a', 'b'].map((part) => read<V1Pod>(k, podRef(namespace, `${base}-${part}`))),
      );
      const [first, second] = [messageOf(a), messageOf(b)];
      if (first !== null && second !== null) {
        const { read: one, chown, writable, direct } = first;
        const shared = one === true && second.read === true;
        const why = shared ? null : 'neither pod, or only one, read what the other had written';
        return {
          done: {
            shared,
            chown: chown === true,
            writable: writable === true,
            direct: direct === true,
            why,
          },
        };
      }
      const waiting = `pod a is ${a?.status?.phase ?? 'missing'}, pod b is ${b?.status?.phase ?? 'missing'}`;
      if (Date.now() > deadline || a?.status?.phase === 'Failed' || b?.status?.phase === 'Failed') {
        const events = await eventsOf(k, namespace, [claim, `${base}-a`, `${base}-b`]);
        return { done: { ...none, why: [waiting, ...events].join('; ') } };
      }
      return { missing: waiting };
    },
  });
}

function messageOf(pod: V1Pod | null | undefined): Record<string, boolean> | null {
  const text = pod?.status?.containerStatuses?.[0]?.state?.terminated?.message;
  if (pod?.status?.phase !== 'Succeeded' || text === undefined) return null;
  return JSON.parse(text) as Record<string, boolean>;
}

/** The last warnings about these objects, for the sentence that tells why there is no proof. */
async function eventsOf(k: KubernetesClients, namespace: string, names: string[]) {
  const list = await calling('list', `events in ${namespace}`, () =>
    k.core.listNamespacedEvent({ namespace, fieldSelector: 'type=Warning' }),
  );
  const messages = list.items
    .filter(({ involvedObject }) => names.includes(involvedObject.name ?? ''))
    .map(({ message }) => (message ?? '').slice(0, 200));
  return [...new Set(messages)].slice(-2);
}

const podRef = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  namespace,
  name,
});
const claimRef = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  namespace,
  name,
});

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}
