import { createHash } from 'node:crypto';
import { managedLabels } from '../kubernetes/names.ts';
import type { Site } from '../site/schema.ts';
import { drillDatabasePrefix, drillNamespacePrefix } from './request.ts';

/** Value of the role label on namespaces that drills make; deploy/rbac.yaml knows it too. */
export const drillRole = 'drill';

/** On a drill's namespace: which drill made it, and the workflow id that tells whether it still runs. */
export const drillAnnotations = {
  drill: 'presslift.dev/drill',
  operation: 'presslift.dev/operation-id',
} as const;

/** Names of everything that one drill of a site makes. */
export interface DrillNames {
  namespace: string;
  /** Schema and database user have the same name: a schema without its user is none of ours. */
  database: string;
  host: string;
}

/**
 * Names follow from the site and the drill alone, so that an attempt after a crash, a teardown and a later sweep find the same
 * things. At most 32 characters for the database user, which MySQL limits.
 */
export function drillNames(site: Site, drill: string): DrillNames {
  const own = hex(`${site.name}/${drill}`, 8);
  return {
    namespace: `${siteNamespacePrefix(site)}${own}`,
    database: `${siteDatabasePrefix(site)}${own}`,
    host: drillHost(site),
  };
}

/** Host name of the restored copy. `.invalid` never resolves (RFC 6761), so nobody comes to it by mistake. */
export function drillHost(site: Site): string {
  return site.drill.host ?? `${site.name}.drill.invalid`;
}

/** What names of this site's throwaway schemas and users begin with. Other sites on the same server have another. */
export function siteDatabasePrefix(site: Site): string {
  return `${drillDatabasePrefix}${siteKey(site)}_`;
}

/** What names of this site's throwaway namespaces begin with. */
export function siteNamespacePrefix(site: Site): string {
  return `${drillNamespacePrefix}${siteKey(site)}-`;
}

/** Labels of a drill's namespace. */
export function drillLabels(site: Site): Record<string, string> {
  return managedLabels(site, drillRole);
}

/** Why a drill must not use these names, or null. The live site is refused whatever it is called. */
export function unfitNames(site: Site, names: DrillNames): string | null {
  if (!names.namespace.startsWith(drillNamespacePrefix)) {
    return `Namespace ${names.namespace} does not begin with ${drillNamespacePrefix}`;
  }
  if (!/^[a-z0-9_]{1,32}$/.test(names.database)) return `${names.database} is no fit schema name`;
  if (!names.database.startsWith(drillDatabasePrefix)) {
    return `Schema ${names.database} does not begin with ${drillDatabasePrefix}`;
  }
  if (names.namespace === site.cluster.namespace) {
    return `Namespace ${names.namespace} is the live site's`;
  }
  if (names.database === site.database.name) return `Schema ${names.database} is the live site's`;
  if (site.hosts.names.includes(names.host)) return `Host ${names.host} is the live site's`;
  return null;
}

/** Two installations may share a server and call a site the same; where it lives tells them apart. */
function siteKey(site: Site): string {
  const { cluster, database } = site;
  return hex([site.name, cluster.namespace, database.host, database.name].join('\n'), 6);
}

function hex(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}
