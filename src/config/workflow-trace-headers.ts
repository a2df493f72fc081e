import type { Headers } from '@temporalio/common';
import type { WorkflowInterceptors } from '@temporalio/workflow';

/** The header that @temporalio/interceptors-opentelemetry writes and reads. */
const TRACE_HEADER = '_tracer-data';

/**
 * Runs inside workflows: hands the trace that a workflow was started in to its activities and children. It makes no
 * spans and awaits nothing, so it changes neither commands nor their order; see docs/decisions/0006-no-spans-inside-workflows.md.
 */
export function interceptors(): WorkflowInterceptors {
  let trace: Headers = {};
  const withTrace = <Input extends { headers: Headers }>(input: Input): Input => ({
    ...input,
    headers: { ...trace, ...input.headers },
  });
  return {
    inbound: [
      {
        execute(input, next) {
          const header = input.headers[TRACE_HEADER];
          trace = header === undefined ? {} : { [TRACE_HEADER]: header };
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next(withTrace(input)),
        scheduleLocalActivity: (input, next) => next(withTrace(input)),
        startChildWorkflowExecution: (input, next) => next(withTrace(input)),
        continueAsNew: (input, next) => next(withTrace(input)),
      },
    ],
  };
}
