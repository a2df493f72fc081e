import { ApplicationFailure } from '@temporalio/common';
import type { FailureType } from '../domain/failures.ts';
import { failures } from '../domain/failures.ts';

/**
 * An `ApplicationFailure` of the table in src/domain/failures.ts, which says whether Temporal tries again and what a
 * person should do. The message says what happened and to what.
 *
 * The original error is not attached as `cause`: client libraries put requests, and with them credentials, into theirs.
 *
 * @param options.retryAfterMs when the other side said how long to wait; instead of the retry profile's interval.
 */
export function failure(
  type: FailureType,
  message: string,
  { retryAfterMs, details }: { retryAfterMs?: number; details?: object[] } = {},
): ApplicationFailure {
  const nonRetryable = !failures[type].retryable;
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable,
    nextRetryDelay: retryAfterMs,
    ...(details !== undefined && { details }),
  });
}

/** The failure type of an error thrown by an activity, or null when it is none of the table. */
export function failureTypeOf(error: unknown): FailureType | null {
  return error instanceof ApplicationFailure && error.type && error.type in failures
    ? (error.type as FailureType)
    : null;
}

const networkErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
]);

const tlsErrors =
  /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** The `code` of an error or of the errors that caused it: `ECONNREFUSED`, `ERR_TLS_CERT_ALTNAME_INVALID`, … */
export function errorCode(error: unknown): string | null {
  for (let seen = error, depth = 0; seen instanceof Error && depth < 5; depth += 1) {
    const { code } = seen as { code?: unknown };
    if (typeof code === 'string') return code;
    seen = seen instanceof AggregateError ? seen.errors[0] : seen.cause;
  }
  return null;
}

/** Whether the other side's certificate was refused: untrusted issuer, wrong name, expired. */
export function isTlsError(error: unknown): boolean {
  const code = errorCode(error);
  return code !== null && tlsErrors.test(code);
}

/** Whether an error says that the other side cannot be reached now. */
export function isNetworkError(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== null) return networkErrors.has(code);
  return error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
}

/** Maps connection errors: TlsRejected, Unavailable; anything else comes back as it is. `what` names the other side. */
export function connectionFailure(error: unknown, what: string): unknown {
  if (failureTypeOf(error) !== null) return error;
  if (isTlsError(error)) return failure('TlsRejected', `${what}: ${errorCode(error)}`);
  if (isNetworkError(error)) {
    return failure('Unavailable', `${what}: ${errorCode(error) ?? 'no answer in time'}`);
  }
  return error;
}
