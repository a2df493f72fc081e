import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ClientInterceptors } from '@temporalio/client';
import {
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import type { WorkerInterceptors } from '@temporalio/worker';
import type { ProcessConfig } from './environment.ts';

export interface Tracing {
  worker: WorkerInterceptors;
  client: ClientInterceptors;
  /** Sends what is left. */
  stop(): Promise<void>;
}

/**
 * Spans of clients and activities. Workflows make none; workflow-trace-headers.ts only hands their trace on.
 * Over OTLP when an endpoint is configured, else parts that do nothing.
 */
export function createTracing(
  config: Pick<ProcessConfig, 'traceEndpoint' | 'serviceName'>,
): Tracing {
  if (config.traceEndpoint === null) {
    return {
      worker: {},
      client: {},
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
    stop: async () => {
      await provider.shutdown();
      for (const api of [context, propagation, trace]) api.disable();
    },
  };
}
