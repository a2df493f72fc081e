/** The benchmarks as commands: nonsense is refused before anything is touched, by a line that says what to do. */
import { execFile } from 'node:child_process';
import { expect, it } from 'vitest';
import { wholeNumber } from '../../../bench/benchmark.ts';

interface Outcome {
  status: number | string | null | undefined;
  stdout: string;
  stderr: string;
}

const bench = (name: string, args: string[]) =>
  new Promise<Outcome>((resolve) => {
    execFile(process.execPath, [`bench/${name}/main.ts`, ...args], (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : error.code, stdout, stderr });
    });
  });

it.each([
  ['visitors', ['--rate', 'many'], '--rate is 1 to 50, not many. All options: --help\n'],
  ['recovery', ['--only-site'], '--only-site needs --site acme\n'],
  ['recovery', ['--sites', 'acme'], "Unknown option '--sites'"],
])('%s %j is refused', async (name, args, message) => {
  const { status, stdout, stderr } = await bench(name, args);
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr).not.toContain('    at ');
});

it.each(['visitors', 'recovery'])('%s --help names its options and examples', async (name) => {
  const { status, stdout } = await bench(name, ['--help']);
  expect(status).toBe(0);
  expect(stdout).toContain('--json <file>');
  expect(stdout).toContain(`npm run bench:${name} -- --`);
});

it.each(['0', '51', '1.5', '-1', '', ' 3', '1e1'])('%j is no whole number of 1 to 50', (value) => {
  expect(() => wholeNumber('rate', value, 1, 50)).toThrow('--rate is 1 to 50');
});

it('a whole number within its limits is taken', () => {
  expect([wholeNumber('rate', '1', 1, 50), wholeNumber('rate', '50', 1, 50)]).toEqual([1, 50]);
});
