import { MockActivityEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/common';
import type { PhaseGetResponse } from 'cloudflare/resources/rulesets/phases';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCdnActivities } from '../../../src/activities/cdn/index.ts';
import { createCdnClient, retryAfter, type CdnClient } from '../../../src/activities/cdn/client.ts';
import { createRulesComparison } from '../../../src/activities/cdn/compare.ts';
import { moveRules, type PhaseMove } from '../../../src/activities/cdn/rules.ts';
import { createRulesReader, type CdnDeps } from '../../../src/activities/cdn/zone.ts';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import { createSecretResolver, Secret } from '../../../src/activities/secrets/index.ts';
import { noRulesDigest, rulesDigest } from '../../../src/domain/cdn/ruleset-digest.ts';
import type { RulesCopy } from '../../../src/domain/cdn/rules-copy.ts';
import type { Json } from '../../../src/domain/json.ts';
import type { Change } from '../../../src/domain/plan.ts';
import type { CdnPart, CdnRulesetRef } from '../../../src/domain/recovery/point.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import {
  editToken,
  readToken,
  startCloudflare,
  testZoneId,
  type CloudflareServer,
} from '../../support/cloudflare.ts';
import { testSite } from '../../support/phase0.ts';
import { recoveryPoint } from '../../support/rollback-facts.ts';

/**
 * The CDN's activities against the stand-in for Cloudflare's API: what a recovery point names, its rules put back and taken
 * back again, and everything that must not be done. What visitors get from the edge is not here.
 */

const cachePhase = 'http_request_cache_settings';
const headerPhase = 'http_response_headers_transform';

const foreign = {
  ref: 'made-by-a-person',
  description: 'Price lists are fresh for ten minutes',
  expression: 'starts_with(http.request.uri.path, "/price-lists/")',
  action: 'set_cache_settings',
  action_parameters: { cache: true, edge_ttl: { mode: 'override_origin', default: 600 } },
};
const wrong = {
  ref: 'wrong',
  expression: 'true',
  action: 'set_cache_settings',
  action_parameters: { cache: true, edge_ttl: { mode: 'override_origin', default: 31_536_000 } },
};
const header = {
  expression: 'true',
  action: 'rewrite',
  action_parameters: { headers: { 'x-shop': { operation: 'set', value: 'acme' } } },
};

let server: CloudflareServer;
let site: Site;
const seen: string[] = [];

beforeEach(async () => {
  seen.length = 0;
  copies = {};
  server = await startCloudflare({ log: (line) => seen.push(line) });
  site = testSite((file) => {
    file.cdn = {
      ...{ provider: 'cloudflare', zoneId: testZoneId, token: 'env:TOKEN' },
      apiEndpoint: server.endpoint,
    };
  });
});
afterEach(() => server.close());

/** What recovery points keep, by their ids; that they really do is proved beside this, in kept-rules.test.ts. */
let copies: Record<string, RulesCopy>;
const cdnDeps = (token = editToken, timeoutMs = 5_000): CdnDeps => ({
  secrets: createSecretResolver({ env: { TOKEN: token } }),
  kept: {
    nearby: (_site, id) => Promise.resolve(copies[id] ?? null),
    anywhere: ({ id }) => Promise.resolve(copies[id] ?? null),
  },
  timeoutMs,
});
const activities = (token = editToken, timeoutMs = 5_000) =>
  createCdnActivities(cdnDeps(token, timeoutMs));
const copied = async () => (await createRulesReader(cdnDeps())(site))!;

/** Somebody deletes the ruleset of a phase, and with it all its versions. */
const deleteRuleset = async (phase: typeof cachePhase | typeof headerPhase = cachePhase) =>
  server.client().rulesets.delete((await live(phase)).id, { zone_id: testZoneId });

/** Somebody writes rules with the official client. */
const put = (rules: object[], phase: typeof cachePhase | typeof headerPhase = cachePhase) =>
  server.client().rulesets.phases.update(phase, {
    zone_id: testZoneId,
    rules: rules,
  }) as PromiseLike<PhaseGetResponse>;

const live = (phase: typeof cachePhase | typeof headerPhase = cachePhase) =>
  server.client().rulesets.phases.get(phase, { zone_id: testZoneId });

const described = async () => (await activities().describeCdn({ site }))!;

const writes = () => seen.filter((line) => line.startsWith('PUT')).length;

/** The change as the planner of rollbacks makes it: what differs goes to the point's rules. */
function restoreChange(point: CdnPart, now: CdnPart): Change {
  const rulesets = point.rulesets.filter(
    ({ phase, digest }) => now.rulesets.find((one) => one.phase === phase)?.digest !== digest,
  );
  const before = now.rulesets.filter((one) => rulesets.some(({ phase }) => phase === one.phase));
  return {
    ...{ id: 'restore-cdn-rules', title: '', target: '', risk: 'medium', riskReason: '' },
    ...{ undo: { possible: true, how: '' }, touches: [], after: null },
    before: { rulesets: before as unknown as Json },
    params: { point: 'then', zoneId: point.zoneId, rulesets: rulesets as unknown as Json },
  };
}

const input = (change: Change) => ({
  site,
  operationId: 'acme/rollback/1',
  change,
  recoveryPoint: { id: 'before', takenAt: '', contains: [], missing: [] },
});

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => failureTypeOf(error) ?? String(error),
  );

describe('describing the rules', () => {
  it('gives nothing for a site without a CDN', async () => {
    expect(await activities().describeCdn({ site: testSite() })).toBeNull();
  });

  it('names version, count and digest of every phase, also of those without rules', async () => {
    await put([foreign]);
    await put([foreign, wrong]);
    const { provider, zoneId, rulesets } = await described();
    expect({ provider, zoneId }).toEqual({ provider: 'cloudflare', zoneId: testZoneId });
    const of = (phase: string) => rulesets.find((one) => one.phase === phase);
    const { id, rules } = await live();
    expect(of(cachePhase)).toEqual({
      ...{ phase: cachePhase, rulesetId: id, version: '2', rules: 2 },
      digest: rulesDigest(rules as []),
    });
    for (const phase of ['http_request_firewall_custom', 'http_request_dynamic_redirect']) {
      expect(of(phase)).toEqual({
        ...{ phase, rulesetId: '', version: '0', rules: 0, digest: noRulesDigest },
      });
    }
  });

  it.each<[string, string, () => Promise<unknown>]>([
    ['Unauthorized', 'a wrong token', () => activities('other').describeCdn({ site })],
    ['SecretMissing', 'no token', () => activities('').describeCdn({ site })],
    [
      'Forbidden',
      'another zone',
      () => {
        const zoneId = 'f'.repeat(32);
        return activities().describeCdn({ site: { ...site, cdn: { ...site.cdn!, zoneId } } });
      },
    ],
    [
      'Unavailable',
      'nobody at that address',
      () => {
        const apiEndpoint = 'http://127.0.0.1:9/client/v4';
        return activities().describeCdn({ site: { ...site, cdn: { ...site.cdn!, apiEndpoint } } });
      },
    ],
  ])('fails with %s for %s', async (type, _what, describing) => {
    expect(await failureOf(describing())).toBe(type);
  });

  it('names the rules that a recovery point keeps, and those of now where it keeps none', async () => {
    await put([foreign]);
    copies['then'] = await copied();
    const then = await described();
    await put([wrong]);
    expect(await activities().describeCdn({ site, id: 'then' })).toEqual(then);
    expect(await activities().describeCdn({ site, id: 'without' })).toEqual(await described());
  });

  it('never tells the token', async () => {
    await server.faults([{ what: { kind: 'answer', status: 400, message: 'no' } }]);
    const error: unknown = await activities()
      .describeCdn({ site })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApplicationFailure);
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(editToken);
    expect((error as Error).message).toContain('status 400, 10000 no');
  });

  it.each<[string, object, string]>([
    ['an outage', { kind: 'answer', status: 503 }, 'Unavailable'],
    ['HTML of something in between', { kind: 'not-json', status: 502 }, 'Unavailable'],
    ['HTML that claims success', { kind: 'not-json', status: 200 }, 'Unavailable'],
    ['a dropped connection', { kind: 'drop-request' }, 'Unavailable'],
    ['silence', { kind: 'delay', ms: 900 }, 'Unavailable'],
    ['a conflict', { kind: 'answer', status: 409 }, 'Conflict'],
  ])('maps %s', async (_what, what, type) => {
    await put([foreign]);
    await server.faults([{ path: 'entrypoint', what: what as { kind: 'drop-request' } }]);
    expect(await failureOf(activities(editToken, 400).describeCdn({ site }))).toBe(type);
  });

  it.each<[string, object]>([
    ['HTML that claims success', { kind: 'not-json', status: 200 }],
    ['an empty object', { kind: 'json', body: {} }],
    ['a result that is null', { kind: 'json', body: { success: true, result: null } }],
    ['a result without success', { kind: 'json', body: { result: [] } }],
    ['entries that are no rulesets', { kind: 'json', body: { success: true, result: [null] } }],
  ])('never takes %s for a zone without rules', async (_what, what) => {
    await put([foreign]);
    const fault = { path: '/rulesets', times: 1, what: what as { kind: 'drop-request' } };
    await server.faults([fault]);
    expect(await failureOf(activities().describeCdn({ site }))).toBe('Unavailable');
  });

  it('reads every page of the list', async () => {
    await put([foreign]);
    const page = (phase: string, after?: string) => ({
      ...{ times: 1, path: '/rulesets' },
      what: {
        ...{ kind: 'json' as const },
        body: {
          ...{ success: true, result: [{ kind: 'zone', phase }] },
          ...(after !== undefined && { result_info: { cursors: { after } } }),
        },
      },
    });
    await server.faults([page('http_response_headers_transform', 'more'), page(cachePhase)]);
    const { rulesets } = await described();
    expect(rulesets.find(({ phase }) => phase === cachePhase)).toMatchObject({ rules: 1 });
  });
});

describe('putting rules back', () => {
  it('brings the rules of the point back and keeps references, ids and other people’s rules', async () => {
    const before = await put([foreign]);
    const point = await described();
    await put([foreign, wrong]);
    const change = restoreChange(point, await described());
    const result = await activities().restoreCdnRules(input(change));
    expect(result).toEqual({
      phases: [{ phase: cachePhase, from: '2', to: '1', now: '3', rules: 1 }],
    });
    expect((await live()).rules).toEqual(before.rules);
  });

  it('brings a deleted rule back under its reference', async () => {
    await put([foreign, { ...wrong, ref: undefined }]);
    const point = await described();
    await put([wrong]);
    await activities().restoreCdnRules(input(restoreChange(point, await described())));
    expect(rulesDigest((await live()).rules as [])).toBe(
      point.rulesets.find(({ phase }) => phase === cachePhase)!.digest,
    );
  });

  it('takes rules away from a phase that had none', async () => {
    const point = await described();
    await put([header], headerPhase);
    await activities().restoreCdnRules(input(restoreChange(point, await described())));
    expect((await live(headerPhase)).rules).toEqual([]);
  });

  it('does nothing a second time, also when the first answer was lost', async () => {
    await put([foreign]);
    const point = await described();
    await put([wrong]);
    const change = restoreChange(point, await described());
    await server.faults([{ method: 'PUT', times: 1, what: { kind: 'drop-answer' } }]);
    expect(await failureOf(activities().restoreCdnRules(input(change)))).toBe('Unavailable');
    const before = writes();
    await activities().restoreCdnRules(input(change));
    const again = await activities().restoreCdnRules(input(change));
    expect(again).toEqual({
      phases: [{ phase: cachePhase, from: '3', to: '1', now: '3', rules: 1 }],
    });
    expect(writes()).toBe(before);
  });

  it('finishes what an interruption left half done', async () => {
    await put([foreign]);
    await put([header], headerPhase);
    const point = await described();
    await put([wrong]);
    await put([], headerPhase);
    const change = restoreChange(point, await described());
    await server.faults([
      { method: 'PUT', path: headerPhase, times: 1, what: { kind: 'drop-request' } },
    ]);
    expect(await failureOf(activities().restoreCdnRules(input(change)))).toBe('Unavailable');
    expect((await live()).rules).toHaveLength(1);
    await activities().restoreCdnRules(input(change));
    const digests = ({ rulesets }: CdnPart) => rulesets.map(({ digest }) => digest);
    expect(digests(await described())).toEqual(digests(point));
  });

  it('refuses when somebody changed a phase since the plan, and then writes nothing at all', async () => {
    await put([foreign]);
    await put([header], headerPhase);
    const point = await described();
    await put([wrong]);
    await put([], headerPhase);
    const change = restoreChange(point, await described());
    const somebodys = await put([{ ...header, ref: 'mine' }], headerPhase);
    const before = writes();
    expect(await failureOf(activities().restoreCdnRules(input(change)))).toBe('Drifted');
    expect(writes()).toBe(before);
    expect(await live(headerPhase)).toEqual(somebodys);
    expect((await live()).version).toBe('2');
  });

  it('refuses when the phase had no rules at the plan and has some now', async () => {
    await put([foreign]);
    const point = await described();
    const change = restoreChange(point, {
      ...point,
      rulesets: point.rulesets.map((one) => ({
        ...one,
        version: '0',
        rulesetId: '',
        digest: noRulesDigest,
      })),
    });
    await put([wrong]);
    expect(await failureOf(activities().restoreCdnRules(input(change)))).toBe('Drifted');
  });

  it.each<[string, Partial<CdnRulesetRef>]>([
    ['is no more', { version: '99' }],
    ['is one of another ruleset', { rulesetId: 'e'.repeat(32) }],
    ['holds other rules than recorded', { digest: rulesDigest([{ ref: 'x' }]) }],
  ])('refuses a version that %s', async (_what, other) => {
    await put([foreign]);
    const point = await described();
    await put([wrong]);
    const now = await described();
    const changed = {
      ...point,
      rulesets: point.rulesets.map((one) =>
        one.phase === cachePhase ? { ...one, ...other } : one,
      ),
    };
    const before = writes();
    expect(await failureOf(activities().restoreCdnRules(input(restoreChange(changed, now))))).toBe(
      'PreconditionFailed',
    );
    expect(writes()).toBe(before);
  });

  it('brings rules back from the recovery point when somebody deleted the ruleset', async () => {
    await put([foreign]);
    await put([header], headerPhase);
    const point = await described();
    copies['then'] = await copied();
    await deleteRuleset();
    await deleteRuleset(headerPhase);
    await put([{ ...header, ref: 'somebodys' }], headerPhase);
    await activities().restoreCdnRules(input(restoreChange(point, await described())));
    const digests = ({ rulesets }: CdnPart) => rulesets.map(({ digest }) => digest);
    expect(digests(await described())).toEqual(digests(point));
    expect((await live()).rules).toMatchObject([{ ref: foreign.ref }]);
  });

  it('never writes a copy that holds other rules than the signed document names', async () => {
    await put([wrong]);
    copies['then'] = await copied();
    await deleteRuleset();
    await put([foreign]);
    const point = await described();
    await deleteRuleset();
    const change = restoreChange(point, await described());
    expect(await failureOf(activities().restoreCdnRules(input(change)))).toBe('PreconditionFailed');
    expect(writes()).toBe(2);
  });

  it('refuses another zone, another shape, and a token that may only read', async () => {
    await put([foreign]);
    const point = await described();
    await put([wrong]);
    const change = restoreChange(point, await described());
    const other = { ...change, params: { ...change.params, zoneId: 'other' } };
    expect(await failureOf(activities().restoreCdnRules(input(other)))).toBe('PreconditionFailed');
    const shapeless = { ...change, params: { zoneId: testZoneId, rulesets: [{ phase: 'x' }] } };
    expect(await failureOf(activities().restoreCdnRules(input(shapeless)))).toBe('InvalidInput');
    const reader = activities(readToken);
    expect(await failureOf(reader.restoreCdnRules(input(change)))).toBe('Forbidden');
    const without = { ...input(change), site: testSite() };
    expect(await failureOf(activities().restoreCdnRules(without))).toBe('InvalidSite');
  });
});

describe('somebody who writes at the same moment', () => {
  /** The real client, with somebody else's hand between its calls. */
  function interrupted(at: 'before' | 'after', phase: string, hand: () => Promise<unknown>) {
    const token = new Secret(editToken);
    const real = createCdnClient({ token, zoneId: testZoneId, endpoint: server.endpoint });
    const client: CdnClient = {
      ...real,
      async replaceRules(written, rules) {
        if (at === 'before' && written === phase) await hand();
        const answer = await real.replaceRules(written, rules);
        if (at === 'after' && written === phase) await hand();
        return answer;
      },
    };
    return client;
  }

  const movesOf = (point: CdnPart, now: CdnPart): PhaseMove[] =>
    point.rulesets
      .filter(({ rules }) => rules > 0)
      .map((wanted): PhaseMove => ({
        ...{ phase: wanted.phase, wanted, compareBy: 'version' },
        expected: now.rulesets.find(({ phase }) => phase === wanted.phase)!,
        copy: () => Promise.resolve(null),
      }));

  const messageOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'no failure',
      (error: Error) => `${failureTypeOf(error)}: ${error.message}`,
    );

  it('keeps a phase that was not written yet, is told which were, and those can be taken back', async () => {
    await put([foreign]);
    await put([header], headerPhase);
    const point = await described();
    const before = await put([wrong]);
    await put([], headerPhase);
    const now = await described();
    const somebodys = { ...header, ref: 'somebodys' };
    const client = interrupted('after', cachePhase, async () => put([somebodys], headerPhase));
    const said = await messageOf(moveRules(client, movesOf(point, now)));
    expect(said).toMatch(/^Drifted: The rules of http_response_headers_transform were changed/);
    expect(said).toContain(`Written before that: ${cachePhase}`);
    expect((await live(headerPhase)).rules).toMatchObject([{ ref: 'somebodys' }]);

    const returned = await activities().returnCdnRules(input(restoreChange(point, now)));
    expect(returned).toMatchObject({ leftAlone: [headerPhase] });
    expect(rulesDigest((await live()).rules as [])).toBe(rulesDigest(before.rules as []));
    expect((await live(headerPhase)).rules).toMatchObject([{ ref: 'somebodys' }]);
  });

  it('is not overwritten without a word in the very moment of the write', async () => {
    await put([foreign]);
    const point = await described();
    await put([wrong]);
    const now = await described();
    const client = interrupted('before', cachePhase, async () =>
      put([{ ...wrong, ref: 'somebodys' }]),
    );
    const said = await messageOf(moveRules(client, movesOf(point, now)));
    expect(said).toMatch(
      /^Drifted: .*version 3 is theirs and no longer live, version 4 is in place/,
    );
    const count = writes();
    await moveRules(client, movesOf(point, now));
    expect(writes()).toBe(count);
  });
});

describe('comparing with a recovery point', () => {
  const compare = async (cdn: CdnPart) =>
    createRulesComparison(cdnDeps())({
      ...{ site, operationId: 'acme/rollback/1', now: await described() },
      point: recoveryPoint({ id: 'then', cdn }),
    });

  it('tells rule by rule what goes and what comes back, also from the copy', async () => {
    await put([foreign]);
    await put([header], headerPhase);
    const point = await described();
    copies['then'] = await copied();
    await deleteRuleset();
    await put([wrong]);
    const { differences, gone } = await compare(point);
    expect(gone).toEqual([]);
    expect(differences).toMatchObject([
      {
        phase: cachePhase,
        onlyNow: { count: 1, first: [{ ref: 'wrong' }] },
        onlyThen: { count: 1, first: [{ ref: foreign.ref, description: foreign.description }] },
        changed: { count: 0 },
      },
    ]);
  });

  it('tells of rules that are nowhere any more', async () => {
    await put([foreign]);
    const point = await described();
    await deleteRuleset();
    const { differences, gone } = await compare(point);
    expect(differences).toEqual([]);
    expect(gone).toMatchObject([{ phase: cachePhase }]);
    expect(gone[0]?.why).toContain('the provider has it no more');
  });
});

describe('taking a restore back', () => {
  it('brings the rules of before back', async () => {
    await put([foreign]);
    await put([header], headerPhase);
    const point = await described();
    const before = await put([foreign, wrong]);
    await put([], headerPhase);
    const change = restoreChange(point, await described());
    await activities().restoreCdnRules(input(change));
    await activities().returnCdnRules(input(change));
    const after = await live();
    expect(rulesDigest(after.rules as [])).toBe(rulesDigest(before.rules as []));
    expect((await live(headerPhase)).rules).toEqual([]);
    const count = writes();
    await activities().returnCdnRules(input(change));
    expect(writes()).toBe(count);
  });

  it('brings rules of before back from the rollback’s own point when their versions are gone', async () => {
    await put([foreign]);
    const point = await described();
    const before = await put([wrong]);
    copies['before'] = await copied();
    const change = restoreChange(point, await described());
    await activities().restoreCdnRules(input(change));
    await deleteRuleset();
    await put([foreign]);
    await activities().returnCdnRules(input(change));
    expect(rulesDigest((await live()).rules as [])).toBe(rulesDigest(before.rules as []));
  });

  it('does nothing when nothing was restored, and refuses when somebody wrote since', async () => {
    await put([foreign]);
    const point = await described();
    await put([wrong]);
    const change = restoreChange(point, await described());
    const count = writes();
    await activities().returnCdnRules(input(change));
    expect(writes()).toBe(count);
    await activities().restoreCdnRules(input(change));
    await put([{ ...wrong, ref: 'somebody' }]);
    expect(await failureOf(activities().returnCdnRules(input(change)))).toBe('Drifted');
  });
});

describe('purging', () => {
  const hosts = Array.from({ length: 65 }, (_, index) => `h${index}.acme.example`);
  const purgeChange = (names: string[]): Change => ({
    ...restoreChange(
      { provider: 'cloudflare', zoneId: '', rulesets: [] },
      {
        ...{ provider: 'cloudflare', zoneId: '', rulesets: [] },
      },
    ),
    ...{ id: 'purge-cdn', before: null, params: { hosts: names } },
  });
  const sizes = async () => (await server.purges()).map(({ items }) => items.length);

  it('asks for all hosts in batches of thirty, or of what the site says', async () => {
    expect(await activities().purgeCdn(input(purgeChange(hosts)))).toEqual({ hosts, requests: 3 });
    expect(await sizes()).toEqual([30, 30, 5]);
    site = { ...site, cdn: { ...site.cdn!, purgeBatch: 50 } };
    await activities().purgeCdn(input(purgeChange(hosts)));
    expect((await sizes()).slice(3)).toEqual([50, 15]);
    expect((await server.purges()).flatMap(({ items }) => items)).toEqual([...hosts, ...hosts]);
  });

  it('says when the provider wants to be asked again, and goes on where it was', async () => {
    await server.faults([
      { method: 'POST', times: 1, what: { kind: 'delay', ms: 1 } },
      { method: 'POST', times: 1, what: { kind: 'answer', status: 429, retryAfterSeconds: 12 } },
    ]);
    const first = new MockActivityEnvironment();
    const beats: unknown[] = [];
    first.on('heartbeat', (details) => beats.push(details));
    const purging = (given: ReturnType<typeof input>) => activities().purgeCdn(given);
    const error: unknown = await first
      .run(purging, input(purgeChange(hosts)))
      .catch((thrown: unknown) => thrown);
    expect(failureTypeOf(error)).toBe('RateLimited');
    expect(error).toMatchObject({ nextRetryDelay: 12_000, nonRetryable: false });
    expect(beats.at(-1)).toEqual({ purged: 30 });
    expect(await sizes()).toEqual([30]);

    const second = new MockActivityEnvironment({ heartbeatDetails: beats.at(-1) });
    await second.run(purging, input(purgeChange(hosts)));
    expect(await sizes()).toEqual([30, 30, 5]);
    expect((await server.purges()).flatMap(({ items }) => items)).toEqual(hosts);
  });

  it('refuses host names that are none', async () => {
    const change = { ...purgeChange([]), params: { hosts: [1] } };
    expect(await failureOf(activities().purgeCdn(input(change)))).toBe('InvalidInput');
    expect(await failureOf(activities().purgeCdn(input(purgeChange([]))))).toBe('InvalidInput');
  });
});

describe('the time to wait', () => {
  const now = Date.parse('2026-11-23T10:00:00Z');
  it.each([
    ['12', 12_000],
    ['0', 1_000],
    ['Mon, 23 Nov 2026 10:01:00 GMT', 60_000],
    ['Mon, 23 Nov 2026 09:00:00 GMT', 1_000],
    ['86400', 600_000],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('of %j is %j ms', (header, ms) => {
    expect(retryAfter(header, now)).toBe(ms);
  });
});
