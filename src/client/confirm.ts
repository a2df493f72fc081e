import type { CommandContext } from './context.ts';
import { CommandError } from './errors.ts';

/**
 * Asks before something that is not safe or ends something; in a script `--yes` says it.
 *
 * @throws CommandError when there is no terminal to ask on, or the answer is not yes
 */
export async function confirm(
  { terminal }: CommandContext,
  question: string,
  yes: boolean | undefined,
): Promise<void> {
  if (yes === true) return;
  if (!terminal.interactive) {
    throw new CommandError('usage', `${question} There is no terminal to ask on; say --yes.`);
  }
  const answer = await terminal.ask(`${question} Type "yes" to do it: `);
  if (answer?.trim().toLowerCase() !== 'yes') {
    throw new CommandError('declined', 'Nothing was done.');
  }
}
