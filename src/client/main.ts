import { CommanderError } from 'commander';
import { asJson, type CommandContext } from './context.ts';
import { errorDocument, reportFatal, type ErrorDocument } from './errors.ts';
import { exitCodes } from './exit-codes.ts';
import { buildProgram } from './program.ts';
import { InterruptedError, processTerminal } from './terminal.ts';

/**
 * Runs one command line and returns the exit code. Errors become one clear message on standard error; with `--json` they are
 * a document on standard output besides.
 *
 * @param args what stands after `presslift`
 */
export async function main(
  args: string[],
  context: CommandContext = { terminal: processTerminal(), env: process.env },
): Promise<number> {
  let code: number = exitCodes.done.code;
  const program = buildProgram(context, (exit) => {
    code = exitCodes[exit].code;
  });
  const { terminal } = context;
  const output = {
    writeOut: (text: string) => terminal.out(text.replace(/\n$/, '')),
    writeErr: (text: string) => terminal.note(text.replace(/\n$/, '')),
  };
  // Subcommands copy these settings when they are made, so they are set for each.
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    command.exitOverride().configureOutput(output);
  }
  // Asked of the words themselves: a command line that cannot be read has no options yet.
  const document = args.includes('--json')
    ? (error: ErrorDocument) => terminal.out(asJson(error))
    : undefined;
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has written its message; help asked for is no error.
      if (error.exitCode === 0) return exitCodes.done.code;
      const message = error.message.replace(/^error: /, '');
      document?.(errorDocument('usage', { type: null, message, advice: null }));
      return exitCodes.usage.code;
    }
    if (error instanceof InterruptedError) return exitCodes.interrupted.code;
    return reportFatal(error, terminal.note, document);
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
