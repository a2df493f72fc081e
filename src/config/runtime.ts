import { makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { ProcessConfig } from './environment.ts';
import { temporalLogger, type Logger } from './logging.ts';

/**
 * Sets up Temporal's runtime of this process: its log lines go through the process's logger, and its metrics (task
 * latencies, slots, failures) are offered to Prometheus when an address is configured. Once a process, before the first
 * connection.
 */
export function installRuntime(
  config: Pick<ProcessConfig, 'metricsAddress'>,
  logger: Logger,
): Runtime {
  return Runtime.install({
    logger: temporalLogger(logger),
    shutdownSignals: ['SIGINT', 'SIGTERM'],
    telemetryOptions: {
      logging: {
        forward: {},
        filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }),
      },
      metrics:
        config.metricsAddress === null
          ? undefined
          : {
              prometheus: {
                bindAddress: config.metricsAddress,
                countersTotalSuffix: true,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
    },
  });
}
