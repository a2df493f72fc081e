/**
 * Faults on demand, for tests of what a client does then. They are set over HTTP beside the API (`/control/faults`), and
 * are gone when the stand-in ends.
 */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { readBody } from '../http.ts';
import { ApiError } from './api-error.ts';
import type { Limits } from './rate-limit.ts';

/** One thing that is to go wrong. */ export const faultSchema = z
  .strictObject({
    /** Operation id of the specification; every operation when absent. */
    operation: z.string().optional(),
    /** Answer with this status and its documented body instead. */
    status: z.int().min(200).max(599).optional(),
    /** Header `retry-after` of that answer. */
    retryAfterSeconds: z.int().min(0).optional(),
    /** The hour's requests are used up, as the headers of that answer say: none remains before so many seconds. */
    resetAfterSeconds: z.int().min(0).optional(),
    /** An HTML page instead of the documented body, as something between client and API sends it. */
    notJson: z.boolean().optional(),
    /** Break the connection instead of answering. */
    disconnect: z.boolean().optional(),
    /** Wait before anything else. */
    delayMs: z.int().min(1).optional(),
    /** Do what was asked first, and only then go wrong: the answer is lost. */
    after: z.boolean().optional(),
    /** How often; for ever when absent. */
    times: z.int().min(1).optional(),
  })
  .refine(({ status, notJson }) => notJson || status === undefined || status >= 400, {
    message: 'an error from 400 on; other statuses are for notJson alone',
    path: ['status'],
  });

/** One thing that is to go wrong. */
export type Fault = z.infer<typeof faultSchema>;

const limit = z.int().min(1);

const faultsSchema = z.strictObject({
  faults: z.array(faultSchema).default([]),
  limits: z.strictObject({ perHour: limit, perMinute: limit }).optional(),
});

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

/** Whether the fault is more than a delay. */
export function goesWrong({ status, notJson, disconnect }: Fault): boolean {
  return status !== undefined || notJson === true || disconnect === true;
}

/** What stands between client and API answers so. */
export const betweenPage =
  '<!doctype html><title>Attention required</title><p>This page is of no API.</p>';

/** Headers that a fault's answer has besides the usual ones. */
export function faultHeaders(fault: Fault, now: Date): Record<string, string> {
  const { retryAfterSeconds: after, resetAfterSeconds: reset } = fault;
  const resetAt = Math.floor(now.getTime() / 1000) + (reset ?? 0);
  return {
    ...(after === undefined ? {} : { 'retry-after': String(after) }),
    ...(reset === undefined
      ? {}
      : { 'ratelimit-remaining': '0', 'ratelimit-reset': String(resetAt) }),
  };
}

/** The error that a fault asks for. */
export function faultError({ status = 500 }: Fault): ApiError {
  const [id, message] = documented[status] ?? ['error', 'This is an error on demand.'];
  return new ApiError(status, id, message);
}

/** What can be set beside the API. */
export interface Control {
  /** Operation ids that there are. */
  operations: readonly string[];
  faults: Faults;
  limits: { get(): Limits; set(limits: Limits): void };
  /** Takes a backup of a cluster now; answers when it is there. */
  takeBackup?(clusterName: string): Promise<unknown>;
  /** Makes an NFS share of a folder of this machine. */
  addShare?(share: { name: string; region: string; folder: string }): Promise<unknown>;
}

const refused = (message: string) => ({ status: 400, body: { message } });

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
      // A fault that never fires would let a test pass that proves nothing.
      const given = faultsSchema.safeParse(await body());
      if (!given.success) return refused(z.prettifyError(given.error));
      const unknown = given.data.faults
        .map(({ operation }) => operation)
        .filter((id) => id !== undefined && !control.operations.includes(id));
      if (unknown.length > 0) return refused(`There is no operation ${unknown.join(', ')}`);
      faults.set(given.data.faults);
      if (given.data.limits) limits.set(given.data.limits);
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
