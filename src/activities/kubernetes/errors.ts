import { ApiException } from '@kubernetes/client-node';
import { ApplicationFailure } from '@temporalio/common';
import { failure } from '../failure.ts';

/** HTTP status of an error of the Kubernetes client, or null when the server gave no answer at all. */
export function statusCode(error: unknown): number | null {
  return error instanceof ApiException ? error.code : null;
}

/** True when the API server said that the thing does not exist. */
export function isNotFound(error: unknown): boolean {
  return statusCode(error) === 404;
}

/** The API server's own sentence; its `Status` body carries one. Never the headers. */
function serverMessage(error: unknown): string {
  if (!(error instanceof ApiException)) {
    return error instanceof Error ? error.message : String(error);
  }
  let body: unknown = error.body;
  if (typeof body === 'string') {
    try {
      body = JSON.parse(body);
    } catch {
      return `HTTP ${error.code}`;
    }
  }
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : `HTTP ${error.code}`;
}

/**
 * Turns an error of the Kubernetes client into a failure of the table.
 *
 * @param verb Kubernetes verb that was tried (`get`, `patch`, `create`, …): RBAC speaks in these.
 * @param target what it was tried on: `deployments acme/wordpress`.
 */
export function kubernetesFailure(
  error: unknown,
  verb: string,
  target: string,
): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const what = `${verb} ${target}: ${serverMessage(error)}`;
  // The original error stays out of `cause`: its message quotes response headers and bodies in full.
  switch (statusCode(error)) {
    case 401:
      return failure(
        'Unauthorized',
        `Kubernetes does not accept the worker's credentials: ${what}`,
      );
    case 403:
      return failure('Forbidden', `The worker may not ${what}`);
    case 404:
      return failure('NotFound', what);
    case 400:
    case 422:
      return failure('InvalidInput', `Kubernetes refuses ${what}`);
    case 409:
      return failure('Conflict', what);
    case 429:
      return failure('RateLimited', what);
    default:
      return failure('Unavailable', what);
  }
}

/** Runs one call to the API server and turns its error into a failure that names verb and target. */
export async function calling<T>(verb: string, target: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw kubernetesFailure(error, verb, target);
  }
}

/** As `calling`, but null when the thing does not exist. */
export async function callingOrNull<T>(
  verb: string,
  target: string,
  call: () => Promise<T>,
): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (isNotFound(error)) return null;
    throw kubernetesFailure(error, verb, target);
  }
}
