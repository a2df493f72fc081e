import type { FailureType } from '../../domain/failures.ts';
import { connectionFailure, failure } from '../failure.ts';

/** Status of an answer that the client threw as an error; null when there was no answer. */
export function statusOf(error: unknown): number | null {
  const { responseStatusCode } = (error ?? {}) as { responseStatusCode?: unknown };
  return typeof responseStatusCode === 'number' ? responseStatusCode : null;
}

/**
 * An error answer that is no JSON document, as a proxy or load balancer sends. It is told apart because its status says
 * nothing about the resource: a 404 of something in between does not mean that a database is gone.
 */
export class NotFromTheApi extends Error {
  override name = 'NotFromTheApi';
  readonly responseStatusCode: number;
  readonly responseHeaders: Record<string, string>;

  constructor(status: number, headers: Headers) {
    super('the answer is no JSON document: it comes from something in between');
    this.responseStatusCode = status;
    this.responseHeaders = Object.fromEntries(headers);
  }
}

/**
 * What an answer must hold. One that lacks it was cut short or came from something in between: what is missing must never
 * pass for what is empty, for a database without trusted sources is open to everybody.
 *
 * @throws Unavailable
 */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value !== null && value !== undefined) return value;
  throw failure('Unavailable', `DigitalOcean: the answer holds no ${what}`);
}

/** Longest wait that an answer may ask for: that of the hourly limit. A larger one is a mistake of the other side. */
const longestWaitMs = 3_600_000;

function header(error: unknown, name: string): string {
  const { responseHeaders } = (error ?? {}) as { responseHeaders?: unknown };
  const headers = Object.entries((responseHeaders ?? {}) as Record<string, unknown>);
  const value = headers.find(([key]) => key.toLowerCase() === name)?.[1];
  // The client splits values at commas, which a date has too.
  if (Array.isArray(value)) return value.join().trim();
  return typeof value === 'string' ? value.trim() : '';
}

/**
 * How long an answer asks to wait, in milliseconds from now; null when it does not say. `retry-after` (seconds, or a date)
 * comes with the limit of a minute alone; when the hour's requests are used up, `ratelimit-reset` says when the oldest of
 * them expires (seconds since 1970).
 */
export function waitMs(error: unknown, nowMs: number): number | null {
  const after = header(error, 'retry-after');
  const reset = statusOf(error) === 429 ? header(error, 'ratelimit-reset') : '';
  const isNumber = (text: string): boolean => /^\d+$/.test(text);
  let ms: number;
  if (after !== '') ms = isNumber(after) ? Number(after) * 1000 : Date.parse(after) - nowMs;
  else ms = isNumber(reset) ? Number(reset) * 1000 - nowMs : NaN;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestWaitMs) : null;
}

const byStatus: Readonly<Record<number, FailureType>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  429: 'RateLimited',
};

/** Statuses that mean the same whoever sends them. */
const fromAnybody: ReadonlySet<number> = new Set([401, 403, 429]);

function typeOf(status: number, error: unknown): FailureType {
  if (error instanceof NotFromTheApi && !fromAnybody.has(status)) return 'Unavailable';
  return byStatus[status] ?? (status >= 400 && status < 500 ? 'InvalidInput' : 'Unavailable');
}

/**
 * Maps what the client throws to a failure of the table. The API's own message is kept, for it names no credentials, and
 * so is the wait that a 429 or 503 asks for: Temporal tries again after it.
 */
export function apiFailure(error: unknown, what: string): Error {
  const status = statusOf(error);
  if (status === null) {
    const mapped = connectionFailure(error, what);
    if (mapped instanceof Error && mapped !== error) return mapped;
    return failure('Unavailable', `${what}: the request failed`);
  }
  const { messageEscaped, message } = error as { messageEscaped?: string; message?: string };
  // The client keeps the API's sentence apart from the error's own.
  const said = messageEscaped || message;
  const text = `${what}: status ${status}${said ? `, ${said.slice(0, 200)}` : ''}`;
  const type = typeOf(status, error);
  const wait = type === 'RateLimited' || status === 503 ? waitMs(error, Date.now()) : null;
  return failure(type, text, wait === null ? {} : { retryAfterMs: wait });
}
