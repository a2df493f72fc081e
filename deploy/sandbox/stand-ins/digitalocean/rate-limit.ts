/** How many requests a token may make; DigitalOcean's numbers. */
export interface Limits {
  perHour: number;
  perMinute: number;
}

export const publishedLimits: Limits = { perHour: 5_000, perMinute: 250 };

export interface Quota {
  allowed: boolean;
  limit: number;
  /** Of the hour; none while the minute's are used up. */
  remaining: number;
  /** When the oldest request of the hour expires, in seconds since 1970. */
  resetSeconds: number;
  /** How long the minute's limit lasts; null when the refusal, if any, is the hour's, for which only `resetSeconds` tells. */
  retryAfterSeconds: number | null;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Sliding windows of one hour and one minute for each token. A refused request is not counted. */
export class RateLimiter {
  /** May be changed at any time. */
  limits: Limits;
  readonly #requests = new Map<string, number[]>();

  constructor(limits: Limits) {
    this.limits = limits;
  }

  take(token: string, nowMs: number): Quota {
    const recent = (this.#requests.get(token) ?? []).filter((at) => at > nowMs - hourMs);
    const lastMinute = recent.filter((at) => at > nowMs - minuteMs);
    const overHour = recent.length >= this.limits.perHour;
    const overMinute = !overHour && lastMinute.length >= this.limits.perMinute;
    const allowed = !overMinute && !overHour;
    if (allowed) recent.push(nowMs);
    this.#requests.set(token, recent);
    const untilMinuteEnds = (lastMinute[0] ?? nowMs) + minuteMs - nowMs;
    return {
      allowed,
      limit: this.limits.perHour,
      remaining: allowed ? this.limits.perHour - recent.length : 0,
      resetSeconds: Math.ceil(((recent[0] ?? nowMs) + hourMs) / 1000),
      retryAfterSeconds: overMinute ? Math.max(1, Math.ceil(untilMinuteEnds / 1000)) : null,
    };
  }
}
