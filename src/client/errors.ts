import { SiteNameError, SiteNotFoundError } from '../activities/sites/load-site.ts';
import { EnvironmentError } from '../config/environment.ts';
import { grpcCode, grpcCodes } from '../config/grpc.ts';
import { SiteFileError } from '../domain/site/issues.ts';
import { exitCodes, type ExitName } from './exit-codes.ts';

/** An end of a command that a person should read as one clear message, with its exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: ExitName;
  readonly details: FailureDetails | null;

  constructor(
    exit: ExitName,
    message: string,
    { details, ...options }: ErrorOptions & { details?: FailureDetails } = {},
  ) {
    super(message, options);
    this.exit = exit;
    this.details = details ?? null;
  }
}

/** The parts of a workflow's failure: type of src/domain/failures.ts, what happened, what to do next. */
export interface FailureDetails {
  type: string | null;
  message: string;
  advice: string | null;
}

export interface Explanation {
  exit: ExitName;
  message: string;
}

/** Errors of src/config by name: their classes would load the whole worker into the command line. */
const byName: Record<string, ExitName> = {
  TemporalUnreachableError: 'unreachable',
  TemporalSettingsError: 'usage',
  WorkflowBundleMissingError: 'usage',
};

const noWorker =
  'No worker answers. Is one running? `presslift worker` starts one; the work waits until then.';

/** What went wrong, for a person: a message without stack, and the exit code. */
export function explain(error: unknown): Explanation {
  if (error instanceof CommandError) return { exit: error.exit, message: error.message };
  if (
    error instanceof SiteFileError ||
    error instanceof SiteNameError ||
    error instanceof EnvironmentError
  ) {
    return { exit: 'usage', message: error.message };
  }
  if (error instanceof SiteNotFoundError) return { exit: 'notFound', message: error.message };
  if (!(error instanceof Error)) return { exit: 'failed', message: String(error) };
  const detail = firstLine(innermost(error));
  const named = byName[error.name];
  if (named !== undefined) return { exit: named, message: error.message };
  switch (grpcCode(error)) {
    case grpcCodes.deadlineExceeded:
    case grpcCodes.cancelled:
      return { exit: 'unreachable', message: noWorker };
    case grpcCodes.failedPrecondition:
      return /no poller|worker may be down/i.test(detail)
        ? { exit: 'unreachable', message: noWorker }
        : {
            exit: 'failed',
            message: `The workflow cannot go on; the worker's log says why (${detail}).`,
          };
    case grpcCodes.unavailable:
      return { exit: 'unreachable', message: 'Temporal does not answer any more.' };
    case grpcCodes.unauthenticated:
    case grpcCodes.permissionDenied:
      return { exit: 'unreachable', message: `Temporal refuses the credentials: ${detail}` };
    case grpcCodes.notFound:
      return { exit: 'notFound', message: detail };
    default:
      return { exit: 'failed', message: detail };
  }
}

/** What the error that caused all others says; gRPC keeps it in `details`. */
function innermost(error: Error): string {
  const { details } = error as { details?: unknown };
  if (error.cause instanceof Error) return innermost(error.cause);
  return typeof details === 'string' && details !== '' ? details : error.message;
}

const firstLine = (text: string) => text.split('\n')[0] ?? text;

const toStandardError = (text: string) => void process.stderr.write(`${text}\n`);

/** An error as `--json` prints it; `type` and `advice` are null where no workflow has failed. */
export interface ErrorDocument {
  error: FailureDetails & {
    /** The exit code. */
    exit: number;
  };
}

export function errorDocument(exit: ExitName, details: FailureDetails): ErrorDocument {
  const { type, message, advice } = details;
  return { error: { type, message, advice, exit: exitCodes[exit].code } };
}

/**
 * Tells the explanation and returns the exit code.
 *
 * @param document takes the error as JSON besides, where that was asked for.
 */
export function reportFatal(
  error: unknown,
  tell: (text: string) => void = toStandardError,
  document?: (error: ErrorDocument) => void,
): number {
  const { exit, message } = explain(error);
  tell(`presslift: ${message}`);
  // For a report of a defect; never by default, a stack tells an operator nothing.
  if (process.env.PRESSLIFT_LOG_LEVEL === 'trace' && error instanceof Error)
    tell(error.stack ?? '');
  const details = error instanceof CommandError ? error.details : null;
  document?.(errorDocument(exit, details ?? { type: null, message, advice: null }));
  return exitCodes[exit].code;
}
