import type { PhaseOperation, RoadmapInput } from '../../domain/operation.ts';
import type { CommandContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { startMigration, startOperation } from '../operations.ts';
import { inputOf, run, type RunOptions } from '../running.ts';

export interface MigrateOptions extends RunOptions {
  from?: number;
  to?: number;
}

/** `presslift migrate <site>`: starts the roadmap and follows it as far as the options say. */
export function migrateCommand(
  context: CommandContext,
  site: string,
  options: MigrateOptions,
): Promise<ExitName> {
  const input: RoadmapInput = { ...inputOf(context, site, options) };
  if (options.from !== undefined) input.from = options.from;
  if (options.to !== undefined) input.to = options.to;
  return run(context, options, (client) => startMigration(client, input));
}

/** `presslift run <site> <operation>`: the same for one operation alone. */
export function runCommand(
  context: CommandContext,
  site: string,
  operation: PhaseOperation,
  options: RunOptions,
): Promise<ExitName> {
  const input = inputOf(context, site, options);
  return run(context, options, (client) => startOperation(client, operation, input));
}
