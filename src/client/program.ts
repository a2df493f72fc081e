import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { PhaseOperation } from '../domain/operation.ts';
import { schemaFormats, type SchemaFormat } from '../domain/site/schema-formats.ts';
import { LAST_IMPLEMENTED_PHASE, phasesBetween } from '../workflows/parts/phases.ts';
import type { CommandContext } from './context.ts';
import { exitCodeTable } from './exit-codes.ts';
import { examples, option, runOptions, site, target, type Finish } from './program-parts.ts';
import { addRecovery } from './program-recovery.ts';

const operationNames = phasesBetween(0, LAST_IMPLEMENTED_PHASE).map((phase) => phase.operation);

const phaseNumber = (value: string) => {
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= LAST_IMPLEMENTED_PHASE) return number;
  throw new InvalidArgumentError(`Allowed: a phase from 0 to ${LAST_IMPLEMENTED_PHASE}.`);
};

const from = () => new Option('--from <phase>', 'first phase').argParser(phaseNumber);
const to = () => new Option('--to <phase>', 'last phase').argParser(phaseNumber);

/** The command tree. Each command's code is loaded when it runs, so that help and completion are quick. */
export function buildProgram(context: CommandContext, finish: Finish): Command {
  const program = new Command('presslift')
    .description('Durable operations for WordPress on Kubernetes, with a person at every gate.')
    .showSuggestionAfterError()
    .showHelpAfterError('(presslift help <command> shows what is allowed)')
    .addHelpText(
      'after',
      examples('check acme', 'plan acme --to 1', 'migrate acme --to 1', 'status acme --watch') +
        '\nExit codes: presslift help exit-codes\n',
    );
  addPlatform(program, context, finish);
  addSite(program, context, finish);
  addRunning(program, context, finish);
  addRecovery(program, context, finish);
  addDeciding(program, context, finish);
  addOperator(program, context, finish);
  addHelp(program, context, finish);
  return program;
}

function addPlatform(program: Command, context: CommandContext, finish: Finish): void {
  program
    .command('worker')
    .description('run the worker until SIGTERM; its log is JSON lines on standard output')
    .addHelpText('after', examples('worker', 'worker | npx pino-pretty'))
    .action(async () => {
      const { runWorker } = await import('../worker.ts');
      await runWorker(context.env);
      finish('done');
    });
  const sandbox = program
    .command('sandbox')
    .description('a real platform on this machine, for trying and for tests')
    .addHelpText(
      'after',
      examples('sandbox up', 'sandbox status', 'sandbox down', 'sandbox reset'),
    );
  const verbs = {
    up: 'build what is missing and start everything; once more changes nothing',
    down: 'stop everything; data stays',
    status: 'where every part stands',
    reset: 'down, and forget all data',
  } as const;
  for (const verb of Object.keys(verbs) as (keyof typeof verbs)[]) {
    const command = sandbox
      .command(verb)
      .description(verbs[verb])
      .addOption(option.json())
      .action(async (options: { only?: string; installPackages?: boolean; json?: boolean }) => {
        const { sandboxCommand } = await import('./commands/sandbox.ts');
        const only = options.only?.split(',').filter((name) => name !== '');
        finish(await sandboxCommand(context, verb, { ...options, only }));
      });
    if (verb === 'up') {
      command.option('--install-packages', 'install missing Debian packages');
      command.addHelpText('after', examples('sandbox up', 'sandbox up --only temporal'));
    }
    if (verb === 'up' || verb === 'down') {
      const what = verb === 'up' ? 'what they need' : 'what needs them';
      command.option('--only <names>', `these components and ${what}, separated by commas`);
    }
  }
}

function addSite(program: Command, context: CommandContext, finish: Finish): void {
  program
    .command('check')
    .description('everything that is wrong in a site file')
    .addArgument(site)
    .addOption(option.json())
    .addHelpText('after', examples('check acme', 'check acme --json'))
    .action(async (name: string, options: { json?: boolean }) => {
      const { checkCommand } = await import('./commands/site.ts');
      finish(await checkCommand(context, name, options));
    });
  program
    .command('schema')
    .description('the JSON Schema of the site file')
    .addOption(
      new Option('--format <format>', 'json, or a page of docs/reference')
        .choices(schemaFormats)
        .default('json'),
    )
    .option('--json', 'the same as --format json')
    .addHelpText('after', examples('schema > site.schema.json', 'schema --format markdown'))
    .action(async (options: { format: SchemaFormat }) => {
      const { schemaCommand } = await import('./commands/site.ts');
      finish(schemaCommand(context, options));
    });
}

function addRunning(program: Command, context: CommandContext, finish: Finish): void {
  program
    .command('plan')
    .description('observe and plan, change nothing, show what would be done')
    .addArgument(site)
    .addArgument(new Argument('[operation]', 'one operation').choices(operationNames))
    .addOption(from())
    .addOption(to())
    .addOption(option.requestedBy())
    .addOption(option.json())
    .addHelpText('after', examples('plan acme hybridStorage', 'plan acme --to 1'))
    .action(async (name: string, operation: PhaseOperation | undefined, options: object) => {
      const { planCommand } = await import('./commands/plan.ts');
      finish(await planCommand(context, name, operation, options));
    });
  runOptions(
    program
      .command('migrate')
      .description('take a site along the roadmap; stops at the first gate unless told otherwise')
      .addArgument(site)
      .addOption(from())
      .addOption(to())
      .addOption(option.onFailure()),
  )
    .addHelpText(
      'after',
      examples(
        'migrate acme --to 1',
        'migrate acme --to 1 --wait --as alice',
        'migrate acme --to 1 --yes --as alice --json',
      ),
    )
    .action(async (name: string, options: object) => {
      const { migrateCommand } = await import('./commands/migrate.ts');
      finish(await migrateCommand(context, name, options));
    });
  runOptions(
    program
      .command('run')
      .description('one operation of the roadmap alone')
      .addArgument(site)
      .addArgument(new Argument('<operation>', 'which').choices(operationNames))
      .addOption(option.onFailure()),
  )
    .addHelpText('after', examples('run acme prerequisites', 'run acme hybridStorage --wait'))
    .action(async (name: string, operation: PhaseOperation, options: object) => {
      const { runCommand } = await import('./commands/migrate.ts');
      finish(await runCommand(context, name, operation, options));
    });
  program
    .command('status')
    .description('where a site or one workflow is: steps, gates, criteria')
    .addArgument(target)
    .option('--watch', 'again every second until it ends')
    .addOption(option.json())
    .addHelpText('after', examples('status acme', 'status acme/hybridStorage --watch'))
    .action(async (name: string, options: object) => {
      const { statusCommand } = await import('./commands/status.ts');
      finish(await statusCommand(context, name, options));
    });
  program
    .command('gates')
    .description('everything that waits for a person, of all sites')
    .addOption(option.json())
    .addHelpText('after', examples('gates', 'gates --json'))
    .action(async (options: object) => {
      const { gatesCommand } = await import('./commands/status.ts');
      finish(await gatesCommand(context, options));
    });
}

function addDeciding(program: Command, context: CommandContext, finish: Finish): void {
  for (const decision of ['approve', 'reject'] as const) {
    program
      .command(decision)
      .description(`show what a gate asks about as a diff, ask, and ${decision} exactly that`)
      .addArgument(target)
      .option('--gate <id>', 'which gate, where several are open')
      .option('--workflow <id>', 'which workflow, where several have an open gate')
      .addOption(option.as())
      .addOption(option.reason())
      .addOption(option.yes('do not show and ask; needs --digest'))
      .option('--digest <digest>', 'decide only this plan: sha256:… or its first 8 digits or more')
      .addOption(option.json())
      .addHelpText(
        'after',
        examples(
          `${decision} acme --as alice`,
          `${decision} acme --as alice --yes --digest sha256:5e884898da280471`,
        ),
      )
      .action(async (name: string, options: object) => {
        const { decideCommand } = await import('./commands/decide.ts');
        finish(await decideCommand(context, decision, name, options));
      });
  }
}

function addOperator(program: Command, context: CommandContext, finish: Finish): void {
  const answers = {
    retry: 'try the failed step again',
    skip: 'go on without the failed step; needs --reason',
    compensate: 'take back what was done',
  } as const;
  for (const action of Object.keys(answers) as (keyof typeof answers)[]) {
    program
      .command(action)
      .description(`answer an operation that needs an operator: ${answers[action]}`)
      .addArgument(target)
      .addOption(option.as())
      .addOption(option.reason())
      .addOption(option.yes('do not ask where it is not safe'))
      .addOption(option.json())
      .addHelpText('after', examples(`${action} acme --as alice --reason "disk enlarged"`))
      .action(async (name: string, options: object) => {
        const { operatorCommand } = await import('./commands/operator.ts');
        finish(await operatorCommand(context, action, name, options));
      });
  }
  const controls = {
    pause: 'hold before the next step',
    resume: 'go on after a pause',
    abort: 'stop and take back what can be taken back',
  } as const;
  for (const name of Object.keys(controls) as (keyof typeof controls)[]) {
    const command = program
      .command(name)
      .description(controls[name])
      .addArgument(target)
      .addOption(option.as())
      .addOption(option.reason())
      .addOption(option.json())
      .addHelpText('after', examples(`${name} acme --as alice`))
      .action(async (which: string, options: object) => {
        const { controlCommand } = await import('./commands/operator.ts');
        finish(await controlCommand(context, name, which, options));
      });
    if (name === 'abort') command.addOption(option.yes('do not ask'));
  }
}

function addHelp(program: Command, context: CommandContext, finish: Finish): void {
  program
    .command('completion')
    .description('completion for a shell, to be sourced')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      '\nExamples:\n  $ source <(presslift completion bash)\n  $ presslift completion fish | source\n',
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('./completion.ts');
      context.terminal.out(completionScript(shell));
      finish('done');
    });
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const { candidates } = await import('./completion.ts');
      const { sitesDirOf } = await import('./context.ts');
      const { listSites } = await import('../activities/sites/load-site.ts');
      const found = candidates(program, words, await listSites(sitesDirOf(context)));
      if (found.length > 0) context.terminal.out(found.join('\n'));
      finish('done');
    });
  const topic = program
    .command('exit-codes')
    .description('what the command line ends with')
    .action(() => {
      context.terminal.out(exitCodeTable());
      finish('done');
    });
  topic.helpInformation = () => `Exit codes of every command:\n${exitCodeTable()}\n`;
}
