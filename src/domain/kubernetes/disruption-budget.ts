import type { V1PodDisruptionBudget, V1PodDisruptionBudgetSpec } from '@kubernetes/client-node';
import type { Site } from '../site/schema.ts';
import { hybridNames, managedLabels } from './names.ts';

/** The PodDisruptionBudget of a site: an eviction never takes the last ready pod. */
export function disruptionBudget(
  site: Site,
  selector: Record<string, string>,
  name: string = hybridNames(site).disruptionBudget,
): V1PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: {
      name,
      namespace: site.cluster.namespace,
      labels: managedLabels(site, 'disruption-budget'),
    },
    spec: { minAvailable: 1, selector: { matchLabels: selector } },
  };
}

/**
 * True when the budget keeps at least one of `replicas` pods and still lets one go: a budget that lets none go stops
 * every drain of a node.
 */
export function keepsOnePod(spec: V1PodDisruptionBudgetSpec, replicas: number): boolean {
  const kept =
    spec.minAvailable !== undefined
      ? Math.ceil(amount(spec.minAvailable, replicas))
      : replicas - Math.ceil(amount(spec.maxUnavailable ?? 0, replicas));
  return kept >= 1 && kept < replicas;
}

/** True when the budget's selector is met by these labels (matchLabels only; expressions count as another budget). */
export function selects(
  spec: V1PodDisruptionBudgetSpec | undefined,
  labels: Record<string, string>,
): boolean {
  const wanted = spec?.selector?.matchLabels ?? {};
  const entries = Object.entries(wanted);
  return (
    entries.length > 0 &&
    (spec?.selector?.matchExpressions ?? []).length === 0 &&
    entries.every(([name, value]) => labels[name] === value)
  );
}

function amount(value: string | number, replicas: number): number {
  const text = String(value);
  return text.endsWith('%') ? (replicas * Number(text.slice(0, -1))) / 100 : Number(text);
}
