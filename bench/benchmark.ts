/** What the benchmarks have in common as commands: options, a sandbox that is up, and errors that say what to do. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { sandboxStatus } from '../deploy/sandbox/engine.ts';

/** Status of a benchmark that could not measure. */
const NOT_MEASURED = 3;

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

/** A benchmark as a command. */
export interface Benchmark<O extends Options, Settings> {
  /** Printed for `--help`. */
  help: string;
  options: O;
  /** Looks at the options before anything is touched. @throws Error that says what is wrong with them. */
  settingsOf(values: Values<O>): Settings;
  /** Measures in the running sandbox and prints; resolves to the status. */
  measure(settings: Settings): Promise<number>;
}

/** Runs a benchmark as the arguments of this process say, and sets its status. */
export async function runBenchmark<O extends Options, Settings>(
  benchmark: Benchmark<O, Settings>,
): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(benchmark.help);
    return;
  }
  try {
    const settings = benchmark.settingsOf(parseArgs({ options: benchmark.options }).values);
    await requireSandbox();
    process.exitCode = await benchmark.measure(settings);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = NOT_MEASURED;
  }
}

async function requireSandbox(): Promise<void> {
  const components = await sandboxStatus();
  const missing = components.filter(({ state }) => state !== 'ready' && state !== 'replaced');
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(', ');
  const what = missing.length === components.length ? 'is not up' : `lacks ${names}`;
  throw new Error(`The sandbox ${what}. Bring it up: npx presslift sandbox up`);
}

/** A whole number among the options. @throws Error that names the option and its limits. */
export function wholeNumber(option: string, value: string, least: number, most: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= least && number <= most) return number;
  throw new Error(`--${option} is ${least} to ${most}, not ${value}. All options: --help`);
}
