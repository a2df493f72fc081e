import { userInfo } from 'node:os';
import type { Client } from '@temporalio/client';
import type { Tracing } from '../config/tracing.ts';
import type { GateStatus } from '../domain/gate.ts';
import type { OperationStatus } from '../domain/operation.ts';
import { CommandError } from './errors.ts';
import { exitCodes, type ExitName } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** What every command gets: where it talks to, and the environment it was called in. */
export interface CommandContext {
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
  /** How long a connection to Temporal may take; 5 seconds when absent. */
  connectTimeoutMs?: number;
  /** Name of the operating system's user; that of this process when absent. @throws where it has none */
  userName?: () => string;
}

/** Folder of the site files, as the worker has it. */
export const sitesDirOf = ({ env }: CommandContext) => env.PRESSLIFT_SITES_DIR || './sites';

/**
 * Who is speaking: `--as`, PRESSLIFT_APPROVER, or the user of the operating system.
 *
 * @throws CommandError `usage` when none of them is a name
 */
export function speaker(context: CommandContext, as: string | undefined): string {
  const name = as ?? speakerByItself(context);
  if (name === null) {
    throw new CommandError(
      'usage',
      'Who is speaking? The operating system has no name for this user; say --as <name> or set PRESSLIFT_APPROVER.',
    );
  }
  if (name.trim() === '') throw new CommandError('usage', '--as wants the name of a person.');
  return name;
}

/** The same where nothing was said; null for a user id without a name, as containers have. */
export function speakerByItself({ env, userName }: CommandContext): string | null {
  if (env.PRESSLIFT_APPROVER) return env.PRESSLIFT_APPROVER;
  try {
    return userName === undefined ? userInfo().username : userName();
  } catch {
    return null;
  }
}

/** Connects to Temporal for as long as `work` takes. */
export async function withClient<T>(
  { env, connectTimeoutMs }: CommandContext,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  // Loaded here, so that help and completion answer without the Temporal client.
  const { connectClient, temporalSettings } = await import('../config/connect.ts');
  // By itself a signal would end the process without its `exit` event, and a redrawn terminal would stay as it was.
  const interrupt = () => process.exit(exitCodes.interrupted.code);
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const tracing = await tracingOf(env);
    const client = await connectClient(temporalSettings(env), {
      timeoutMs: connectTimeoutMs,
      interceptors: tracing?.client,
    });
    try {
      return await work(client);
    } finally {
      await client.connection.close();
      await tracing?.stop();
    }
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
  }
}

/** How a command about an operation ends, by the operation's state. */
export function exitOfState(state: OperationStatus['state']): ExitName {
  switch (state) {
    case 'waiting-for-approval':
    case 'needs-operator':
    case 'paused':
      return 'waiting';
    case 'rejected':
    case 'expired':
      return 'refused';
    case 'failed':
    case 'undone':
    case 'aborted':
      return 'failed';
    default:
      return 'done';
  }
}

/** The same by the whole status: one that ended well without meeting its criteria has failed. */
export function exitOfStatus({ state, criteria }: OperationStatus): ExitName {
  return state === 'done' && criteria.some(({ pass }) => !pass) ? 'failed' : exitOfState(state);
}

/** A trace begins where a person starts something, so the command line takes part when an endpoint is set. */
async function tracingOf(env: NodeJS.ProcessEnv): Promise<Tracing | null> {
  const traceEndpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!traceEndpoint) return null;
  const { createTracing } = await import('../config/tracing.ts');
  return createTracing({ traceEndpoint, serviceName: env.OTEL_SERVICE_NAME || 'presslift' });
}

export interface OpenGate {
  status: OperationStatus;
  gate: GateStatus;
}

export const openGatesOf = (status: OperationStatus): OpenGate[] =>
  status.gates.filter(({ state }) => state === 'open').map((gate) => ({ status, gate }));

/** JSON as `--json` prints it. */
export const asJson = (value: unknown) => JSON.stringify(value, null, 2);
