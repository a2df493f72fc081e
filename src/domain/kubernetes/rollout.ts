import type { V1Deployment, V1DeploymentSpec, V1PodTemplateSpec } from '@kubernetes/client-node';
import { HYBRID_TRACK, TRACK_LABEL } from './names.ts';
import { plain } from './plain.ts';

/**
 * Seconds for which a new pod does not count as available while old and new pods stand side by side, so that the
 * Deployment's controller ends no old pod before it is told to. A day: when a step fails in between, a person has to be
 * found, and the old pods must still be there then.
 */
export const holdSeconds = 86_400;

/** Must exceed `holdSeconds`, or the API server refuses the Deployment. */
const holdProgressDeadlineSeconds = holdSeconds + 3_600;

const servingMinReadySeconds = 3;
const servingProgressDeadlineSeconds = 600;

/** A Deployment whose new pods come beside the old ones and end none of them. */
export function heldDeployment(live: V1Deployment, template: V1PodTemplateSpec): V1Deployment {
  const next = plain(live);
  const spec = next.spec as V1DeploymentSpec;
  const replicas = Math.max(1, spec.replicas ?? 1);
  next.spec = {
    ...spec,
    replicas,
    minReadySeconds: holdSeconds,
    progressDeadlineSeconds: holdProgressDeadlineSeconds,
    paused: false,
    // As many new pods at once as there are old ones: traffic moves to all of them together.
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: replicas } },
    template: plain(template),
  };
  delete next.status;
  return next;
}

/** What phase 1 leaves in the Deployment's spec besides the template: a roll-out that never has a pod too few. */
export function servingSettings() {
  return {
    minReadySeconds: servingMinReadySeconds,
    progressDeadlineSeconds: servingProgressDeadlineSeconds,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
  };
}

/** True when the Deployment has `servingSettings`. */
export function hasServingSettings(spec: V1DeploymentSpec): boolean {
  const rolling = spec.strategy?.rollingUpdate;
  return (
    (spec.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate' &&
    String(rolling?.maxUnavailable) === '0' &&
    String(rolling?.maxSurge) === '1' &&
    (spec.minReadySeconds ?? 0) >= servingMinReadySeconds &&
    (spec.minReadySeconds ?? 0) < holdSeconds
  );
}

/** True while old pods are held beside new ones. */
export function isHeld(spec: V1DeploymentSpec): boolean {
  return (spec.minReadySeconds ?? 0) >= holdSeconds;
}

/** The Service's selector that sends visitors to the new pods alone. */
export function trackedSelector(selector: Record<string, string>): Record<string, string> {
  return { ...selector, [TRACK_LABEL]: HYBRID_TRACK };
}

/** The selector without the track: old and new pods. */
export function untrackedSelector(selector: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(selector).filter(([name]) => name !== TRACK_LABEL));
}

/** A label selector as the API's query parameter takes it. */
export function selectorText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}
