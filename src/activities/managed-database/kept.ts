/** What a fork and the way back need, in a Secret of its own: passwords and old values never stand in a payload. */
import type { V1Secret } from '@kubernetes/client-node';
import { managedLabels, OPERATION_LABEL, operationKey } from '../../domain/kubernetes/names.ts';
import type { ReplacedHost } from '../../domain/kubernetes/database-move.ts';
import type { ForkNames } from '../../domain/recovery/database-fork.ts';
import type { Grant } from '../../domain/recovery/write-grants.ts';
import type { Site } from '../../domain/site/schema.ts';
import { apply, read, remove } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';

/** An account of the old database whose right to write was taken. */
export interface RestrictedAccount {
  user: string;
  host: string;
  grants: Grant[];
}

export interface KeptFork {
  clusterId: string;
  clusterName: string;
  /** The cluster that it was forked from. */
  sourceId: string;
  host: string;
  port: number;
  /** PEM. */
  ca: string;
  account: { username: string; password: string };
  /** Null where the site file names no administrator. */
  administrator: { username: string; password: string } | null;
  /** Written before pods are moved, so that the way back is known however far it came. */
  move: {
    host: string;
    secrets: Record<string, string>;
    hosts: ReplacedHost[];
  } | null;
  /** Accounts of the old database, while the site uses the fork. */
  restricted: RestrictedAccount[] | null;
  /**
   * ISO 8601, written before the first pod uses the fork, and never taken away: from then on visitors may have written
   * there what is nowhere else.
   */
  servedFrom: string | null;
  /** Accounts of the fork, once the site has left it. */
  left: RestrictedAccount[] | null;
}

const stateKey = 'fork.json';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const secretRef = (site: Site, name: string) => ({
  ...{ apiVersion: 'v1', kind: 'Secret', namespace: site.cluster.namespace, name },
});

/** The data of a Secret as text; null when there is none. */
export async function readSecret(
  k: KubernetesClients,
  site: Site,
  name: string,
): Promise<Record<string, string> | null> {
  const found = await read<V1Secret>(k, secretRef(site, name));
  if (found === null) return null;
  const entries = Object.entries(found.data ?? {});
  return Object.fromEntries(
    entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}

export async function writeSecret(
  k: KubernetesClients,
  site: Site,
  operationId: string,
  name: string,
  values: Record<string, string>,
): Promise<void> {
  const secret: V1Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace: site.cluster.namespace,
      labels: {
        ...managedLabels(site, 'database-fork'),
        [OPERATION_LABEL]: operationKey(operationId),
      },
    },
    type: 'Opaque',
    data: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, base64(value)])),
  };
  await apply(k, secret);
}

export async function removeSecret(k: KubernetesClients, site: Site, name: string): Promise<void> {
  await remove(k, secretRef(site, name));
}

/** What is kept of the operation's fork, or null. */
export async function readKept(
  k: KubernetesClients,
  site: Site,
  names: ForkNames,
): Promise<KeptFork | null> {
  const text = (await readSecret(k, site, names.secret))?.[stateKey];
  return text === undefined ? null : (JSON.parse(text) as KeptFork);
}

/** The administrator's account stands there by the keys that the site file expects, so that it can name the Secret. */
export async function writeKept(
  k: KubernetesClients,
  site: Site,
  operationId: string,
  names: ForkNames,
  kept: KeptFork,
): Promise<void> {
  await writeSecret(k, site, operationId, names.secret, {
    ...(kept.administrator ?? {}),
    [stateKey]: JSON.stringify(kept),
  });
}
