import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import {
  scheduleActions,
  scheduleNames,
  type ScheduleAction,
  type ScheduleName,
} from '../domain/schedules.ts';
import { recoveryPointActions } from '../domain/recovery/request.ts';
import { rollbackLayers, type RollbackLayer } from '../domain/recovery/point.ts';
import type { CommandContext } from './context.ts';
import { examples, option, runOptions, site, type Finish } from './program-parts.ts';
import type { Action } from './commands/recovery-points.ts';

/** Names that the workflows take too; nothing else becomes part of a key in the bucket. */
const pointId = (value: string) => {
  if (/^[0-9A-Za-z]([-0-9A-Za-z]{0,126}[0-9A-Za-z])?$/.test(value)) return value;
  throw new InvalidArgumentError('Allowed: the id of a recovery point: letters, digits and -.');
};

const point = (text: string) => new Option('--point <id>', text).argParser(pointId);

const layerList = (value: string): RollbackLayer[] => {
  const names = value.split(',');
  const known = (name: string): name is RollbackLayer =>
    (rollbackLayers as readonly string[]).includes(name);
  if (names.every((name) => known(name)) && new Set(names).size === names.length) return names;
  throw new InvalidArgumentError(
    `Allowed: ${rollbackLayers.join(', ')}, separated by commas, each once.`,
  );
};

/** To the second and with a zone: local time would be that of whoever types, not that of the site. */
const pastSecond = (value: string) => {
  const time = Date.parse(value);
  if (
    !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/.test(value) ||
    Number.isNaN(time)
  ) {
    throw new InvalidArgumentError('Allowed: a time with its zone, such as 2026-03-01T12:00:00Z.');
  }
  if (time > Date.now()) throw new InvalidArgumentError('Allowed: a time that is past.');
  return value;
};

/** Backups, drills, rollbacks, what is in the catalogue, and the schedules. */
export function addRecovery(program: Command, context: CommandContext, finish: Finish): void {
  addOperations(program, context, finish);
  addRollback(program, context, finish);
  addCatalogue(program, context, finish);
  addSchedules(program, context, finish);
}

function addOperations(program: Command, context: CommandContext, finish: Finish): void {
  runOptions(
    program
      .command('backup')
      .description('take a recovery point off the cluster: files, database, and what they run on')
      .addArgument(site),
  )
    .addHelpText('after', examples('backup acme', 'backup acme --detach', 'backup acme --json'))
    .action(async (name: string, options: object) => {
      const { backupCommand } = await import('./commands/recovery.ts');
      finish(await backupCommand(context, name, options));
    });
  runOptions(
    program
      .command('drill')
      .description('restore a recovery point elsewhere, prove it, take everything down again')
      .addArgument(site)
      .addOption(point('restore this recovery point instead of a fresh one')),
  )
    .addHelpText('after', examples('drill acme', 'drill acme --point 20260301T030000Z-acme-backup'))
    .action(async (name: string, options: object) => {
      const { drillCommand } = await import('./commands/recovery.ts');
      finish(await drillCommand(context, name, options));
    });
}

function addRollback(program: Command, context: CommandContext, finish: Finish): void {
  const goesBack = ['point', 'layers', 'databaseTime', 'maintenance'];
  runOptions(
    program
      .command('rollback')
      .description('parts of a site back to a recovery point; stops at the gate before it begins')
      .addArgument(site)
      .addOption(point('the recovery point (default: the newest good one)'))
      .addOption(
        new Option(
          '--layers <names>',
          `what goes back: ${rollbackLayers.join(', ')} (default: all that differ but the database)`,
        ).argParser(layerList),
      )
      .addOption(
        new Option(
          '--database-time <time>',
          "the database as it was at this second, by the provider's point-in-time recovery",
        ).argParser(pastSecond),
      )
      .addOption(
        new Option('--maintenance', 'answer visitors with a maintenance page during the switch'),
      )
      .addOption(
        new Option(
          '--release',
          'instead: delete what earlier rollbacks have kept of the state before them',
        ).conflicts(goesBack),
      )
      .addOption(
        new Option('--plan-only', 'show what would be done and lost, change nothing').conflicts([
          'wait',
          'yes',
          'detach',
        ]),
      )
      .addOption(option.onFailure()),
  )
    .addHelpText(
      'after',
      examples(
        'rollback acme --plan-only',
        'rollback acme --layers plugins-themes --wait --as alice',
        'rollback acme --point 20260301T030000Z-acme-backup --layers database,plugins-themes',
        'rollback acme --layers database --database-time 2026-03-01T11:59:30Z',
        'rollback acme --release',
      ),
    )
    .action(async (name: string, options: object) => {
      const { rollbackCommand } = await import('./commands/recovery.ts');
      finish(await rollbackCommand(context, name, options));
    });
}

function addCatalogue(program: Command, context: CommandContext, finish: Finish): void {
  program
    .command('recovery-points')
    .description("a site's recovery points: list, look, keep, read and check, remove old ones")
    .addArgument(site)
    .addArgument(
      new Argument('[action]', 'what to do').choices(recoveryPointActions).default('list'),
    )
    .addArgument(new Argument('[point]', 'id of a recovery point').argParser(pointId))
    .addOption(option.as())
    .addOption(option.reason())
    .addOption(option.yes('do not ask before old ones are removed'))
    .addOption(option.json())
    .addHelpText(
      'after',
      examples(
        'recovery-points acme',
        'recovery-points acme show 20260301T030000Z-acme-backup',
        'recovery-points acme pin 20260301T030000Z-acme-backup --reason "before the sale"',
        'recovery-points acme verify 20260301T030000Z-acme-backup',
        'recovery-points acme prune',
      ),
    )
    .action(async (name: string, action: Action, id: string | undefined, options: object) => {
      const { recoveryPointsCommand } = await import('./commands/recovery-points.ts');
      finish(await recoveryPointsCommand(context, name, action, id, options));
    });
}

function addSchedules(program: Command, context: CommandContext, finish: Finish): void {
  program
    .command('schedules')
    .description("a site's schedules in Temporal, made from its site file")
    .addArgument(site)
    .addArgument(new Argument('[action]', 'what to do').choices(scheduleActions).default('show'))
    .addArgument(
      new Argument('[schedule]', 'which one (default: all of the site)').choices(scheduleNames),
    )
    .addOption(option.as())
    .addOption(option.reason())
    .addOption(option.yes('do not ask before they are deleted'))
    .addOption(option.json())
    .addHelpText(
      'after',
      examples(
        'schedules acme',
        'schedules acme apply',
        'schedules acme pause drill --reason "the cluster is full"',
        'schedules acme trigger backup',
      ),
    )
    .action(
      async (
        name: string,
        action: ScheduleAction,
        which: ScheduleName | undefined,
        options: object,
      ) => {
        const { schedulesCommand } = await import('./commands/schedules.ts');
        finish(await schedulesCommand(context, name, action, which, options));
      },
    );
}
