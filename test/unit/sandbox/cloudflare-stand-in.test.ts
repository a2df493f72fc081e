import Cloudflare from 'cloudflare';
import type { PhaseGetResponse } from 'cloudflare/resources/rulesets/phases';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  editToken,
  readToken,
  startCloudflare,
  testZoneId as zone_id,
  uselessToken,
  type CloudflareServer,
} from '../../support/cloudflare.ts';

/**
 * The stand-in for Cloudflare's API, asked by the official client: what is published about rulesets, purging, limits and
 * errors. What the edge does with rules is not here.
 */

const cachePhase = 'http_request_cache_settings';
const bypass = {
  ref: 'bypass',
  expression: '(http.cookie contains "wordpress_logged_in_")',
  action: 'set_cache_settings' as const,
  action_parameters: { cache: false },
};
const keep = {
  ref: 'keep',
  expression: '(http.host eq "acme.example")',
  action: 'set_cache_settings' as const,
  action_parameters: {
    cache: true,
    edge_ttl: {
      mode: 'override_origin' as const,
      default: 3600,
      status_code_ttl: [{ status_code_range: { from: 500, to: 599 }, value: -1 }],
    },
  },
};

let server: CloudflareServer;
let client: Cloudflare;
let nowMs = Date.parse('2026-11-23T10:00:00Z');

beforeAll(async () => {
  server = await startCloudflare({ now: () => new Date(nowMs), plan: 'free' });
  client = server.client();
});
afterAll(() => server.close());
beforeEach(() => {
  // Every test finds its bucket and its window full.
  nowMs += 10 * 60_000;
});
afterEach(() => server.faults([]));

/** Status and error codes of a refusal. */
async function refusalOf(promise: PromiseLike<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof Cloudflare.APIError)) throw error;
    return [error.status, ...error.errors.map(({ code }) => code)].join(' ');
  }
  return 'no refusal';
}

const put = (rules: object[], phase: typeof cachePhase = cachePhase) =>
  client.rulesets.phases.update(phase, {
    zone_id,
    rules: rules,
  }) as PromiseLike<PhaseGetResponse>;

describe('the rulesets of a zone', () => {
  test('a phase without rules has no ruleset', async () => {
    const phase = 'http_request_dynamic_redirect';
    expect(await refusalOf(client.rulesets.phases.get(phase, { zone_id }))).toBe('404 10003');
    const versions = client.rulesets.phases.versions.list(phase, { zone_id });
    expect(await refusalOf(versions)).toBe('404 10003');
  });

  test('an update replaces every rule and makes a new version; the old one stays', async () => {
    const first = await put([keep, bypass]);
    const second = await put([bypass]);
    expect(Number(second.version)).toBe(Number(first.version) + 1);
    expect(second.id).toBe(first.id);
    expect(second.rules.map(({ ref }) => ref)).toEqual(['bypass']);
    expect(await client.rulesets.phases.get(cachePhase, { zone_id })).toEqual(second);
    const old = await client.rulesets.phases.versions.get(first.version, {
      ruleset_phase: cachePhase,
      zone_id,
    });
    expect(old).toEqual(first);
    const listed = await client.rulesets.phases.versions.list(cachePhase, { zone_id });
    expect(listed.result.map(({ version }) => version)).toEqual(
      expect.arrayContaining([first.version, second.version]),
    );
    expect(listed.result[0]).not.toHaveProperty('rules');
    const absent = { ruleset_phase: cachePhase, zone_id } as const;
    expect(await refusalOf(client.rulesets.phases.versions.get('999', absent))).toBe('404 10001');
  });

  test('a rule keeps its id by its reference, and counts its own changes', async () => {
    const [before] = (await put([keep, bypass])).rules;
    const changed = { ...keep, description: 'longer', ref: 'keep' };
    const [bypassed, after] = (await put([bypass, changed])).rules;
    expect(after).toMatchObject({ id: before!.id, version: String(Number(before!.version) + 1) });
    const [unchanged] = (await put([bypass])).rules;
    expect(unchanged).toEqual(bypassed);
    const [again] = (await put([keep])).rules;
    expect(again!.id).not.toBe(before!.id);
    expect(again).toMatchObject({ ref: 'keep', version: '1', enabled: true });
  });

  test('a rule without a reference takes its id for one', async () => {
    const [rule] = (await put([{ ...keep, ref: undefined }])).rules;
    expect(rule!.ref).toBe(rule!.id);
    const [kept] = (await put([{ ...keep, ref: undefined, id: rule!.id }])).rules;
    expect(kept).toEqual(rule);
  });

  test('a ruleset that is deleted takes all its versions along', async () => {
    const first = await put([keep]);
    await put([bypass]);
    await client.rulesets.delete(first.id, { zone_id });
    expect(await refusalOf(client.rulesets.phases.get(cachePhase, { zone_id }))).toBe('404 10003');
    const old = { ruleset_phase: cachePhase, zone_id } as const;
    expect(await refusalOf(client.rulesets.phases.versions.get(first.version, old))).toBe(
      '404 10003',
    );
    expect(await refusalOf(client.rulesets.delete(first.id, { zone_id }))).toBe('404 10001');
    const next = await put([keep]);
    expect(next).toMatchObject({ version: '1' });
    expect(next.id).not.toBe(first.id);
  });

  test('a fault that is mistyped is refused', async () => {
    const mistyped = [{ what: { kind: 'drop-answers' } }] as never;
    await expect(server.faults(mistyped)).rejects.toThrow(/drop-answer/);
    await expect(
      server.faults([{ path: 'no/such/route', what: { kind: 'drop-answer' } }]),
    ).rejects.toThrow(/no\/such\/route/);
  });

  test('a dry run changes nothing', async () => {
    const before = await put([keep]);
    const answer = await client.rulesets.phases.update(cachePhase, {
      ...{ zone_id, dry_run: true, rules: [] },
    });
    expect(answer).toBeNull();
    expect(await client.rulesets.phases.get(cachePhase, { zone_id })).toEqual(before);
  });

  test('the list has own and managed rulesets without rules, also by pages', async () => {
    await put([keep]);
    const rulesets = [];
    for await (const ruleset of client.rulesets.list({ zone_id })) rulesets.push(ruleset);
    expect(rulesets.map(({ kind }) => kind)).toEqual(['managed', 'zone']);
    expect(rulesets[1]).not.toHaveProperty('rules');
    expect(await client.rulesets.get(rulesets[1]!.id, { zone_id })).toMatchObject({
      phase: cachePhase,
    });
    const url = `${server.endpoint}/zones/${zone_id}/rulesets?per_page=1`;
    const headers = { authorization: `Bearer ${editToken}` };
    const page = (await (await fetch(url, { headers })).json()) as {
      result: { id: string }[];
      result_info: { cursors: { after: string } };
    };
    const next = `${url}&cursor=${page.result_info.cursors.after}`;
    const last = (await (await fetch(next, { headers })).json()) as typeof page;
    expect([...page.result, ...last.result].map(({ id }) => id)).toEqual(
      rulesets.map(({ id }) => id),
    );
    expect(last.result_info).toBeUndefined();
  });

  test('what was written survives a restart', async () => {
    const before = await put([keep, bypass]);
    await server.restart();
    expect(await client.rulesets.phases.get(cachePhase, { zone_id })).toEqual(before);
    expect(await server.stateText()).not.toContain(editToken);
  });
});

describe('what is refused', () => {
  test.each<[string, object]>([
    ['a field that a rule does not have', { ...keep, version: '3' }],
    ['an action of another phase', { ...keep, action: 'block' }],
    ['no expression', { ...keep, expression: undefined }],
    ['an unclosed bracket', { ...keep, expression: '(http.host eq "a"' }],
    ['an unclosed quote', { ...keep, expression: 'http.host eq "a' }],
    ['no parameters', { ...keep, action_parameters: undefined }],
    ['a parameter that does not exist', { ...keep, action_parameters: { cache: true, ttl: 5 } }],
    [
      'a mode without its time',
      { ...keep, action_parameters: { edge_ttl: { mode: 'override_origin' } } },
    ],
  ])('%s', async (_what, rule) => {
    await put([bypass]);
    expect(await refusalOf(put([bypass, rule]))).toBe('400 20021');
    const live = await client.rulesets.phases.get(cachePhase, { zone_id });
    expect(live.rules.map(({ ref }) => ref)).toEqual(['bypass']);
  });

  test('two rules with one reference', async () => {
    expect(await refusalOf(put([keep, { ...bypass, ref: 'keep' }]))).toBe('400 20021');
  });

  test('a rule id that the ruleset does not have', async () => {
    expect(await refusalOf(put([{ ...keep, id: 'f'.repeat(32) }]))).toBe('400 20022');
  });

  test('a field of the ruleset that is no part of an update', async () => {
    const body = { zone_id, rules: [], kind: 'zone' };
    expect(await refusalOf(client.rulesets.phases.update(cachePhase, body))).toBe('400 20021');
  });

  test('another token, one without the right, another zone, another path', async () => {
    const get = (token: string, zone = zone_id) =>
      refusalOf(server.client(token).rulesets.phases.get(cachePhase, { zone_id: zone }));
    expect(await get('unknown')).toBe('401 10000');
    expect(await get(uselessToken)).toBe('403 10000');
    expect(await get(readToken)).toBe('no refusal');
    const reader = server.client(readToken);
    const written = reader.rulesets.phases.update(cachePhase, { zone_id, rules: [] });
    expect(await refusalOf(written)).toBe('403 10000');
    expect(await get(editToken, 'f'.repeat(32))).toBe('403 9109');
    expect(await get(editToken, 'acme')).toBe('400 7003');
    expect(await refusalOf(client.zones.get({ zone_id }))).toBe('404 7000');
    expect((await fetch(`${server.endpoint}/zones/${zone_id}/rulesets`)).status).toBe(400);
  });

  test('more requests than a window has, until the next window', async () => {
    const limited = await startCloudflare({
      limit: { requests: 3, windowMs: 300_000 },
      now: () => new Date(nowMs),
    });
    try {
      const ask = () => limited.client().rulesets.list({ zone_id }).asResponse();
      const first = await ask();
      expect(first.headers.get('ratelimit')).toBe('"default";r=2;t=300');
      expect(first.headers.get('ratelimit-policy')).toBe('"default";q=3;w=300');
      await ask();
      await ask();
      nowMs += 100_000;
      const error = await ask().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Cloudflare.RateLimitError);
      const { headers, errors } = error as InstanceType<typeof Cloudflare.RateLimitError>;
      expect([headers.get('retry-after'), errors[0]!.code]).toEqual(['300', 971]);
      nowMs += 250_000;
      expect(await refusalOf(ask())).toBe('429 971');
      nowMs += 50_000;
      expect((await ask()).status).toBe(200);
    } finally {
      await limited.close();
    }
  });
});

describe('purging', () => {
  const hosts = (count: number) => Array.from({ length: count }, (_, i) => `h${i}.acme.example`);

  test('is recorded', async () => {
    expect(await client.cache.purge({ zone_id, hosts: ['acme.example'] })).toEqual({ id: zone_id });
    await client.cache.purge({ zone_id, files: ['https://www.acme.example/a.css'] });
    await client.cache.purge({ zone_id, purge_everything: true });
    const [first, second, third] = (await server.purges()).slice(-3);
    expect(first).toMatchObject({ by: 'hosts', items: ['acme.example'], zoneId: zone_id });
    expect(second).toMatchObject({ by: 'files', items: ['https://www.acme.example/a.css'] });
    expect(third).toMatchObject({ by: 'purge_everything', items: [] });
  });

  test.each<[string, object, string]>([
    ['101 hosts', { hosts: hosts(101) }, '400 1101'],
    ['31 URLs', { files: hosts(31).map((host) => `https://${host}/`) }, '400 1094'],
    ['no list', { hosts: 'acme.example' }, '400 1014'],
    ['an empty list', { hosts: [] }, '400 1014'],
    ['two kinds at once', { hosts: hosts(1), tags: ['a'] }, '400 1092'],
    ['nothing', {}, '400 1092'],
    ['a host of another zone', { hosts: ['acme.example.org'] }, '400 1082'],
    ['a field that does not exist', { hosts: hosts(1), everything: true }, '400 1014'],
  ])('refuses %s', async (_what, body, refusal) => {
    const before = await server.purges();
    expect(await refusalOf(client.cache.purge({ zone_id, ...body }))).toBe(refusal);
    expect(await server.purges()).toEqual(before);
  });

  test('takes a hundred hosts', async () => {
    expect(await refusalOf(client.cache.purge({ zone_id, hosts: hosts(100) }))).toBe('no refusal');
  });

  test('empties the bucket of the plan, which fills again', async () => {
    const purge = () => client.cache.purge({ zone_id, hosts: ['acme.example'] });
    for (let count = 0; count < 25; count += 1) await purge();
    const error = await purge().then(undefined, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Cloudflare.RateLimitError);
    const { headers, errors } = error as InstanceType<typeof Cloudflare.RateLimitError>;
    expect([headers.get('retry-after'), errors[0]!.code]).toEqual(['12', 1113]);
    nowMs += 11_000;
    expect(await refusalOf(purge())).toBe('429 1113');
    nowMs += 1_000;
    expect(await refusalOf(purge())).toBe('no refusal');
  });
});

describe('faults', () => {
  const get = () => client.rulesets.phases.get(cachePhase, { zone_id });

  test('hit as many requests as they say, and only those that match', async () => {
    await put([keep]);
    await server.faults([
      { method: 'GET', path: 'entrypoint', times: 2, what: { kind: 'answer', status: 503 } },
    ]);
    expect(await refusalOf(client.rulesets.list({ zone_id }))).toBe('no refusal');
    expect(await refusalOf(get())).toBe('503 10000');
    expect(await refusalOf(get())).toBe('503 10000');
    expect(await refusalOf(get())).toBe('no refusal');
  });

  test('a dropped request does nothing, a dropped answer everything but answer', async () => {
    const { version } = await put([keep]);
    await server.faults([{ method: 'PUT', times: 1, what: { kind: 'drop-request' } }]);
    await expect(put([bypass])).rejects.toThrow(Cloudflare.APIConnectionError);
    expect((await get()).version).toBe(version);
    await server.faults([{ method: 'PUT', times: 1, what: { kind: 'drop-answer' } }]);
    await expect(put([bypass])).rejects.toThrow(Cloudflare.APIConnectionError);
    expect((await get()).version).toBe(String(Number(version) + 1));
  });

  test('an answer of something in between is no JSON', async () => {
    await server.faults([{ times: 1, what: { kind: 'not-json', status: 502 } }]);
    expect(await refusalOf(get())).toBe('502');
  });
});
