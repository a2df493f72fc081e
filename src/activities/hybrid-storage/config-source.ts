import type {
  V1ConfigMap,
  V1Container,
  V1PodTemplateSpec,
  V1Secret,
} from '@kubernetes/client-node';
import type { ConfigExtra } from '../../domain/planners/hybrid-storage-facts.ts';
import type { Site } from '../../domain/site/schema.ts';
import { read } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';

const variable = 'WORDPRESS_CONFIG_EXTRA';

/** The PHP container of a template, as main container or as sidecar. */
export function phpContainer(template: V1PodTemplateSpec, site: Site): V1Container | undefined {
  const all = [...(template.spec?.containers ?? []), ...(template.spec?.initContainers ?? [])];
  return all.find(({ name }) => name === site.cluster.container);
}

/** The text of WORDPRESS_CONFIG_EXTRA that the template's PHP container gets, and where it comes from. */
export async function readConfigExtra(
  k: KubernetesClients,
  site: Site,
  template: V1PodTemplateSpec,
): Promise<ConfigExtra> {
  const container = phpContainer(template, site);
  const entry = container?.env?.find(({ name }) => name === variable);
  if (entry?.value !== undefined) return { text: entry.value, source: 'literal' };
  if (entry?.valueFrom?.configMapKeyRef !== undefined) {
    const { name, key } = entry.valueFrom.configMapKeyRef;
    const map = await readConfigMap(k, site, name ?? '');
    return { text: map?.data?.[key] ?? '', source: 'ConfigMap' };
  }
  if (entry?.valueFrom !== undefined) return { text: '', source: 'Secret' };
  for (const { configMapRef, secretRef, prefix } of container?.envFrom ?? []) {
    const key = variable.startsWith(prefix ?? '') ? variable.slice(prefix?.length ?? 0) : null;
    if (key === null) continue;
    const map = configMapRef && (await readConfigMap(k, site, configMapRef.name ?? ''));
    const text = map?.data?.[key];
    if (text !== undefined) return { text, source: 'ConfigMap' };
    const secret = secretRef && (await readSecret(k, site, secretRef.name ?? ''));
    if (secret?.data?.[key] !== undefined) return { text: '', source: 'Secret' };
  }
  return { text: '', source: 'none' };
}

export async function readConfigMap(
  k: KubernetesClients,
  site: Site,
  name: string,
): Promise<V1ConfigMap | null> {
  const { namespace } = site.cluster;
  return read(k, { apiVersion: 'v1', kind: 'ConfigMap', namespace, name });
}

export async function readSecret(
  k: KubernetesClients,
  site: Site,
  name: string,
): Promise<V1Secret | null> {
  const { namespace } = site.cluster;
  return read(k, { apiVersion: 'v1', kind: 'Secret', namespace, name });
}
