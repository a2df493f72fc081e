/** Rulesets of zones: every update replaces all rules of a phase and makes a new version; old versions stay. */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { JsonFile } from '../json-file.ts';
import { ApiError, refused } from './api-error.ts';
import { checkRuleset, phaseActions, type RuleInput, type RulesetInput } from './rule-shape.ts';

export interface StoredRule extends Omit<RuleInput, 'id' | 'ref' | 'enabled'> {
  id: string;
  ref: string;
  enabled: boolean;
  /** Counts changes of this rule. */
  version: string;
  last_updated: string;
}

/** One version of a ruleset. */
export interface StoredVersion {
  id: string;
  name: string;
  description: string;
  kind: 'zone';
  phase: string;
  version: string;
  last_updated: string;
  rules: StoredRule[];
}

/** A ruleset of the provider that a zone sees and cannot change. */
export interface ManagedRuleset {
  id: string;
  name: string;
  description: string;
  kind: 'managed';
  phase: string;
  version: string;
  last_updated: string;
}

export interface Purge {
  at: string;
  zoneId: string;
  by: 'hosts' | 'files' | 'tags' | 'prefixes' | 'purge_everything';
  items: unknown[];
}

export interface Zone {
  /** Domain; only hosts of it can be purged. */
  name: string;
  /** By phase: all versions, oldest first. */
  entrypoints: Record<string, StoredVersion[]>;
  managed: ManagedRuleset[];
}

export interface CloudflareState {
  zones: Record<string, Zone>;
  purges: Purge[];
}

/** What a request to the rulesets of a zone is answered. */
export interface Rulesets {
  list(zoneId: string, page: { perPage: number; cursor: string | null }): Promise<RulesetPage>;
  entrypoint(zoneId: string, phase: string): Promise<StoredVersion>;
  update(zoneId: string, phase: string, body: unknown, dryRun: boolean): Promise<StoredVersion>;
  versions(zoneId: string, phase: string): Promise<Omit<StoredVersion, 'rules'>[]>;
  version(zoneId: string, phase: string, version: string): Promise<StoredVersion>;
  /** Takes a ruleset away with all its versions. */
  remove(zoneId: string, rulesetId: string): Promise<void>;
  /** By the ruleset's id instead of its phase. */
  phaseOf(zoneId: string, rulesetId: string): Promise<string>;
}

export interface RulesetPage {
  rulesets: object[];
  /** Where the next page begins; null after the last. */
  after: string | null;
}

const newId = (): string => randomBytes(16).toString('hex');

export function createRulesets(file: JsonFile<CloudflareState>, now: () => Date): Rulesets {
  async function zoneOf(zoneId: string): Promise<Readonly<Zone>> {
    const zone = (await file.read()).zones[zoneId];
    if (!zone) throw unknownZone();
    return zone;
  }

  async function versionsOf(zoneId: string, phase: string): Promise<readonly StoredVersion[]> {
    const zone = await zoneOf(zoneId);
    return zone.entrypoints[knownPhase(phase)] ?? [];
  }

  return {
    async list(zoneId, { perPage, cursor }) {
      const zone = await zoneOf(zoneId);
      const own = Object.values(zone.entrypoints).flatMap((versions) => {
        const newest = versions.at(-1);
        return newest ? [withoutRules(newest)] : [];
      });
      const all = [...zone.managed, ...own];
      const from = cursor === null ? 0 : Number(Buffer.from(cursor, 'base64url').toString());
      if (!Number.isInteger(from) || from < 0) throw refused(400, 10_000, 'invalid cursor');
      const to = from + perPage;
      const after = to < all.length ? Buffer.from(`${to}`).toString('base64url') : null;
      return { rulesets: all.slice(from, to), after };
    },

    async entrypoint(zoneId, phase) {
      const newest = (await versionsOf(zoneId, phase)).at(-1);
      if (!newest) throw noEntrypoint(phase);
      return newest;
    },

    async update(zoneId, phase, body, dryRun) {
      await zoneOf(zoneId);
      const checked = checkRuleset(knownPhase(phase), body);
      if ('problems' in checked) {
        throw new ApiError(
          400,
          checked.problems.map(({ pointer, message }) => ({
            ...{ code: 20_021, message, source: { pointer } },
          })),
        );
      }
      if (dryRun)
        return nextVersion(phase, (await versionsOf(zoneId, phase)).at(-1), checked.ruleset, now());
      return file.update((state) => {
        const versions = (state.zones[zoneId]!.entrypoints[phase] ??= []);
        const next = nextVersion(phase, versions.at(-1), checked.ruleset, now());
        versions.push(next);
        return next;
      });
    },

    async versions(zoneId, phase) {
      const versions = await versionsOf(zoneId, phase);
      if (versions.length === 0) throw noEntrypoint(phase);
      return versions.map(withoutRules);
    },

    async version(zoneId, phase, version) {
      const versions = await versionsOf(zoneId, phase);
      if (versions.length === 0) throw noEntrypoint(phase);
      const found = versions.find((each) => each.version === version);
      if (!found) throw refused(404, 10_001, `could not find version ${version} of the ruleset`);
      return found;
    },

    async remove(zoneId, rulesetId) {
      await file.update((state) => {
        const entrypoints = state.zones[zoneId]?.entrypoints;
        if (!entrypoints) throw unknownZone();
        const own = Object.entries(entrypoints).find(([, all]) => all.at(-1)?.id === rulesetId);
        if (!own) throw noRuleset(rulesetId);
        delete entrypoints[own[0]];
      });
    },

    async phaseOf(zoneId, rulesetId) {
      const { entrypoints } = await zoneOf(zoneId);
      for (const [phase, versions] of Object.entries(entrypoints)) {
        if (versions.at(-1)?.id === rulesetId) return phase;
      }
      throw noRuleset(rulesetId);
    },
  };
}

/** The version after `last` (undefined for the first) with exactly the given rules. */
function nextVersion(
  phase: string,
  last: StoredVersion | undefined,
  given: RulesetInput,
  now: Date,
): StoredVersion {
  const at = now.toISOString();
  return {
    id: last?.id ?? newId(),
    name: given.name ?? last?.name ?? 'default',
    description: given.description ?? last?.description ?? '',
    kind: 'zone',
    phase,
    version: String(Number(last?.version ?? 0) + 1),
    last_updated: at,
    rules: given.rules.map((rule, index) => nextRule(rule, last?.rules ?? [], index, at)),
  };
}

/** A rule keeps its id when the id or the reference is known; its own version counts its changes. */
function nextRule(
  given: RuleInput,
  before: readonly StoredRule[],
  index: number,
  at: string,
): StoredRule {
  const known = before.find(({ id, ref }) =>
    given.id === undefined ? given.ref !== undefined && ref === given.ref : id === given.id,
  );
  if (given.id !== undefined && !known) {
    const message = `could not find rule with id "${given.id}"`;
    throw refused(400, 20_022, message, `/rules/${index}/id`);
  }
  const id = known?.id ?? newId();
  const content = {
    ...given,
    id,
    ref: given.ref ?? known?.ref ?? id,
    enabled: given.enabled ?? true,
  };
  if (!known) return { ...content, version: '1', last_updated: at };
  const { version, last_updated: since } = known;
  if (isDeepStrictEqual(known, { ...content, version, last_updated: since })) return known;
  return { ...content, version: String(Number(version) + 1), last_updated: at };
}

function withoutRules(version: StoredVersion): Omit<StoredVersion, 'rules'> {
  const { id, name, description, kind, phase, last_updated } = version;
  return { id, name, description, kind, phase, version: version.version, last_updated };
}

function knownPhase(phase: string): string {
  if (phase in phaseActions) return phase;
  throw refused(400, 20_018, `'${phase}' is not a valid value for phase`, '/phase');
}

function noEntrypoint(phase: string): ApiError {
  return refused(404, 10_003, `could not find entrypoint ruleset in the ${phase} phase`);
}

function noRuleset(rulesetId: string): ApiError {
  return refused(404, 10_001, `could not find ruleset with id "${rulesetId}"`);
}

/** A token is asked for a zone that is not one of its account. */
export function unknownZone(): ApiError {
  return refused(403, 9109, 'Unauthorized to access requested resource');
}
