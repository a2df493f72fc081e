/** Purging: nothing is cached here, so what was asked for is checked against the published limits and recorded. */
import { z } from 'zod';
import type { JsonFile } from '../json-file.ts';
import { ApiError, refused } from './api-error.ts';
import { purgeLimits, TokenBucket, type Plan } from './rate-limit.ts';
import { unknownZone, type CloudflareState, type Purge } from './rulesets.ts';

const kinds = ['hosts', 'files', 'tags', 'prefixes'] as const;

/** How many a request may name. URLs: 30 on every plan but Enterprise, which older and newer documents agree on. */
function maximumOf(kind: (typeof kinds)[number], plan: Plan): number {
  if (kind !== 'files') return 100;
  return plan === 'enterprise' ? 500 : 30;
}

const item = z.string().min(1).max(1_024);
const bodySchema = z.strictObject({
  hosts: z.array(item).min(1).optional(),
  tags: z.array(item).min(1).optional(),
  prefixes: z.array(item).min(1).optional(),
  files: z
    .array(
      z.union([
        z.url(),
        z.strictObject({ url: z.url(), headers: z.record(z.string(), z.string()).optional() }),
      ]),
    )
    .min(1)
    .optional(),
  purge_everything: z.literal(true).optional(),
});

/** The newest purges that are kept. */
const keptPurges = 1_000;

const limitCodes: Record<Purge['by'], number> = {
  ...{ files: 1083, tags: 1102, hosts: 1113, prefixes: 1125, purge_everything: 1083 },
};

/** Answers purges of all zones; the limit is the account's. */
export function createPurges(
  file: JsonFile<CloudflareState>,
  plan: Plan,
  now: () => Date,
): (zoneId: string, body: unknown) => Promise<{ id: string }> {
  const bucket = new TokenBucket(purgeLimits[plan], now().getTime());

  return async (zoneId, body) => {
    const zone = (await file.read()).zones[zoneId];
    if (!zone) throw unknownZone();
    const { by, items } = checked(body, plan);
    const foreign = items.map(hostOf).find((host) => !isBelow(host, zone.name));
    if ((by === 'hosts' || by === 'files' || by === 'prefixes') && foreign !== undefined) {
      const message = `Unable to purge '${foreign}'. You can only purge files for this zone`;
      throw refused(400, 1082, message);
    }
    const waitSeconds = bucket.take(now().getTime());
    if (waitSeconds !== null) {
      const message = `Unable to purge by ${by}, rate limit reached. Please wait if you need to perform more operations`;
      const entry = { code: limitCodes[by], message };
      throw new ApiError(429, [entry], { 'retry-after': String(waitSeconds) });
    }
    await file.update((state) => {
      state.purges.push({ at: now().toISOString(), zoneId, by, items });
      state.purges.splice(0, Math.max(0, state.purges.length - keptPurges));
    });
    return { id: zoneId };
  };
}

function checked(body: unknown, plan: Plan): { by: Purge['by']; items: unknown[] } {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    const entries = parsed.error.issues.map(({ path, message }) => ({
      ...{ code: 1014, message: `${path.map(String).join('.') || 'body'}: ${message}` },
    }));
    throw new ApiError(400, entries);
  }
  const { purge_everything: everything, ...lists } = parsed.data;
  const given = kinds.filter((kind) => lists[kind] !== undefined);
  if (given.length + (everything ? 1 : 0) !== 1) {
    const message = `Request must contain exactly one of "purge_everything", "files", "tags", "hosts" or "prefixes"`;
    throw refused(400, 1092, message);
  }
  const [by] = given;
  if (!by) return { by: 'purge_everything', items: [] };
  const items = lists[by]!;
  const maximum = maximumOf(by, plan);
  if (items.length > maximum) {
    const message = `Exceeded maximum amount of ${maximum} ${by} that can be purged on a single request`;
    throw refused(400, by === 'files' ? 1094 : 1101, message);
  }
  return { by, items };
}

/** Host name of a URL, of a URL with headers, of a prefix or of itself. */
function hostOf(item: unknown): string {
  const text = typeof item === 'string' ? item : (item as { url: string }).url;
  return text.includes('://') ? new URL(text).hostname : text.split('/')[0]!;
}

function isBelow(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}
