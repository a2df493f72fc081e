import type { CdnPart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { CdnRulesFacts } from '../../domain/planners/rollback-facts.ts';
import type { CompareInput } from '../cdn/compare.ts';
import type { SiteInput } from '../contracts.ts';
import type { RecoveryCoreDeps } from '../recovery/deps.ts';
import type { AdminSession } from '../wordpress-admin/session.ts';

/** What the activities of a rollback are made with. */
export interface RollbackDeps extends RecoveryCoreDeps {
  /** Rulesets of the CDN now; null for a site without one. */
  describeCdn(input: SiteInput): Promise<CdnPart | null>;
  /** What going back to a point does to the CDN's rules. */
  compareCdnRules(input: CompareInput): Promise<CdnRulesFacts>;
  /** Logs the site's administrator in; whoever asks closes the session. */
  openAdmin(site: Site): Promise<AdminSession>;
  /** Pages as an anonymous visitor gets them; default: over the site's own address. */
  openVisitor?(site: Site): PageReader;
}

/** Reads pages of a site. */
export interface PageReader {
  get(path: string): Promise<{ status: number; html: string }>;
  close(): Promise<void>;
}
