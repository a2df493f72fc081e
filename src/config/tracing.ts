import { createRequire } from 'node:module';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ClientInterceptors } from '@temporalio/client';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
  type OpenTelemetrySinks,
} from '@temporalio/interceptors-opentelemetry';
import type { InjectedSinks, WorkerInterceptors } from '@temporalio/worker';
import type { ProcessConfig } from './environment.ts';

/**
 * Workflow side of tracing. It is always in the bundle, also where no trace is sent: the order of a workflow's promises
 * then never depends on a setting, so a history replays the same with and without tracing.
 */
export const workflowInterceptorModules = [
  createRequire(import.meta.url).resolve(
    '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors',
  ),
];

export interface Tracing {
  worker: WorkerInterceptors;
  client: ClientInterceptors;
  /** Takes the spans of workflows; without an endpoint it drops them. */
  sinks: InjectedSinks<OpenTelemetrySinks>;
  /** Sends what is left. */
  stop(): Promise<void>;
}

/** Tracing over OTLP when an endpoint is configured, else parts that do nothing. */
export function createTracing(
  config: Pick<ProcessConfig, 'traceEndpoint' | 'serviceName'>,
): Tracing {
  if (config.traceEndpoint === null) {
    return {
      worker: {},
      client: {},
      sinks: { exporter: { export: { fn: () => undefined, callDuringReplay: false } } },
      stop: async () => undefined,
    };
  }
  const resource = Resource.default().merge(new Resource({ 'service.name': config.serviceName }));
  // The exporter reads the endpoint, headers and time-out from the OTEL_EXPORTER_OTLP_* variables itself.
  const processor = new BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  // Sets the W3C propagator too, by which traces go on from client to workflow to activity.
  provider.register({ contextManager: new AsyncLocalStorageContextManager().enable() });
  const tracer = provider.getTracer('presslift');
  const client = { workflow: [new OpenTelemetryWorkflowClientInterceptor({ tracer })] };
  return {
    client,
    worker: {
      activity: [
        (activity) => ({
          inbound: new OpenTelemetryActivityInboundInterceptor(activity, { tracer }),
          outbound: new OpenTelemetryActivityOutboundInterceptor(activity),
        }),
      ],
    },
    sinks: { exporter: makeWorkflowExporter(processor, resource) },
    stop: async () => {
      await provider.shutdown();
      for (const api of [context, propagation, trace]) api.disable();
    },
  };
}
