import type { Client } from '@temporalio/client';
import type { PhaseOperation } from '../../domain/operation.ts';
import type { DigestedPlan } from '../../domain/plan.ts';
import { phasesBetween } from '../../workflows/parts/phases.ts';
import { failed } from '../concluding.ts';
import { asJson, speakerByItself, withClient, type CommandContext } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { followToEnd } from '../follow.ts';
import { AlreadyRunningError, getPlan, startOperation, type Started } from '../operations.ts';
import { renderPlan } from '../render/plan.ts';

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
  const requestedBy = options.requestedBy ?? speakerByItself(context) ?? undefined;
  return withClient<ExitName>(context, async (client) => {
    const plans: DigestedPlan[] = [];
    for (const type of operations) {
      if (options.json !== true) terminal.note(`planning ${type} of ${site} …`);
      const input = { site, requestedBy, planOnly: true };
      const plan = await planOf(client, terminal.note, () => startOperation(client, type, input));
      plans.push(plan);
      if (options.json !== true) terminal.out(`${renderPlan(plan, terminal.paint)}\n`);
    }
    if (options.json === true) terminal.out(asJson(plans));
    return exitOfPlans(plans);
  });
}

/** Plans one operation, shows the plan, and returns the exit for it. */
export function planAlone(
  context: CommandContext,
  json: boolean,
  start: (client: Client) => Promise<Started>,
): Promise<ExitName> {
  const { terminal } = context;
  return withClient<ExitName>(context, async (client) => {
    const plan = await planOf(client, terminal.note, () => start(client));
    terminal.out(json ? asJson(plan) : renderPlan(plan, terminal.paint));
    return exitOfPlans([plan]);
  });
}

function exitOfPlans(plans: DigestedPlan[]): ExitName {
  const forbidden = plans.some(({ plan }) => plan.findings.some(({ level }) => level === 'error'));
  return forbidden ? 'failed' : 'done';
}

/**
 * Starts an operation that only plans, follows it to its end and gets its plan.
 *
 * @throws CommandError when it runs already, or could not plan
 */
async function planOf(
  client: Client,
  say: (line: string) => void,
  start: () => Promise<Started>,
): Promise<DigestedPlan> {
  const started = await start().catch((error: unknown) => {
    if (!(error instanceof AlreadyRunningError)) throw error;
    throw new CommandError(
      'alreadyRunning',
      `${error.workflowId} runs already; \`presslift status ${error.workflowId}\` shows it with its plan's digest.`,
    );
  });
  const { failure } = await followToEnd(client, started, say);
  if (failure !== null) throw failed(`${started.workflowId} could not plan: `, failure);
  const plan = await getPlan(client, started.workflowId, started.runId);
  if (plan === null) {
    throw new CommandError('failed', `${started.workflowId} ended without a plan.`);
  }
  return plan;
}
