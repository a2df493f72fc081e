import type { PhaseDifferences } from '../cdn/rule-differences.ts';
import type { V1ConfigMap, V1Deployment, V1PodTemplateSpec } from '@kubernetes/client-node';
import { digestOf } from '../digest.ts';
import type { Json } from '../json.ts';
import type { CdnPart, DrillReport, RecoveryPoint, RecoveryPointState } from '../recovery/point.ts';
import type { LiveTree } from './rollback-trees.ts';

/** What a rollback needs to know. Kubernetes objects stay inside the activity: they may hold secrets. */
export interface RollbackFacts {
  /** ISO 8601. */
  observedAt: string;
  /** The point to go back to; null when none is needed (a point in time, or letting kept things go). */
  point: RecoveryPoint | null;
  /** Newer points that were not taken by themselves, each with the reason; none where a person named the point. */
  passedOver: string[];
  state: RecoveryPointState | null;
  /** The newest drill that passed, whatever point it restored. */
  drill: DrillReport | null;
  deployment: V1Deployment | null;
  /** Why new pods do not become ready, as Kubernetes says it; null when nothing is stuck. */
  stuck: string | null;
  /** Whether visitors got whole pages with status 200, and what was seen. */
  frontPage: { good: boolean; seen: string };
  extensions: ExtensionFacts;
  /** Options of the point as the database has them now; null when WordPress does not answer. */
  options: Record<string, Json> | null;
  wordpressError: string | null;
  app: AppFacts;
  database: DatabaseFacts;
  inUse: DatabaseInUse;
  /** Rulesets now; null for a site without a CDN. */
  cdn: CdnPart | null;
  cdnError: string | null;
  cdnRules: CdnRulesFacts;
  /** Only looked for when a person asked to let kept things go. */
  kept: KeptThing[];
}

/** What going back does to rules at the edge, by phases that differ. */
export interface CdnRulesFacts {
  differences: PhaseDifferences[];
  /** Phases whose rules of then are nowhere any more. */
  gone: { phase: string; why: string }[];
}

/** Up to eight paths of each kind; the counts are whole. */
export interface PathCounts {
  count: number;
  first: string[];
}

/** One folder of plugins or themes: how it is in the point and on the volume. */
export interface TreeComparison {
  /** `wp-content/plugins` */
  folder: string;
  /** What the agent must find in every pod afterwards: SHA-256 over sorted `<sha256>  <path>` lines. */
  point: { files: number; bytes: number; digest: string };
  live: { files: number; bytes: number; digest: string } | null;
  /** In the point and not on the volume. */
  missing: PathCounts;
  changed: PathCounts;
  /** On the volume and not in the point. */
  extra: PathCounts;
  /** Same content, other owner or mode. */
  permissions: number;
}

export interface ExtensionFacts {
  trees: LiveTree[];
  comparisons: TreeComparison[];
  /** Why nothing was compared; null when it was. */
  error: string | null;
  /** Digest of the listing (paths, sizes, times) that a pod sees; null when none answers. */
  listing: string | null;
}

export interface AppFacts {
  /** Objects that the point kept; null when they are gone. */
  objects: { deployment: V1Deployment | null; configMap: V1ConfigMap | null } | null;
  /** The live ConfigMap of the same name. */
  configMap: V1ConfigMap | null;
  /** What ready pods run: the image as their container names it, and its digest (`sha256:…`). */
  running: { container: string; image: string; digest: string }[];
  /** Secrets that the point's pods used and that are not there now. */
  missingSecrets: string[];
}

/** Which database pods use, by what their template says. */
export interface DatabaseInUse {
  /** Values of `WORDPRESS_DB_HOST`. */
  hosts: string[];
  /** Whether it is the one that the site file names; null where the template does not tell. */
  same: boolean | null;
}

export interface DatabaseFacts {
  /** Names of the tables and views of the live schema; null when it was not read. */
  tables: string[] | null;
  error: string | null;
  losses: Losses | null;
}

/** What was made or changed in WordPress since a time, and would not be there after going back to it. */
export interface Losses {
  since: string;
  posts: Record<string, { made: number; changed: number }>;
  orders: { made: number; changed: number };
  comments: number;
  users: number;
  /** Tables that every WordPress has and that are not there: what was in them is not counted. */
  uncounted: string[];
}

/** A thing that an earlier rollback has kept. */
export type KeptThing =
  | { kind: 'database'; schemas: string[]; bytes: number; tables: number }
  | { kind: 'tree'; claim: string; folder: string; bytes: number; files: number };

/** Annotations of the pod template that only make pods start anew; they say nothing about what runs in them. */
export const restartAnnotations = [
  'presslift.dev/restarted-for',
  'kubectl.kubernetes.io/restartedAt',
] as const;

/** A template without what a restart leaves in it. */
export function withoutRestarts(template: V1PodTemplateSpec): V1PodTemplateSpec {
  const { metadata, spec } = template;
  const kept = Object.entries(metadata?.annotations ?? {}).filter(
    ([name]) => !(restartAnnotations as readonly string[]).includes(name),
  );
  const rest = { ...metadata };
  delete rest.annotations;
  delete rest.creationTimestamp;
  return {
    metadata: { ...rest, ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }) },
    spec,
  };
}

/** Keys of what a plan observes; each has an observer in src/activities/rollback/observers.ts. */
export const rollbackKeys = {
  point: (id: string) => `rollback-point:${id}`,
  deployment: 'rollback-app:deployment',
  extensions: 'rollback-files:extensions',
  options: 'rollback-options:recorded',
  tables: 'rollback-database:tables',
  cdn: 'rollback-cdn:rulesets',
} as const;

/** Digests of the parts that matter; the same functions serve the plan and the later look for drift. */
export const rollbackObserved = {
  point: (point: RecoveryPoint, state: RecoveryPointState) =>
    digestOf({ point, bad: state.bad !== null }),
  deployment: (deployment: V1Deployment | null) =>
    digestOf(
      deployment?.spec === undefined
        ? null
        : {
            replicas: deployment.spec.replicas ?? 1,
            template: withoutRestarts(deployment.spec.template),
          },
    ),
  options: (options: Record<string, Json>) => digestOf(options),
  tables: (names: string[]) => digestOf([...names].sort()),
  cdn: (part: CdnPart | null) => digestOf(part === null ? null : part.rulesets),
};
