import type { V1DeploymentSpec } from '@kubernetes/client-node';
import { layoutOf, type Layout } from '../kubernetes/layout.ts';
import { COPIED_ANNOTATION, TRACK_LABEL } from '../kubernetes/names.ts';
import type { HybridTemplateOptions } from '../kubernetes/pod-template.ts';
import type { Site } from '../site/schema.ts';
import type { HybridStorageFacts } from './hybrid-storage-facts.ts';

/** What facts mean for phase 1; computed once and shared by changes and findings. */
export interface HybridSituation {
  site: Site;
  facts: HybridStorageFacts;
  spec: V1DeploymentSpec;
  layout: Layout;
  /** Labels that select the Deployment's pods. */
  selector: Record<string, string>;
  /** The Service sends visitors to the new pods alone: from here on the shared volume is the site's own. */
  served: boolean;
  /** The uploads' volume can be mounted by one node only. */
  sameNode: boolean;
  /** Whether pods may give files on the shared volume to www-data. */
  chown: boolean;
  templateOptions: HybridTemplateOptions;
}

/** Null when the Deployment or the Service is missing. */
export function situationOf(site: Site, facts: HybridStorageFacts): HybridSituation | null {
  const spec = facts.deployment?.spec;
  if (spec === undefined || facts.service === null) return null;
  const selector = spec.selector.matchLabels ?? {};
  const sameNode = !(facts.docrootClaim?.spec?.accessModes ?? []).includes('ReadWriteMany');
  // Where there was no probe (the class comes with this very plan) the usual case is planned and proved before use.
  const chown = facts.proof?.chown ?? true;
  return {
    site,
    facts,
    spec,
    layout: layoutOf(spec.template, site.wordpress.documentRoot),
    selector,
    served: facts.service.spec?.selector?.[TRACK_LABEL] !== undefined,
    sameNode,
    chown,
    templateOptions: {
      servicePort: targetPort(facts),
      selector,
      chown,
      saltsFromSecret: !(facts.wordpress?.saltsFromEnvironment ?? false),
      fpmPort: facts.wordpress?.fpmPort ?? null,
      sameNode,
      keptPaths: [...(facts.inspection?.content ?? []), ...(facts.inspection?.beside ?? [])].map(
        ({ path }) => path,
      ),
    },
  };
}

/** Digests of the last copy, from the claim's annotation; null when there was none. */
export function copiedDigests(facts: HybridStorageFacts): Record<string, string> | null {
  const text = facts.sharedClaim?.metadata?.annotations?.[COPIED_ANNOTATION];
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch {
    return null;
  }
}

function targetPort(facts: HybridStorageFacts): string | number {
  const ports = facts.service?.spec?.ports ?? [];
  const port = ports.find(({ name }) => name === 'http' || name === 'web') ?? ports[0];
  return port?.targetPort ?? port?.port ?? 80;
}
