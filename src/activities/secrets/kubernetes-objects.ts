import type { KubernetesObject, KubernetesObjectApi } from '@kubernetes/client-node';
import { isNotFound, kubernetesFailure } from '../kubernetes/errors.ts';

/** What these activities need of Kubernetes: any kind of object by name. `KubernetesObjectApi` is one. */
export type KubernetesObjects = Pick<
  KubernetesObjectApi,
  'read' | 'list' | 'create' | 'patch' | 'replace' | 'delete'
>;

/** A cluster's objects, and how to reach those of another context of the same kubeconfig. */
export interface KubernetesAccess {
  objects: KubernetesObjects;
  forContext(context: string | undefined): { objects: KubernetesObjects };
}

/** Whether the object, or its kind (a CustomResourceDefinition that is not installed), is absent. */
function isAbsent(error: unknown): boolean {
  return (
    isNotFound(error) ||
    (error instanceof Error && error.message.startsWith('Unrecognized API version and kind'))
  );
}

/** Reads one object; null when it, or its kind, does not exist. */
export async function readObject<T extends KubernetesObject>(
  objects: KubernetesObjects,
  apiVersion: string,
  kind: string,
  namespace: string | null,
  name: string,
): Promise<T | null> {
  const metadata = namespace === null ? { name } : { name, namespace };
  try {
    return await objects.read<T>({ apiVersion, kind, metadata });
  } catch (error) {
    if (isAbsent(error)) return null;
    throw kubernetesFailure(
      error,
      'get',
      `${kind} ${namespace === null ? '' : `${namespace}/`}${name}`,
    );
  }
}

/** Lists the objects of a kind; null when the cluster does not know the kind. */
export async function listObjects<T extends KubernetesObject>(
  objects: KubernetesObjects,
  apiVersion: string,
  kind: string,
  namespace?: string,
): Promise<T[] | null> {
  try {
    const list = await objects.list<T>(apiVersion, kind, namespace);
    return list.items;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw kubernetesFailure(error, 'list', namespace ? `${kind} in ${namespace}` : kind);
  }
}
