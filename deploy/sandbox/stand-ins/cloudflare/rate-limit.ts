import { ApiError } from './api-error.ts';

/** A bucket of tokens that fills again at a constant rate. */
export interface BucketLimit {
  /** Tokens that it holds when it is full. */
  size: number;
  perSecond: number;
}

/** Purge requests of an account by plan, as published. */
export const purgeLimits = {
  free: { size: 25, perSecond: 5 / 60 },
  pro: { size: 25, perSecond: 5 },
  business: { size: 50, perSecond: 10 },
  enterprise: { size: 500, perSecond: 50 },
} as const satisfies Record<string, BucketLimit>;

export type Plan = keyof typeof purgeLimits;

export class TokenBucket {
  readonly #limit: BucketLimit;
  #tokens: number;
  #filledAtMs: number;

  constructor(limit: BucketLimit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.size;
    this.#filledAtMs = nowMs;
  }

  /** Takes one token. Without one, returns the seconds, rounded up, until there is one; null when it was there. */
  take(nowMs: number): number | null {
    const { size, perSecond } = this.#limit;
    const grown = ((nowMs - this.#filledAtMs) / 1000) * perSecond;
    this.#tokens = Math.min(size, this.#tokens + grown);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return Math.max(1, Math.ceil((1 - this.#tokens) / perSecond));
    this.#tokens -= 1;
    return null;
  }
}

/** Requests that one token may make in a window; beyond it every call is refused for a whole window. */
export interface WindowLimit {
  requests: number;
  windowMs: number;
}

export const publishedLimit: WindowLimit = { requests: 1_200, windowMs: 5 * 60_000 };

export class RequestWindow {
  readonly #limit: WindowLimit;
  readonly #windows = new Map<string, { endsMs: number; used: number }>();

  constructor(limit: WindowLimit) {
    this.#limit = limit;
  }

  /** Counts a request. Returns the headers of every answer; throws the 429 of a request too many. */
  take(token: string, nowMs: number): Record<string, string> {
    const { requests, windowMs } = this.#limit;
    let window = this.#windows.get(token);
    if (!window || window.endsMs <= nowMs) window = { endsMs: nowMs + windowMs, used: 0 };
    this.#windows.set(token, window);
    window.used += 1;
    const blocked = window.used > requests;
    if (blocked && window.used === requests + 1) window.endsMs = nowMs + windowMs;
    const seconds = Math.ceil((window.endsMs - nowMs) / 1000);
    const headers = {
      ratelimit: `"default";r=${Math.max(0, requests - window.used)};t=${seconds}`,
      'ratelimit-policy': `"default";q=${requests};w=${windowMs / 1000}`,
    };
    if (!blocked) return headers;
    const message = 'Please wait and consider throttling your request speed';
    throw new ApiError(429, [{ code: 971, message }], { ...headers, 'retry-after': `${seconds}` });
  }
}
