import { differingRulesets } from '../../domain/cdn/rules-copy.ts';
import { ruleDifferences } from '../../domain/cdn/rule-differences.ts';
import type { CdnRulesFacts } from '../../domain/planners/rollback-facts.ts';
import type { CdnPart, RecoveryPoint } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { heartbeat } from '../activity-context.ts';
import { failureTypeOf } from '../failure.ts';
import { rulesOf, type CopyReader } from './rules.ts';
import { cdnClientOf, type CdnDeps } from './zone.ts';

export interface CompareInput {
  site: Site;
  operationId: string;
  point: RecoveryPoint;
  /** As described now. */
  now: CdnPart;
}

/**
 * What going back to a point does to the CDN's rules, rule by rule. Rules that are nowhere any more are told, not thrown.
 * @throws what the provider's API and the recovery point are read with
 */
export function createRulesComparison(deps: CdnDeps) {
  return async (input: CompareInput): Promise<CdnRulesFacts> => {
    const { site, operationId, point, now } = input;
    const found: CdnRulesFacts = { differences: [], gone: [] };
    if (point.cdn === null || point.cdn.zoneId !== now.zoneId) return found;
    const { client } = await cdnClientOf(deps, site);
    let reading: ReturnType<CopyReader> | undefined;
    const copy = () => (reading ??= deps.kept.anywhere({ site, operationId, id: point.id }));
    for (const ref of differingRulesets(point.cdn.rulesets, now.rulesets)) {
      heartbeat({ comparing: ref.phase });
      try {
        const then = await rulesOf(client, ref, copy);
        const live = (await client.ruleset(ref.phase))?.rules ?? [];
        found.differences.push(ruleDifferences(ref.phase, live, then));
      } catch (error) {
        if (failureTypeOf(error) !== 'PreconditionFailed') throw error;
        found.gone.push({ phase: ref.phase, why: (error as Error).message });
      }
    }
    return found;
  };
}
