import type { Logger as TemporalLogger, LogLevel, LogMetadata } from '@temporalio/common';
import { pino, type Logger, type DestinationStream } from 'pino';
import type { ProcessConfig } from './environment.ts';

export type { Logger };

/** Names under which a secret could be logged by mistake, at the top and up to three levels down. */
const secretNames = [
  'password',
  'passwd',
  'token',
  'secret',
  'apiKey',
  'apiToken',
  'authorization',
  'cookie',
  'credentials',
  'accessKeyId',
  'secretAccessKey',
  'privateKey',
];

export const redactedPaths = secretNames.flatMap((name) => [
  name,
  `*.${name}`,
  `*.*.${name}`,
  `*.*.*.${name}`,
  `headers["${name}"]`,
]);

/** The process's logger: JSON lines on standard output, fields that could hold a secret replaced by `[redacted]`. */
export function createLogger(
  config: Pick<ProcessConfig, 'logLevel' | 'serviceName'>,
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level: config.logLevel,
      base: { service: config.serviceName },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths, censor: '[redacted]' },
    },
    destination ?? pino.destination({ dest: 1, sync: false }),
  );
}

/** Temporal's own log lines, those of workflows and of activities, through the same logger. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const lower = (level: LogLevel) => level.toLowerCase() as Lowercase<LogLevel>;
  const write = (level: LogLevel, message: string, meta?: LogMetadata) =>
    logger[lower(level)](meta === undefined ? {} : plain(meta), message);
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

/** The metadata as pino can write it: errors under `err`, where its serializer looks. */
function plain({ error, ...meta }: LogMetadata): Record<string, unknown> {
  const named = Object.fromEntries(
    Object.entries(meta).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? String(value) : value,
    ]),
  );
  return error === undefined ? named : { ...named, err: error as unknown };
}
