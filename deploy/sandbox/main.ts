/** `node deploy/sandbox/main.ts up|down|status|reset [--install-packages] [--json] [--only a,b]` */
import { parseArgs } from 'node:util';
import { sandboxDown, sandboxReset, sandboxStatus, sandboxUp } from './engine.ts';
import { createRenderer, formatDuration } from './progress.ts';
import { formatStatus } from './status.ts';

const usage = `usage: main.ts up|down|status|reset [--install-packages] [--only NAME,…] [--json]

  up       bring the sandbox up; once more changes nothing
  down     stop it and clean up; data stays
  status   where every component stands
  reset    down, and forget the data; the cache stays

  --install-packages   up: install missing Debian packages
  --only NAME,…        up: these and what they need; down: these and what needs them
  --json               print one JSON document`;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'install-packages': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      only: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [verb, ...rest] = positionals;
  if (values.help || !verb || rest.length > 0) {
    console.log(usage);
    return values.help ? 0 : 2;
  }
  const only = values.only?.split(',').filter(Boolean);
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => interrupt.abort(new Error(`Interrupted by ${name}`)));
  }
  // Progress goes to standard error: standard output is for the result.
  const renderer = createRenderer(process.stderr);
  const common = { only, onProgress: renderer.onProgress, signal: interrupt.signal };
  const say = (result: unknown, text: string): void => {
    renderer.close();
    console.log(values.json ? JSON.stringify(result, null, 2) : text);
  };
  const begun = Date.now();
  const elapsed = (): string => formatDuration(Date.now() - begun);
  try {
    switch (verb) {
      case 'up': {
        const report = await sandboxUp({ ...common, install: values['install-packages'] });
        const what = report.started.length > 0 ? 'is up' : 'was up already';
        const given = Object.entries(report.replaced).map(
          ([name, reason]) => `Without ${name}: ${reason}\n`,
        );
        const text = `The sandbox ${what} (${elapsed()}).\n${given.join('')}Environment: ${report.environmentFile}`;
        say(report, text);
        return 0;
      }
      case 'down':
        await sandboxDown(common);
        say({ down: true }, `The sandbox is down (${elapsed()}).`);
        return 0;
      case 'reset':
        await sandboxReset(common);
        say({ reset: true }, `The sandbox is down and its data is gone (${elapsed()}).`);
        return 0;
      case 'status': {
        const status = await sandboxStatus();
        say(status, formatStatus(status));
        return status.every(({ state }) => ['ready', 'replaced'].includes(state)) ? 0 : 3;
      }
      default:
        console.error(usage);
        return 2;
    }
  } catch (error) {
    renderer.close();
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    renderer.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
