import type { OperatorDecision } from '../../domain/operation.ts';
import { confirm } from '../confirm.ts';
import { asJson, speaker, withClient, type CommandContext } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { answerOperator, control, RefusedError } from '../operations.ts';
import { theAskingOperation, theRunningWorkflow } from '../targets.ts';
import { printable } from '../terminal.ts';

export interface OperatorOptions {
  as?: string;
  reason?: string;
  yes?: boolean;
  json?: boolean;
}

/** `presslift retry`, `skip` and `compensate`: answers an operation that stopped in `needs-operator`. */
export async function operatorCommand(
  context: CommandContext,
  action: OperatorDecision['action'],
  target: string,
  options: OperatorOptions,
): Promise<ExitName> {
  const by = speaker(context, options.as);
  const { reason } = options;
  if (action === 'skip' && (reason ?? '').trim() === '') {
    throw new CommandError('usage', 'skip wants --reason; the report keeps it.');
  }
  return withClient<ExitName>(context, async (client) => {
    const { workflowId, operatorQuestion } = await theAskingOperation(client, target);
    const option = operatorQuestion?.options.find((offered) => offered.action === action);
    if (option !== undefined && option.possible && !option.safe) {
      const why = printable(option.why);
      await confirm(context, `${action} of ${workflowId} is not safe: ${why}.`, options.yes);
    }
    let answer: OperatorDecision;
    try {
      answer = await answerOperator(client, workflowId, { action, by, reason });
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      throw new CommandError('refused', error.message, { cause: error });
    }
    context.terminal.out(
      options.json === true
        ? asJson({ workflowId, answer })
        : `${action}: ${workflowId} goes on, by ${by}`,
    );
    return 'done';
  });
}

const sentences = {
  pause: 'holds before its next step',
  resume: 'goes on',
  abort: 'stops and takes back what can be taken back',
} as const;

/** `presslift pause`, `resume` and `abort`. */
export async function controlCommand(
  context: CommandContext,
  name: keyof typeof sentences,
  target: string,
  options: OperatorOptions,
): Promise<ExitName> {
  const by = speaker(context, options.as);
  return withClient<ExitName>(context, async (client) => {
    const { workflowId } = await theRunningWorkflow(client, target);
    if (name === 'abort') {
      await confirm(context, `${workflowId} would stop and take back what it can.`, options.yes);
    }
    const { reason } = options;
    await control(client, workflowId, name, { by, ...(reason === undefined ? {} : { reason }) });
    context.terminal.out(
      options.json === true
        ? asJson({ workflowId, asked: name, by })
        : `${name}: ${workflowId} was told; it ${sentences[name]}. \`presslift status ${workflowId}\` shows when.`,
    );
    return 'done';
  });
}
