import type { Client } from '@temporalio/client';
import type { PhaseOperation } from '../../domain/operation.ts';
import type { DigestedPlan } from '../../domain/plan.ts';
import { phasesBetween } from '../../workflows/parts/phases.ts';
import { asJson, speaker, withClient, type CommandContext } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { AlreadyRunningError, ending, getPlan, startOperation } from '../operations.ts';
import { renderPlan } from '../render/plan.ts';
import { printable } from '../terminal.ts';
import { adviceFor } from './migrate.ts';

export interface PlanOptions {
  from?: number;
  to?: number;
  requestedBy?: string;
  json?: boolean;
}

/** `presslift plan <site> <operation|--to N>`: observes and plans, changes nothing, shows what would be done. */
export async function planCommand(
  context: CommandContext,
  site: string,
  operation: PhaseOperation | undefined,
  options: PlanOptions,
): Promise<ExitName> {
  const { terminal } = context;
  if ((operation === undefined) === (options.to === undefined)) {
    throw new CommandError('usage', 'plan wants an operation or --to <phase>, one of the two.');
  }
  const operations =
    operation === undefined
      ? phasesBetween(options.from ?? 0, options.to ?? 0).map((phase) => phase.operation)
      : [operation];
  if (operations.length === 0) {
    throw new CommandError('usage', 'There is no phase between --from and --to.');
  }
  const requestedBy = options.requestedBy ?? speaker(context, undefined);
  return withClient<ExitName>(context, async (client) => {
    const plans: DigestedPlan[] = [];
    for (const type of operations) {
      if (options.json !== true) terminal.note(`planning ${type} of ${site} …`);
      const plan = await planOf(client, site, type, requestedBy);
      plans.push(plan);
      if (options.json !== true) terminal.out(`${renderPlan(plan, terminal.paint)}\n`);
    }
    if (options.json === true) terminal.out(asJson(plans));
    const forbidden = plans.some(({ plan }) =>
      plan.findings.some(({ level }) => level === 'error'),
    );
    return forbidden ? 'failed' : 'done';
  });
}

async function planOf(
  client: Client,
  site: string,
  type: PhaseOperation,
  requestedBy: string,
): Promise<DigestedPlan> {
  const started = await startOperation(client, type, { site, requestedBy, planOnly: true }).catch(
    (error: unknown) => {
      if (!(error instanceof AlreadyRunningError)) throw error;
      throw new CommandError(
        'alreadyRunning',
        `${error.workflowId} runs already; \`presslift status ${error.workflowId}\` shows it with its plan's digest.`,
      );
    },
  );
  const { failure } = await ending(client, started);
  if (failure !== null) {
    const type_ = failure.type === null ? '' : `${failure.type}: `;
    throw new CommandError(
      failure.type === 'InvalidSite' || failure.type === 'InvalidInput' ? 'usage' : 'failed',
      `${started.workflowId} could not plan: ${type_}${printable(failure.message)}${adviceFor(failure.type)}`,
    );
  }
  const plan = await getPlan(client, started.workflowId, started.runId);
  if (plan === null) {
    throw new CommandError('failed', `${started.workflowId} ended without a plan.`);
  }
  return plan;
}
