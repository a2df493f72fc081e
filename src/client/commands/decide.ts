import { asJson, speaker, withClient, type CommandContext } from '../context.ts';
import { decisionText, digestMatches, gateText, sendDecision } from '../deciding.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { theOpenGate } from '../targets.ts';

export interface DecideOptions {
  gate?: string;
  workflow?: string;
  as?: string;
  reason?: string;
  yes?: boolean;
  digest?: string;
  json?: boolean;
}

/** `presslift approve` and `presslift reject`: shows what would be done, asks, decides exactly that. */
export async function decideCommand(
  context: CommandContext,
  decision: 'approve' | 'reject',
  target: string,
  options: DecideOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const approver = speaker(context, options.as);
  if (options.yes === true && options.digest === undefined) {
    throw new CommandError(
      'usage',
      '--yes wants --digest too: what was not shown here must have been looked at before. `presslift status` has it.',
    );
  }
  if (options.yes !== true && !terminal.interactive) {
    throw new CommandError(
      'usage',
      'There is no terminal to ask on. In a script say --yes --digest sha256:<at least 8 digits>.',
    );
  }
  return withClient<ExitName>(context, async (client) => {
    const open = await theOpenGate(client, options.workflow ?? target, options.gate);
    const { status, gate } = open;
    if (options.digest !== undefined && !digestMatches(gate.digest, options.digest)) {
      throw new CommandError(
        'refused',
        `The gate ${gate.id} of ${status.workflowId} asks about ${gate.digest}, not about ${options.digest}.`,
      );
    }
    if (options.yes !== true) {
      terminal.note(await gateText(client, open, terminal.paint));
      const answer = await terminal.ask(`\nType "yes" to ${decision} this as ${approver}: `);
      if (answer?.trim().toLowerCase() !== 'yes') {
        throw new CommandError('declined', 'Nothing was decided; the gate stays open.');
      }
    }
    const { reason } = options;
    const made = await sendDecision(client, open, { approver, decision, reason });
    terminal.out(
      options.json === true
        ? asJson({ workflowId: status.workflowId, decision: made })
        : decisionText(status.workflowId, made),
    );
    return 'done';
  });
}
