import type { RecoveryPointsAnswers, RecoveryPointsInput } from '../../domain/recovery/request.ts';
import { failed } from '../concluding.ts';
import { confirm } from '../confirm.ts';
import { asJson, speaker, withClient, type CommandContext } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { askRecoveryPoints } from '../recovery-points.ts';
import { renderPoint, renderPoints, renderState } from '../render/recovery.ts';
import { renderCriteria } from '../render/status.ts';
import { printable, type Paint } from '../terminal.ts';

export type Action = RecoveryPointsInput['action'];

export interface RecoveryPointsOptions {
  as?: string;
  reason?: string;
  yes?: boolean;
  json?: boolean;
}

/** `presslift recovery-points <site> [action] [point]`: one thing to do with a site's catalogue. */
export async function recoveryPointsCommand(
  context: CommandContext,
  site: string,
  action: Action,
  point: string | undefined,
  options: RecoveryPointsOptions,
): Promise<ExitName> {
  const aboutOne = action !== 'list' && action !== 'prune';
  if (aboutOne && point === undefined) {
    throw new CommandError(
      'usage',
      `${action} wants the id of a recovery point; \`presslift recovery-points ${site}\` lists them.`,
    );
  }
  if (!aboutOne && point !== undefined) {
    throw new CommandError('usage', `${action} is about all recovery points and takes no id.`);
  }
  if (action === 'prune') {
    const what = `What backup.keep of ${site} does not keep would be deleted for good.`;
    await confirm(context, what, options.yes);
  }
  const { terminal } = context;
  const by = speaker(context, options.as);
  const input: RecoveryPointsInput = {
    site,
    action,
    by,
    ...(point === undefined ? {} : { point }),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
  };
  return withClient<ExitName>(context, async (client) => {
    const { result, failure } = await askRecoveryPoints(client, input, terminal.note);
    if (failure !== null) throw failed('', failure);
    terminal.out(
      options.json === true ? asJson(result) : textOf(action, point ?? '', result, terminal.paint),
    );
    return action === 'verify' &&
      (result as RecoveryPointsAnswers['verify']).some((one) => !one.pass)
      ? 'failed'
      : 'done';
  });
}

function textOf(
  action: Action,
  point: string,
  result: RecoveryPointsAnswers[Action],
  paint: Paint,
): string {
  switch (action) {
    case 'list':
      return renderPoints(result as RecoveryPointsAnswers['list'], new Date(), paint);
    case 'show':
      return renderPoint(result as RecoveryPointsAnswers['show'], paint);
    case 'pin':
    case 'unpin':
      return `${printable(point)}: ${renderState(result as RecoveryPointsAnswers['pin'])}`;
    case 'verify': {
      const criteria = result as RecoveryPointsAnswers['verify'];
      const good = criteria.every(({ pass }) => pass);
      const verdict = good ? paint('green', 'sound') : paint('red', 'NOT sound');
      return `${renderCriteria(criteria, paint)}\n${printable(point)} is ${verdict}`;
    }
    case 'prune': {
      const { kept, removed } = result as RecoveryPointsAnswers['prune'];
      return [
        ...removed.map((id) => `removed ${printable(id)}`),
        `${removed.length} removed, ${kept} kept`,
      ].join('\n');
    }
  }
}
