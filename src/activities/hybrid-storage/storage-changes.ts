import type { V1Deployment, V1PersistentVolume, V1Service } from '@kubernetes/client-node';
import {
  COPIED_ANNOTATION,
  hybridNames,
  operationKey,
  TRACK_LABEL,
} from '../../domain/kubernetes/names.ts';
import {
  provisionerObjects,
  provisionerParts,
  staticVolumeName,
  withServerAddress,
} from '../../domain/kubernetes/provisioner.ts';
import { sharedClaim, sharedClass } from '../../domain/kubernetes/shared-claim.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeInput, ChangeResult, HybridStorageActivities } from '../contracts.ts';
import { apply, read, refOf, remove, titleOf } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { calling } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import {
  readClaim,
  readService,
  requireDeployment,
  selectorOf,
} from '../kubernetes/site-objects.ts';
import { copyAndNote, readSharedVolume } from './copy.ts';
import { clusterOf, type HybridStorageDeps } from './deps.ts';
import { proveSharing } from './share-probe.ts';

type StorageChanges = Pick<
  HybridStorageActivities,
  | 'installProvisioner'
  | 'removeProvisioner'
  | 'createSharedClaim'
  | 'releaseSharedClaim'
  | 'copyExtensions'
>;

/** Changes that make the shared volume and fill it. */
export function createStorageChanges(deps: HybridStorageDeps): StorageChanges {
  return {
    async installProvisioner({ site }) {
      const k = clusterOf(deps, site);
      const objects = provisionerObjects(site);
      const isService = ({ kind }: { kind?: string }) => kind === 'Service';
      const service = objects.find(isService);
      let address: string | null = null;
      if (service !== undefined) {
        // The Service first: its address stands in what comes after it.
        for (const object of objects.slice(0, objects.indexOf(service) + 1)) await apply(k, object);
        address = await serviceAddress(k);
      }
      const addressed = address === null ? objects : withServerAddress(objects, address);
      for (const object of addressed) {
        if (object.kind === 'StorageClass') await awaitProvisioner(k, site);
        // A class cannot be changed once it is there; what exists already was made by an earlier attempt.
        if (object.kind === 'StorageClass' && (await read(k, refOf(object))) !== null) continue;
        await apply(k, object);
      }
      return { objects: objects.map((object) => titleOf(refOf(object))) };
    },

    async removeProvisioner({ site }): Promise<ChangeResult> {
      const k = clusterOf(deps, site);
      const inUse = await volumesOfClass(k, sharedClass(site) ?? '');
      const own = staticVolumeName(site);
      if (inUse.some((name) => name !== own)) {
        return { removed: [], kept: 'volumes of the class hold data', volumes: inUse };
      }
      const removed: string[] = [];
      for (const object of provisionerObjects(site).reverse()) {
        // The server's own volume may hold data of claims that were deleted with the policy Retain.
        if (object.kind === 'PersistentVolumeClaim' || object.kind === 'Namespace') continue;
        if (await remove(k, refOf(object))) removed.push(titleOf(refOf(object)));
      }
      return { removed };
    },

    async createSharedClaim({ site, operationId, change }) {
      const k = clusterOf(deps, site);
      const wanted = sharedClaim(site, operationKey(operationId));
      const name = hybridNames(site).sharedClaim;
      const existing = await readClaim(k, site, name);
      if (existing === null) {
        await requireSharing(k, site);
        await apply(k, wanted);
      } else if (!existing.spec?.accessModes?.includes('ReadWriteMany')) {
        throw failure('PreconditionFailed', `${change.target} exists and cannot be shared`);
      }
      if (staticVolumeName(site) !== null) await requireSharing(k, site);
      return { claim: name, created: existing === null };
    },

    async releaseSharedClaim(input): Promise<ChangeResult> {
      const { site, operationId } = input;
      const k = clusterOf(deps, site);
      const { sharedClaim: name } = hybridNames(site);
      const claim = await readClaim(k, site, name);
      if (claim === null) return { released: true };
      if (await mountsClaim(k, site, name)) {
        throw failure('PreconditionFailed', `Pods still use the claim ${name}; it is kept`);
      }
      const copied = claim.metadata?.annotations?.[COPIED_ANNOTATION];
      if (copied !== undefined) {
        // While the new pods served, administrators may have changed plugins: that is theirs and not ours to delete.
        const now = await readSharedVolume(k, site, operationId, 'release');
        const noted = JSON.parse(copied) as { plugins: string; themes: string };
        if (now.plugins.digest !== noted.plugins || now.themes.digest !== noted.themes) {
          return {
            released: false,
            why: `plugins or themes on ${name} changed after the copy; the claim is kept`,
          };
        }
      }
      const ref = {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        namespace: site.cluster.namespace,
        name,
      };
      await remove(k, ref);
      await waitUntil({
        what: `claim ${name} is gone`,
        timeoutMs: 180_000,
        check: async () =>
          (await readClaim(k, site, name)) === null
            ? { done: true }
            : { missing: 'it is still there' },
      });
      return { released: true };
    },

    async copyExtensions(input): Promise<ChangeResult> {
      const { site, operationId } = input;
      const k = clusterOf(deps, site);
      const service = await readService(k, site);
      if (service?.spec?.selector?.[TRACK_LABEL] !== undefined) {
        // The shared volume is the site's own by now; the old tree would undo what administrators did since.
        return { copied: false, why: 'visitors are on the new pods already' };
      }
      const { claim, subPath, sameNode, chown } = copyParams(input);
      const selector = selectorOf(await requireDeployment(k, site));
      const result = await copyAndNote(k, site, {
        operationId,
        old: { claim, subPath },
        sameNodeAs: sameNode ? selector : null,
        attempt: 0,
        chown,
      });
      return { copied: true, ...(result as unknown as Record<string, never>) };
    },
  };
}

function copyParams({ change }: ChangeInput) {
  const { claim, subPath, sameNode, chown } = change.params;
  if (typeof claim !== 'string' || typeof subPath !== 'string') {
    throw failure('InvalidInput', `The change ${change.id} names no claim to copy from`);
  }
  return { claim, subPath, sameNode: sameNode === true, chown: chown === true };
}

/** @throws PreconditionFailed when volumes of the class are not shared, or not writable for www-data. */
async function requireSharing(k: KubernetesClients, site: Site): Promise<void> {
  const isStatic = staticVolumeName(site) !== null;
  const claim = isStatic ? hybridNames(site).sharedClaim : null;
  if (isStatic && (await readClaim(k, site, hybridNames(site).sharedClaim)) === null) return;
  const nodes = await calling('list', 'nodes', () => k.core.listNode());
  const usable = nodes.items.filter(({ spec }) => spec?.unschedulable !== true).length;
  const proof = await proveSharing(k, site, {
    storageClass: sharedClass(site),
    claim,
    nodes: usable,
  });
  if (!proof.shared) {
    throw failure(
      'PreconditionFailed',
      `Volumes of class ${sharedClass(site)} are not shared: ${proof.why}`,
    );
  }
  if (!proof.chown && !proof.writable) {
    throw failure(
      'PreconditionFailed',
      `On volumes of class ${sharedClass(site)} neither may root change owners nor www-data write`,
    );
  }
}

async function serviceAddress(k: KubernetesClients): Promise<string> {
  const service = await read<V1Service>(k, {
    apiVersion: 'v1',
    kind: 'Service',
    ...provisionerParts.service,
  });
  const address = service?.spec?.clusterIP;
  if (address === undefined) throw failure('Unavailable', 'The NFS server has no address yet');
  return address;
}

async function awaitProvisioner(k: KubernetesClients, site: Site): Promise<void> {
  if (site.storage.provisioner?.kind !== 'nfs-server') return;
  const { namespace } = provisionerParts.service;
  for (const name of provisionerParts.deployments) {
    await waitUntil({
      what: `Deployment ${namespace}/${name} is available`,
      timeoutMs: 600_000,
      onTimeout: 'RolloutStuck',
      check: async () => {
        const found = await read<V1Deployment>(k, {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          namespace,
          name,
        });
        return (found?.status?.availableReplicas ?? 0) > 0
          ? { done: true }
          : { missing: 'no available pod' };
      },
    });
  }
}

async function volumesOfClass(k: KubernetesClients, className: string): Promise<string[]> {
  const list = await calling('list', 'persistentvolumes', () => k.core.listPersistentVolume());
  return list.items
    .filter((volume: V1PersistentVolume) => volume.spec?.storageClassName === className)
    .map(({ metadata }) => metadata?.name ?? '');
}

async function mountsClaim(k: KubernetesClients, site: Site, claim: string): Promise<boolean> {
  const { namespace } = site.cluster;
  const pods = await calling('list', `pods in ${namespace}`, () =>
    k.core.listNamespacedPod({ namespace }),
  );
  return pods.items.some(
    ({ spec, status }) =>
      status?.phase !== 'Succeeded' &&
      status?.phase !== 'Failed' &&
      spec?.volumes?.some((volume) => volume.persistentVolumeClaim?.claimName === claim),
  );
}
