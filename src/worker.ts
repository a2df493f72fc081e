import { Worker } from '@temporalio/worker';
import { createActivities } from './config/activities.ts';
import { workflowBundle } from './config/bundle.ts';
import { temporalSettings } from './config/connect.ts';
import { deploymentOptions, joinDeployment } from './config/deployment.ts';
import { readEnvironment } from './config/environment.ts';
import { heartbeatInterceptor } from './config/heartbeats.ts';
import { createLogger, temporalLogger } from './config/logging.ts';
import { installRuntime } from './config/runtime.ts';
import { ensureSearchAttributes } from './config/search-attributes.ts';
import { createTracing } from './config/tracing.ts';
import { connectWorker } from './config/worker-connection.ts';
import { TASK_QUEUE } from './domain/identifiers.ts';

/**
 * Runs the worker until SIGINT or SIGTERM. Then it takes no more work, lets running activities end for the grace period,
 * and cancels the rest; what was cancelled goes on at the next worker.
 *
 * @throws EnvironmentError, TemporalSettingsError, TemporalUnreachableError, WorkflowBundleMissingError before anything
 *   is taken from the task queue
 */
export async function runWorker(env: NodeJS.ProcessEnv): Promise<void> {
  const config = readEnvironment(env);
  const settings = temporalSettings(env);
  const logger = createLogger(config);
  for (const warning of config.warnings) logger.warn(warning);

  const { metricMeter: meter } = installRuntime(config, logger);
  const connection = await connectWorker(settings);
  const tracing = createTracing(config);
  try {
    await ensureSearchAttributes(connection, settings.namespace, logger);
    const worker = await Worker.create({
      connection,
      namespace: settings.namespace,
      taskQueue: TASK_QUEUE,
      workflowBundle: await workflowBundle({
        production: config.production,
        logger: temporalLogger(logger.child({ part: 'bundler' }, { level: 'warn' })),
      }),
      activities: createActivities({
        config,
        connection,
        namespace: settings.namespace,
        logger,
        env,
        interceptors: tracing.client,
        meter,
      }),
      interceptors: {
        ...tracing.worker,
        activity: [heartbeatInterceptor, ...(tracing.worker.activity ?? [])],
      },
      // Cancellation and the end of the watch over visitors come with heartbeats; the default lets them wait for minutes.
      maxHeartbeatThrottleInterval: '2 seconds',
      shutdownGraceTime: config.shutdownGraceMs,
      maxConcurrentActivityTaskExecutions: config.maxConcurrentActivities,
      workerDeploymentOptions: deploymentOptions(config),
      // Far more than sites of one worker; each cached workflow holds about a megabyte.
      maxCachedWorkflows: 100,
    });
    const { address, namespace } = settings;
    const stopping = new AbortController();
    let refused: Error | null = null;
    const joined = joinDeployment(connection, namespace, config, logger, stopping.signal).then(
      (ready) => {
        if (ready) logger.info({ address, namespace, taskQueue: TASK_QUEUE }, 'worker is ready');
      },
      (error: unknown) => {
        refused = error as Error;
        worker.shutdown();
      },
    );
    await worker.run().finally(() => stopping.abort());
    await joined;
    if (refused !== null) throw refused as Error;
    logger.info('worker has stopped');
  } finally {
    await tracing.stop();
    await connection.close();
  }
}

if (import.meta.main) {
  const { reportFatal } = await import('./client/errors.ts');
  process.exitCode = await runWorker(process.env).then(
    () => 0,
    (error: unknown) => reportFatal(error),
  );
}
