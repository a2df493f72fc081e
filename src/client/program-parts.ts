import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import { dnsLabel } from '../domain/site/values.ts';
import type { ExitName } from './exit-codes.ts';

/** Called with how a command ended. */
export type Finish = (exit: ExitName) => void;

export const site = new Argument(
  '<site>',
  'name of a file in the sites folder, without .yaml',
).argParser((value: string) => {
  if (dnsLabel.safeParse(value).success) return value;
  throw new InvalidArgumentError('Allowed: lower case letters, digits and -.');
});

export const target = new Argument(
  '<site|workflow>',
  'a site, or a workflow id such as acme/hybridStorage',
).argParser((value: string) => {
  if (value.includes('/') || dnsLabel.safeParse(value).success) return value;
  throw new InvalidArgumentError('Allowed: the name of a site, or a workflow id.');
});

export const option = {
  json: () => new Option('--json', 'print one JSON document on standard output'),
  as: () =>
    new Option('--as <name>', 'who is speaking (default: PRESSLIFT_APPROVER, else your user name)'),
  reason: () => new Option('--reason <text>', 'why; kept in the history and the report'),
  yes: (text: string) => new Option('--yes', text),
  requestedBy: () =>
    new Option(
      '--requested-by <name>',
      'who asks for it, for the two-person rule (default: who speaks, as with --as)',
    ),
  onFailure: () =>
    new Option(
      '--on-failure <what>',
      'when a change fails for good: ask an operator, or undo at once',
    ).choices(['ask', 'compensate']),
};

export const examples = (...lines: string[]) =>
  `\nExamples:\n${lines.map((line) => `  $ presslift ${line}`).join('\n')}\n`;

/** Options of every command that starts an operation and follows it. */
export const runOptions = (command: Command) =>
  command
    .addOption(option.as())
    .addOption(option.requestedBy())
    .addOption(new Option('--detach', 'start it and return at once').conflicts(['wait', 'yes']))
    .addOption(
      new Option('--wait', 'follow it to its end; on a terminal ask at every gate').conflicts([
        'detach',
      ]),
    )
    .addOption(option.yes('approve every gate by itself as --as; for demonstrations and CI'))
    .addOption(option.json());
