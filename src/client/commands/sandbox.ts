import { asJson, type CommandContext } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';

export interface SandboxOptions {
  installPackages?: boolean;
  only?: string[];
  json?: boolean;
}

export type SandboxVerb = 'up' | 'down' | 'status' | 'reset';

/** `presslift sandbox up|down|status|reset`: the platform for trying, on this machine. */
export async function sandboxCommand(
  { terminal }: CommandContext,
  verb: SandboxVerb,
  options: SandboxOptions,
): Promise<ExitName> {
  // Only this command needs the sandbox's code; nothing else of the product knows about it.
  const engine = await import('../../../deploy/sandbox/engine.ts');
  const { createRenderer } = await import('../../../deploy/sandbox/progress.ts');
  const { formatStatus } = await import('../../../deploy/sandbox/status.ts');

  const say = (result: unknown, text: string) =>
    terminal.out(options.json === true ? asJson(result) : text);
  if (verb === 'status') {
    const components = await engine.sandboxStatus();
    say(components, formatStatus(components));
    const good = components.every(({ state }) => state === 'ready' || state === 'replaced');
    return good ? 'done' : 'failed';
  }
  const interrupt = new AbortController();
  const stop = () => interrupt.abort(new CommandError('interrupted', 'Interrupted.'));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const renderer = createRenderer(process.stderr);
  const common = { onProgress: renderer.onProgress, signal: interrupt.signal };
  try {
    const { only } = options;
    if (verb === 'up') {
      const report = await engine.sandboxUp({
        ...common,
        only,
        install: options.installPackages === true,
      });
      renderer.close();
      const what = report.started.length > 0 ? 'is up' : 'was up already';
      const given = Object.entries(report.replaced).map(
        ([name, reason]) => `Without ${name}: ${reason}\n`,
      );
      say(
        report,
        `The sandbox ${what}.\n${given.join('')}Environment for the worker and the command line: ${report.environmentFile}\n` +
          `  set -a; . ${report.environmentFile}; set +a`,
      );
    } else if (verb === 'down') {
      await engine.sandboxDown({ ...common, only });
      renderer.close();
      say({ down: true }, 'The sandbox is down; its data stays.');
    } else {
      await engine.sandboxReset(common);
      renderer.close();
      say({ reset: true }, 'The sandbox is down and its data is gone.');
    }
    return 'done';
  } catch (error) {
    if (interrupt.signal.aborted) throw interrupt.signal.reason;
    // The machine lacks something: the message says what and how to get it, nothing was begun.
    if (error instanceof engine.PreflightError) {
      throw new CommandError('usage', error.message, { cause: error });
    }
    throw error;
  } finally {
    renderer.close();
    process.removeListener('SIGINT', stop);
    process.removeListener('SIGTERM', stop);
  }
}
