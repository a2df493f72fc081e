/**
 * A stand-in for DigitalOcean's API, in front of the sandbox's real database and object storage. Every request and every
 * answer is checked against the published specification: a request that breaks it gets the documented error, an answer
 * that does is a mistake of the stand-in, is logged and turned into a 500 that says so.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBody, sameSecret, send } from '../http.ts';
import { ApiError, notFound } from './api-error.ts';
import type { Control, Fault } from './faults.ts';
import {
  betweenPage,
  controlAnswer,
  controlPath,
  faultError,
  faultHeaders,
  Faults,
  goesWrong,
} from './faults.ts';
import type { Limits } from './rate-limit.ts';
import { publishedLimits, RateLimiter } from './rate-limit.ts';
import type { Answer, CheckedRequest, Operation, RequestProblem } from './specification.ts';
import { loadSpecification } from './specification.ts';

export interface HandlerRequest extends CheckedRequest {
  /** The request's address, for links to other pages. */
  url: URL;
}

/** By operation id. */
export type Handlers = Record<
  string,
  (request: HandlerRequest) => Promise<{ status: number; body?: unknown }>
>;

export interface StandInOptions {
  /** The one token that is accepted. */
  token: string;
  handlers: Handlers;
  limits?: Limits;
  /** What the control endpoint can do besides faults and limits. */
  control?: Pick<Control, 'takeBackup' | 'addShare'>;
  now?: () => Date;
  /** One line for each request, without secrets, and one for each mistake of the stand-in. */
  log?: (line: string) => void;
}

/** The server, and the answers that broke the specification since it began. */
export interface StandIn {
  server: Server;
  violations: readonly string[];
  faults: Faults;
}

/** The connection is to be broken instead of an answer. */
class Disconnect extends Error {
  override name = 'Disconnect';
}

/** Says whether the stand-in runs and has made no mistake; no part of the API. */
export const healthPath = '/healthz';

/** Makes the server. Throws when an operation of the specification has no handler, or the other way round. */
export function createStandIn({
  token,
  handlers,
  limits = publishedLimits,
  control: extraControl,
  now = () => new Date(),
  log = () => undefined,
}: StandInOptions): StandIn {
  const specification = loadSpecification();
  const ids = specification.operations.map(({ id }) => id).sort();
  const handled = Object.keys(handlers).sort();
  if (ids.join() !== handled.join()) {
    throw new Error(`Operations ${ids.join()} are specified, but ${handled.join()} are handled`);
  }
  const limiter = new RateLimiter(limits);
  const violations: string[] = [];
  const faults = new Faults();
  const control: Control = {
    ...extraControl,
    operations: ids,
    faults,
    limits: { get: () => limiter.limits, set: (changed) => void (limiter.limits = changed) },
  };

  /** Goes wrong as a fault asks for, with the headers that it names; answers only with what is no part of the API. */
  function fail(fault: Fault, headers: Record<string, string>): Answer & { html?: string } {
    if (fault.disconnect) throw new Disconnect();
    Object.assign(headers, faultHeaders(fault, now()));
    if (!fault.notJson) throw faultError(fault);
    return { status: fault.status ?? 502, headers, html: betweenPage };
  }

  async function answer(
    request: IncomingMessage,
    url: URL,
    requestId: string,
  ): Promise<Answer & { html?: string }> {
    const given = bearerToken(request);
    const who = given ?? `anonymous ${request.socket.remoteAddress}`;
    const quota = limiter.take(who, now().getTime());
    const headers: Record<string, string> = {
      'x-request-id': requestId,
      'ratelimit-limit': String(quota.limit),
      'ratelimit-remaining': String(quota.remaining),
      'ratelimit-reset': String(quota.resetSeconds),
    };
    const matched = specification.match(request.method ?? 'GET', url.pathname);
    let result: { status: number; body?: unknown };
    try {
      if (given === undefined || !sameSecret(given, token)) {
        throw new ApiError(401, 'unauthorized', 'Unable to authenticate you.');
      }
      if (!quota.allowed) {
        const { retryAfterSeconds } = quota;
        if (retryAfterSeconds !== null) headers['retry-after'] = String(retryAfterSeconds);
        throw new ApiError(429, 'too_many_requests', 'API rate limit exceeded.');
      }
      if (!matched) throw notFound();
      const { operation, path } = matched;
      const fault = faults.take(operation.id);
      if (fault?.delayMs) await sleep(fault.delayMs);
      if (fault && goesWrong(fault) && !fault.after) return fail(fault, headers);
      const query = Object.fromEntries(url.searchParams);
      const checked: HandlerRequest = { path, query, url, body: await jsonBody(request) };
      refuseProblems(operation, operation.checkRequest(checked));
      result = await handlers[operation.id]!(checked);
      if (fault && goesWrong(fault)) return fail(fault, headers);
    } catch (error) {
      if (error instanceof Disconnect) throw error;
      result = errorAnswer(error, requestId, log);
    }
    const problems = matched?.operation.checkAnswer({ ...result, headers }) ?? [];
    if (problems.length === 0) return { ...result, headers };
    const violation = `${request.method} ${url.pathname} ${result.status}: ${problems.join('; ')}`;
    violations.push(violation);
    log(`BROKEN ANSWER ${violation}`);
    const message = `The stand-in's answer breaks the specification: ${problems.join('; ')}`;
    const body = { id: 'stand_in_mistake', message, request_id: requestId };
    return { status: 500, headers, body };
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
    if (url.pathname === healthPath) {
      send(response, violations.length === 0 ? 200 : 500, { violations });
      return;
    }
    if (url.pathname.startsWith(controlPath)) {
      const answered = await controlAnswer(control, request, url.pathname);
      send(response, answered?.status ?? 404, answered?.body);
      return;
    }
    const requestId = randomUUID();
    const { status, body, headers, html } = await answer(request, url, requestId);
    log(`${request.method} ${url.pathname} ${status} ${requestId}`);
    if (html === undefined) send(response, status, body, headers);
    else response.writeHead(status, { ...headers, 'content-type': 'text/html' }).end(html);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      log(`FAILED ${String(error)}`);
      response.destroy();
    });
  });
  return { server, violations, faults };
}

function bearerToken(request: IncomingMessage): string | undefined {
  return /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

/** The body as JSON; undefined without one. */
async function jsonBody(request: IncomingMessage): Promise<unknown> {
  const text = await readBody(request);
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ApiError(400, 'bad_request', 'The request body is not JSON.');
  }
}

/** Throws the documented error for a request that does not fit; of several problems, for the first. */
function refuseProblems(operation: Operation, problems: readonly RequestProblem[]): void {
  const [problem] = problems;
  if (!problem) return;
  // No resource can have an identifier of another form.
  if (problem.in === 'path') throw notFound();
  const message = `${problem.in}: ${problem.message}`;
  if (operation.documents(400)) throw new ApiError(400, 'bad_request', message);
  throw new ApiError(422, 'unprocessable_entity', message);
}

function errorAnswer(
  error: unknown,
  requestId: string,
  log: (line: string) => void,
): { status: number; body: unknown } {
  if (error instanceof ApiError) {
    const { status, id, message } = error;
    return { status, body: { id, message, request_id: requestId } };
  }
  log(`ERROR ${requestId} ${error instanceof Error ? error.message : String(error)}`);
  const message = 'Unexpected server-side error';
  return { status: 500, body: { id: 'server_error', message, request_id: requestId } };
}
