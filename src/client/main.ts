import { CommanderError } from 'commander';
import { reportFatal } from './errors.ts';
import { exitCodes } from './exit-codes.ts';
import { buildProgram } from './program.ts';
import { InterruptedError, processTerminal } from './terminal.ts';

/**
 * Runs one command line and returns the exit code. Errors become one clear message on standard error.
 *
 * @param args what stands after `presslift`
 */
export async function main(args: string[]): Promise<number> {
  // A reader such as `head` that goes away is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitCodes.done.code);
  });
  let code: number = exitCodes.done.code;
  const context = { terminal: processTerminal(), env: process.env };
  const program = buildProgram(context, (exit) => {
    code = exitCodes[exit].code;
  });
  // Subcommands copy the setting when they are made, so it is set for each.
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    command.exitOverride();
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has written its message; help asked for is no error.
      return error.exitCode === 0 ? exitCodes.done.code : exitCodes.usage.code;
    }
    if (error instanceof InterruptedError) return exitCodes.interrupted.code;
    return reportFatal(error);
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
