import { asyncLocalStorage } from '@temporalio/activity';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { CdnRulesetRef } from '../../domain/recovery/point.ts';
import { heartbeat } from '../activity-context.ts';
import type { CdnActivities, ChangeInput } from '../contracts.ts';
import { failure } from '../failure.ts';
import { moveRules, noRuleset, returnRules, type CopyReader, type PhaseMove } from './rules.ts';
import { cdnClientOf, describedRules, rulesCopy, type CdnDeps } from './zone.ts';

/**
 * What the CDN keeps for a site: versions of its rules, and its cache. `describeCdn` names the rules that a recovery point
 * keeps where it is given one that keeps some, so that both are of one instant.
 *
 * `restoreCdnRules` reads `params.rulesets` (where to go, as recorded in the point) and `before.rulesets` (what was live at
 * the plan); `returnCdnRules` goes the other way. Both are lists of `CdnRulesetRef`. `purgeCdn` reads `params.hosts`.
 */
export function createCdnActivities(deps: CdnDeps): CdnActivities {
  /** The rulesets of the point and those of before, by phase, in the plan's order. */
  async function changeOf({ site, change }: ChangeInput) {
    const { client, cdn } = await cdnClientOf(deps, site);
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

  /** Reads the copy of a recovery point once, and only when it is needed. */
  function copyOf({ site, operationId }: ChangeInput, id: string | null): CopyReader {
    let reading: ReturnType<CopyReader> | undefined;
    return () =>
      (reading ??=
        id === null ? Promise.resolve(null) : deps.kept.anywhere({ site, operationId, id }));
  }

  return {
    async describeCdn({ site, id }) {
      if (!site.cdn) return null;
      const { provider, zoneId } = site.cdn;
      const kept = id === undefined ? null : await deps.kept.nearby(site, id);
      if (kept !== null) return { provider, zoneId, rulesets: describedRules(kept) };
      const { client } = await cdnClientOf(deps, site);
      return { provider, zoneId, rulesets: describedRules(await rulesCopy(client, zoneId)) };
    },

    async restoreCdnRules(input) {
      const { client, phases } = await changeOf(input);
      const { point } = input.change.params;
      const copy = copyOf(input, typeof point === 'string' ? point : null);
      const moves = phases.map(({ target, origin }): PhaseMove => ({
        ...{ phase: target.phase, expected: origin, wanted: target, compareBy: 'version', copy },
      }));
      return { phases: (await moveRules(client, moves)) as unknown as Json };
    },

    async returnCdnRules(input) {
      const { client, phases } = await changeOf(input);
      const copy = copyOf(input, input.recoveryPoint?.id ?? null);
      const moves = phases.map(({ target, origin }): PhaseMove => ({
        // The version that the restore made is in no plan; its rules are.
        ...{ phase: target.phase, expected: target, wanted: origin, compareBy: 'rules', copy },
      }));
      return { ...(await returnRules(client, moves)) } as unknown as JsonObject;
    },

    async purgeCdn({ site, change }) {
      const { client, cdn } = await cdnClientOf(deps, site);
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
