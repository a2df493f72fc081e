/**
 * Faults on demand, for tests of what a client does then. They are set over HTTP beside the API (`/control/faults`), and
 * are gone when the stand-in ends.
 */
import type { IncomingMessage } from 'node:http';
import { readBody } from '../http.ts';
import { ApiError } from './api-error.ts';
import type { Limits } from './rate-limit.ts';

/** One thing that is to go wrong. */
export interface Fault {
  /** Operation id of the specification; every operation when absent. */
  operation?: string;
  /** Answer with this status and its documented body instead; 401, 404, 429, 500 or any other from 400 to 599. */
  status?: number;
  /** Header `retry-after` of that answer. */
  retryAfterSeconds?: number;
  /** Break the connection instead of answering. */
  disconnect?: boolean;
  /** Wait before anything else. */
  delayMs?: number;
  /** Do what was asked first, and only then go wrong: the answer is lost. */
  after?: boolean;
  /** How often; for ever when absent. */
  times?: number;
}

const documented: Readonly<Record<number, [id: string, message: string]>> = {
  400: ['bad_request', 'The request is invalid.'],
  401: ['unauthorized', 'Unable to authenticate you.'],
  403: ['forbidden', 'You are not authorized to perform this operation.'],
  404: ['not_found', 'The resource you requested could not be found.'],
  409: ['conflict', 'The request conflicts with another one.'],
  422: ['unprocessable_entity', 'The request cannot be processed.'],
  429: ['too_many_requests', 'API rate limit exceeded.'],
  500: ['server_error', 'Unexpected server-side error'],
  503: ['service_unavailable', 'The service is not available.'],
};

/** The faults that are set now. */
export class Faults {
  #faults: Fault[] = [];

  get all(): readonly Fault[] {
    return this.#faults;
  }

  set(faults: readonly Fault[]): void {
    this.#faults = faults.map((fault) => ({ ...fault }));
  }

  /** The fault for this call, counted. */
  take(operation: string): Fault | undefined {
    const fault = this.#faults.find(
      (each) => each.operation === undefined || each.operation === operation,
    );
    if (fault?.times !== undefined) {
      fault.times -= 1;
      if (fault.times <= 0) this.#faults = this.#faults.filter((each) => each !== fault);
    }
    return fault;
  }
}

/** The error that a fault asks for. */
export function faultError({ status = 500 }: Fault): ApiError {
  const [id, message] = documented[status] ?? ['error', 'This is an error on demand.'];
  return new ApiError(status, id, message);
}

/** What can be set beside the API. */
export interface Control {
  faults: Faults;
  limits: { get(): Limits; set(limits: Limits): void };
  /** Takes a backup of a cluster now; answers when it is there. */
  takeBackup?(clusterName: string): Promise<unknown>;
  /** Makes an NFS share of a folder of this machine. */
  addShare?(share: { name: string; region: string; folder: string }): Promise<unknown>;
}

export const controlPath = '/control/';

/** Answers a request below `/control/`; undefined when there is no such one. */
export async function controlAnswer(
  control: Control,
  request: IncomingMessage,
  path: string,
): Promise<{ status: number; body?: unknown } | undefined> {
  const what = `${request.method} ${path.slice(controlPath.length)}`;
  const body = async (): Promise<Record<string, unknown>> =>
    JSON.parse((await readBody(request)) || '{}') as Record<string, unknown>;
  const { faults, limits } = control;
  switch (what) {
    case 'GET faults':
      return { status: 200, body: { faults: faults.all, limits: limits.get() } };
    case 'PUT faults': {
      const given = await body();
      faults.set((given['faults'] as Fault[] | undefined) ?? []);
      if (given['limits']) limits.set(given['limits'] as Limits);
      return { status: 200, body: { faults: faults.all, limits: limits.get() } };
    }
    case 'POST backups':
      return { status: 201, body: await control.takeBackup?.(String((await body())['cluster'])) };
    case 'POST nfs': {
      const { name, region, folder } = await body();
      const share = { name: String(name), region: String(region), folder: String(folder) };
      return { status: 201, body: await control.addShare?.(share) };
    }
    default:
      return undefined;
  }
}
