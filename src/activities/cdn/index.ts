import { asyncLocalStorage } from '@temporalio/activity';
import { zonePhases } from '../../domain/cdn/ruleset-digest.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { CdnRulesetRef } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { heartbeat } from '../activity-context.ts';
import type { CdnActivities, ChangeInput } from '../contracts.ts';
import { failure } from '../failure.ts';
import type { SecretResolver } from '../secrets/resolver.ts';
import { createCdnClient, type CdnClient } from './client.ts';
import { moveRules, noRuleset, rulesetRef, type PhaseMove } from './rules.ts';

export interface CdnDeps {
  secrets: SecretResolver;
  /** For one request to the provider; 20,000 when absent. */
  timeoutMs?: number;
}

/**
 * What the CDN keeps for a site: versions of its rules, and its cache.
 *
 * `restoreCdnRules` reads `params.rulesets` (where to go, as recorded in the point) and `before.rulesets` (what was live at
 * the plan); `returnCdnRules` goes the other way. Both are lists of `CdnRulesetRef`. `purgeCdn` reads `params.hosts`.
 */
export function createCdnActivities(deps: CdnDeps): CdnActivities {
  async function clientOf({ cdn }: Site): Promise<{ client: CdnClient; cdn: SiteCdn }> {
    if (!cdn) throw failure('InvalidSite', 'cdn is needed in the site file to change its rules');
    const token = await deps.secrets.secret(cdn.token);
    const { zoneId, apiEndpoint: endpoint } = cdn;
    const { timeoutMs } = deps;
    return { client: createCdnClient({ token, zoneId, endpoint, timeoutMs }), cdn };
  }

  /** The rulesets of the point and those of before, by phase, in the plan's order. */
  async function changeOf({ site, change }: ChangeInput) {
    const { client, cdn } = await clientOf(site);
    const { zoneId } = change.params;
    if (zoneId !== undefined && zoneId !== cdn.zoneId) {
      throw failure('PreconditionFailed', `The rules are those of another zone than ${cdn.zoneId}`);
    }
    const before = rulesetRefs((change.before as JsonObject | null)?.rulesets, 'before.rulesets');
    const phases = rulesetRefs(change.params.rulesets, 'params.rulesets').map((target) => ({
      target,
      origin: before.find(({ phase }) => phase === target.phase) ?? noRuleset(target.phase),
    }));
    return { client, phases };
  }

  return {
    async describeCdn({ site }) {
      if (!site.cdn) return null;
      const { client, cdn } = await clientOf(site);
      const live = await client.phases();
      const rulesets: CdnRulesetRef[] = [];
      for (const phase of [...new Set([...zonePhases, ...live])].sort()) {
        const ruleset = live.includes(phase) ? await client.ruleset(phase) : null;
        rulesets.push(rulesetRef(phase, ruleset));
      }
      return { provider: cdn.provider, zoneId: cdn.zoneId, rulesets };
    },

    async restoreCdnRules(input) {
      const { client, phases } = await changeOf(input);
      const moves = phases.map(({ target, origin }): PhaseMove => ({
        ...{ phase: target.phase, expected: origin, wanted: target, compareBy: 'version' },
      }));
      return { phases: (await moveRules(client, moves)) as unknown as Json };
    },

    async returnCdnRules(input) {
      const { client, phases } = await changeOf(input);
      const moves = phases.map(({ target, origin }): PhaseMove => ({
        // The version that the restore made is in no plan; its rules are.
        ...{ phase: target.phase, expected: target, wanted: origin, compareBy: 'rules' },
      }));
      return { phases: (await moveRules(client, moves)) as unknown as Json };
    },

    async purgeCdn({ site, change }) {
      const { client, cdn } = await clientOf(site);
      const hosts = hostNames(change.params.hosts ?? site.hosts.names);
      // Purging twice does no harm but costs requests that the provider counts: an attempt goes on where the last one was.
      let purged = purgedBefore(hosts.length);
      while (purged < hosts.length) {
        heartbeat({ purged });
        const batch = hosts.slice(purged, purged + cdn.purgeBatch);
        await client.purgeHosts(batch);
        purged += batch.length;
      }
      heartbeat({ purged });
      return { hosts, requests: Math.ceil(hosts.length / cdn.purgeBatch) };
    },
  };
}

type SiteCdn = NonNullable<Site['cdn']>;

/** How many host names the attempt before this one had purged. */
function purgedBefore(most: number): number {
  const details: unknown = asyncLocalStorage.getStore()?.info.heartbeatDetails;
  const { purged } = (details ?? {}) as { purged?: unknown };
  return typeof purged === 'number' && purged >= 0 && purged <= most ? purged : 0;
}

function hostNames(value: Json): string[] {
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string')) {
    return value;
  }
  throw failure('InvalidInput', 'params.hosts must be a list of host names');
}

function rulesetRefs(value: Json | undefined, what: string): CdnRulesetRef[] {
  if (Array.isArray(value) && value.every(isRulesetRef)) return value;
  throw failure(
    'InvalidInput',
    `${what} must be a list of phases with ruleset, version and digest`,
  );
}

function isRulesetRef(value: Json): value is Json & CdnRulesetRef {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const texts = ['phase', 'rulesetId', 'version', 'digest'].map((name) => typeof value[name]);
  return texts.every((type) => type === 'string') && typeof value.rules === 'number';
}
