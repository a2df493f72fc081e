import { createHash } from 'node:crypto';
import type { Site } from '../site/schema.ts';

/** Label of pods that a phase made; its value says which. The Service's selector moves between values by it. */
export const TRACK_LABEL = 'presslift.dev/track';

/** The value of `TRACK_LABEL` for pods with image core and shared plugins and themes. */
export const HYBRID_TRACK = 'hybrid';

export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGED_BY = 'presslift';
export const SITE_LABEL = 'presslift.dev/site';
export const ROLE_LABEL = 'presslift.dev/role';
/** Workflow ids hold `/`, which a label must not: the label carries `operationKey`. */
export const OPERATION_LABEL = 'presslift.dev/operation';

/** On the shared claim: digests of the plugins and themes that were copied to it, as JSON. */
export const COPIED_ANNOTATION = 'presslift.dev/copied';

/** Names of the objects that phase 1 makes for a site, all in the site's namespace. */
export function hybridNames(site: Site) {
  const { deployment } = site.cluster;
  return {
    sharedClaim: site.storage.sharedClaim.name,
    saltsSecret: shortName(`${deployment}-salts`),
    configMap: shortName(`${deployment}-wp-config`),
    disruptionBudget: deployment,
    probeCache: 'presslift-probes',
  };
}

/** Labels of every object that Presslift makes for a site. */
export function managedLabels(site: Site, role: string): Record<string, string> {
  return { [MANAGED_BY_LABEL]: MANAGED_BY, [SITE_LABEL]: site.name, [ROLE_LABEL]: role };
}

/** 12 hex digits that stand for a workflow id in names and labels. */
export function operationKey(operationId: string): string {
  return createHash('sha256').update(operationId).digest('hex').slice(0, 12);
}

/** Cuts a name to the 63 characters of a DNS label; a cut name ends in a hash of the whole, so that it stays unique. */
export function shortName(name: string): string {
  if (name.length <= 63) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${name.slice(0, 54)}-${hash}`;
}

/** A DNS label from any text: other characters become `-`, and a hash keeps changed texts apart. */
export function nameFrom(prefix: string, text: string): string {
  const clean = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  if (clean === text && clean !== '') return shortName(`${prefix}-${clean}`);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return shortName(`${prefix}-${clean === '' ? '' : `${clean}-`}${hash}`);
}
