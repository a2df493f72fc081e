import { managedLabels, nameFrom, operationKey } from '../../domain/kubernetes/names.ts';
import type { Site } from '../../domain/site/schema.ts';
import { jobHosts } from '../recovery/toolbox-manifest.ts';

/** Names of a backup's Jobs begin with it. */
export const jobPrefix = 'presslift-backup-';

/** On everything that belongs to one recovery point; its value is `operationKey` of the point's id. */
export const POINT_LABEL = 'presslift.dev/point';

/** Roles of objects, for the label. */
export const roles = { snapshot: 'volume-snapshot', copy: 'volume-copy' } as const;

/** The Job that does one part of a backup of one recovery point. */
export function jobName(part: string, id: string): string {
  return `${jobPrefix}${part}-${operationKey(id)}`;
}

/** Environment of scripts/locks.sh, under the site's lock: no other backup of the site runs beside. */
export function lockHolders(site: Site): Record<string, string> {
  return { OWN_HOSTS: jobHosts(site), ENDED_HOSTS: jobHosts(site, jobPrefix) };
}

/** A snapshot of a claim, at the storage and in the cluster. */
export function snapshotName(id: string, claim: string): string {
  return nameFrom('presslift-point', `${id}-${claim}`);
}

/** The temporary claim that is made from a snapshot, to be copied. */
export function copyClaimName(id: string, claim: string): string {
  return `presslift-copy-${operationKey(`${id}/${claim}`)}`;
}

export function pointLabels(
  site: Site,
  role: (typeof roles)[keyof typeof roles],
  id: string,
): Record<string, string> {
  return { ...managedLabels(site, role), [POINT_LABEL]: operationKey(id) };
}
