import type { FailureType } from '../../domain/failures.ts';
import { connectionFailure, failure } from '../failure.ts';

/** Status of an answer that the client threw as an error; null when there was no answer. */
export function statusOf(error: unknown): number | null {
  const { responseStatusCode } = (error ?? {}) as { responseStatusCode?: unknown };
  return typeof responseStatusCode === 'number' ? responseStatusCode : null;
}

/** Longest wait that an answer may ask for; a larger one is a mistake of the other side, or a reason to look. */
const longestRetryAfterMs = 3_600_000;

/** What `retry-after` (seconds, or a date) says, in milliseconds from now; null without it. */
export function retryAfterMs(error: unknown, nowMs: number): number | null {
  const { responseHeaders } = (error ?? {}) as { responseHeaders?: unknown };
  const headers = Object.entries((responseHeaders ?? {}) as Record<string, unknown>);
  const value = headers.find(([name]) => name.toLowerCase() === 'retry-after')?.[1];
  const text = String(Array.isArray(value) ? value[0] : (value ?? '')).trim();
  if (text === '') return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestRetryAfterMs) : null;
}

const byStatus: Readonly<Record<number, FailureType>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  429: 'RateLimited',
};

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
  const type = byStatus[status] ?? (status < 500 ? 'InvalidInput' : 'Unavailable');
  const wait = type === 'RateLimited' || status === 503 ? retryAfterMs(error, Date.now()) : null;
  return failure(type, text, wait === null ? {} : { retryAfterMs: wait });
}
