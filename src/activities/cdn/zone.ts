import { zonePhases } from '../../domain/cdn/ruleset-digest.ts';
import type { RulesCopy } from '../../domain/cdn/rules-copy.ts';
import type { CdnRulesetRef } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { heartbeat } from '../activity-context.ts';
import { failure } from '../failure.ts';
import type { SecretResolver } from '../secrets/resolver.ts';
import { createCdnClient, type CdnClient } from './client.ts';
import type { KeptRules } from './kept-rules.ts';
import { rulesetRef } from './rules.ts';

export interface CdnDeps {
  secrets: SecretResolver;
  /** Copies of rules in recovery points. */
  kept: KeptRules;
  /** For one request to the provider; 20,000 when absent. */
  timeoutMs?: number;
}

type ClientDeps = Pick<CdnDeps, 'secrets' | 'timeoutMs'>;

/** A client for the site's zone. @throws InvalidSite for a site without a CDN */
export async function cdnClientOf(
  { secrets, timeoutMs }: ClientDeps,
  { cdn }: Site,
): Promise<{ client: CdnClient; cdn: NonNullable<Site['cdn']> }> {
  if (!cdn) throw failure('InvalidSite', 'cdn is needed in the site file to change its rules');
  const token = await secrets.secret(cdn.token);
  const { zoneId, apiEndpoint: endpoint } = cdn;
  return { client: createCdnClient({ token, zoneId, endpoint, timeoutMs }), cdn };
}

/** Reads a site's rules for its recovery points; null for a site without a CDN. */
export function createRulesReader(deps: ClientDeps) {
  return async (site: Site): Promise<RulesCopy | null> => {
    if (!site.cdn) return null;
    const { client, cdn } = await cdnClientOf(deps, site);
    return rulesCopy(client, cdn.zoneId);
  };
}

/** All rules of a zone as they are now. */
export async function rulesCopy(client: CdnClient, zoneId: string): Promise<RulesCopy> {
  const rulesets: RulesCopy['rulesets'] = [];
  for (const phase of (await client.phases()).sort()) {
    heartbeat({ reading: phase });
    const ruleset = await client.ruleset(phase);
    if (ruleset === null) continue;
    const { id, version, rules } = ruleset;
    rulesets.push({ phase, id, version, rules });
  }
  return { schema: 1, zoneId, rulesets };
}

/** Names the rules of every phase, also of those that have none. */
export function describedRules({ rulesets }: RulesCopy): CdnRulesetRef[] {
  const phases = new Set([...zonePhases, ...rulesets.map(({ phase }) => phase)]);
  return [...phases]
    .sort()
    .map((phase) => rulesetRef(phase, rulesets.find((one) => one.phase === phase) ?? null));
}
