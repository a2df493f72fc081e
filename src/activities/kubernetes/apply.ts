import { PatchStrategy, type KubernetesObject } from '@kubernetes/client-node';
import { FIELD_MANAGER } from '../../domain/identifiers.ts';
import { plain } from '../../domain/kubernetes/plain.ts';
import type { KubernetesClients } from './clients.ts';
import { calling, callingOrNull } from './errors.ts';

/** What names one object of a cluster. */
export interface ObjectRef {
  apiVersion: string;
  kind: string;
  name: string;
  /** Absent for what has no namespace. */
  namespace?: string;
}

/** `Deployment acme/wordpress`, as people name it. */
export function titleOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

export function refOf(object: KubernetesObject): ObjectRef {
  const { apiVersion, kind, metadata } = object;
  if (apiVersion === undefined || kind === undefined || metadata?.name === undefined) {
    throw new TypeError('An object needs apiVersion, kind and metadata.name');
  }
  return { apiVersion, kind, name: metadata.name, namespace: metadata.namespace };
}

function header({ apiVersion, kind, name, namespace }: ObjectRef) {
  return { apiVersion, kind, metadata: { name, namespace } };
}

/**
 * Server-side apply under our field manager: what the object says becomes so, what it does not say stays.
 *
 * @param options.force take over fields that another manager owns. Only for a field that a person approved to change;
 *   without it a field of somebody else is a Conflict.
 */
export async function apply<T extends KubernetesObject>(
  clients: KubernetesClients,
  object: T,
  options: { force?: boolean } = {},
): Promise<T> {
  const applied = await calling('patch', titleOf(refOf(object)), () =>
    clients.objects.patch(
      object,
      undefined,
      undefined,
      FIELD_MANAGER,
      options.force ?? false,
      PatchStrategy.ServerSideApply,
    ),
  );
  return plain(applied);
}

/** The object as plain JSON, or null when it does not exist. */
export async function read<T extends KubernetesObject>(
  clients: KubernetesClients,
  ref: ObjectRef,
): Promise<T | null> {
  const found = await callingOrNull('get', titleOf(ref), () =>
    clients.objects.read<T>(header(ref)),
  );
  return found === null ? null : plain(found);
}

/** JSON merge patch under our field manager: for single fields of an object that somebody else owns. */
export async function mergePatch<T extends KubernetesObject>(
  clients: KubernetesClients,
  ref: ObjectRef,
  patch: Record<string, unknown>,
): Promise<T> {
  const metadata = { ...header(ref).metadata, ...(patch['metadata'] as object | undefined) };
  const body = { ...header(ref), ...patch, metadata } as unknown as T;
  const patched = await calling('patch', titleOf(ref), () =>
    clients.objects.patch(
      body,
      undefined,
      undefined,
      FIELD_MANAGER,
      undefined,
      PatchStrategy.MergePatch,
    ),
  );
  return plain(patched);
}

/**
 * Puts the whole object in the place of the one that was read. Server-side apply cannot take away list items that
 * another manager owns (a volume mount, a container), so a changed pod template goes this way. The object's
 * `resourceVersion` must stand in it: a change by somebody else in between is a Conflict, never overwritten.
 */
export async function replace<T extends KubernetesObject>(
  clients: KubernetesClients,
  object: T,
): Promise<T> {
  if (object.metadata?.resourceVersion === undefined) {
    throw new TypeError('A replacement needs the resourceVersion that it replaces');
  }
  const metadata = { ...object.metadata };
  // The client's serializer takes Date members only, and managed fields are the server's own.
  delete metadata.creationTimestamp;
  delete metadata.managedFields;
  const replaced = await calling('update', titleOf(refOf(object)), () =>
    clients.objects.replace({ ...object, metadata }, undefined, undefined, FIELD_MANAGER),
  );
  return plain(replaced);
}

/** Deletes the object; one that is gone already is no error. Returns whether it was there. */
export async function remove(
  clients: KubernetesClients,
  ref: ObjectRef,
  options: { gracePeriodSeconds?: number } = {},
): Promise<boolean> {
  const gone = await callingOrNull('delete', titleOf(ref), () =>
    clients.objects.delete(
      header(ref),
      undefined,
      undefined,
      options.gracePeriodSeconds,
      undefined,
      'Background',
    ),
  );
  return gone !== null;
}
