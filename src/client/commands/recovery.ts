import type { RollbackLayer } from '../../domain/recovery/point.ts';
import type { RollbackInput } from '../../domain/recovery/request.ts';
import type { CommandContext } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { startBackup, startDrill, startRollback } from '../operations.ts';
import { inputOf, run, type RunOptions } from '../running.ts';
import { planAlone } from './plan.ts';

/** `presslift backup <site>`: takes a recovery point off the cluster. */
export function backupCommand(
  context: CommandContext,
  site: string,
  options: RunOptions,
): Promise<ExitName> {
  const input = inputOf(context, site, options);
  return run(context, options, (client) => startBackup(client, input));
}

export interface DrillOptions extends RunOptions {
  point?: string;
}

/** `presslift drill <site>`: restores a recovery point elsewhere and proves it. */
export function drillCommand(
  context: CommandContext,
  site: string,
  { point, ...options }: DrillOptions,
): Promise<ExitName> {
  const input = { ...inputOf(context, site, options), ...(point === undefined ? {} : { point }) };
  return run(context, options, (client) => startDrill(client, input));
}

export interface RollbackOptions extends RunOptions {
  point?: string;
  layers?: RollbackLayer[];
  databaseTime?: string;
  maintenance?: boolean;
  release?: boolean;
  planOnly?: boolean;
}

/** `presslift rollback <site>`: parts of a site back to a recovery point, after a person's yes. */
export function rollbackCommand(
  context: CommandContext,
  site: string,
  options: RollbackOptions,
): Promise<ExitName> {
  const { point, layers, databaseTime, maintenance, release, planOnly } = options;
  if (databaseTime !== undefined && layers !== undefined && !layers.includes('database')) {
    throw new CommandError('usage', '--database-time wants database among the --layers.');
  }
  const input: RollbackInput = {
    ...inputOf(context, site, options),
    ...(point === undefined ? {} : { point }),
    ...(layers === undefined ? {} : { layers }),
    ...(databaseTime === undefined ? {} : { databaseTime }),
    ...(maintenance === true ? { maintenance } : {}),
    ...(release === true ? { release } : {}),
  };
  if (planOnly === true) {
    return planAlone(context, options.json === true, (client) =>
      startRollback(client, { ...input, planOnly }),
    );
  }
  return run(context, options, (client) => startRollback(client, input));
}
