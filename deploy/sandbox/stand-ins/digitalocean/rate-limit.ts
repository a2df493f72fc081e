/** How many requests a token may make; DigitalOcean's numbers. */
export interface Limits {
  perHour: number;
  perMinute: number;
}

export const publishedLimits: Limits = { perHour: 5_000, perMinute: 250 };

export interface Quota {
  allowed: boolean;
  limit: number;
  /** Of the hour. */
  remaining: number;
  /** When the oldest request of the window that is nearest its end expires, in seconds since 1970. */
  resetSeconds: number;
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
    const overMinute = lastMinute.length >= this.limits.perMinute;
    const allowed = !overMinute && recent.length < this.limits.perHour;
    if (allowed) recent.push(nowMs);
    this.#requests.set(token, recent);
    const oldest = overMinute ? lastMinute[0]! + minuteMs : (recent[0] ?? nowMs) + hourMs;
    return {
      allowed,
      limit: this.limits.perHour,
      remaining: this.limits.perHour - recent.length,
      resetSeconds: Math.ceil(oldest / 1000),
    };
  }
}
