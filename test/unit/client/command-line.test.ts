/**
 * Proves that every command line that cannot work ends with one clear message and the documented code, that help and
 * completion know every command, and that the guide does too. Runs no workflow.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { candidates, completionScript } from '../../../src/client/completion.ts';
import { digestMatches } from '../../../src/client/deciding.ts';
import { failed } from '../../../src/client/concluding.ts';
import { CommandError, explain, reportFatal } from '../../../src/client/errors.ts';
import { exitCodes, exitCodeTable, exitOfFailure } from '../../../src/client/exit-codes.ts';
import { main } from '../../../src/client/main.ts';
import { buildProgram } from '../../../src/client/program.ts';
import { speaker, type CommandContext } from '../../../src/client/context.ts';
import { inputOf } from '../../../src/client/running.ts';
import { settled } from '../../../src/client/silent.ts';
import { failures } from '../../../src/domain/failures.ts';
import { digest, fakeTerminal } from './support.ts';

const execute = promisify(execFile);

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command line here, away from any server and from any terminal. */
async function presslift(
  args: string[],
  env: Record<string, string> = {},
  more: Pick<CommandContext, 'userName'> = {},
): Promise<Ended> {
  const terminal = fakeTerminal();
  const code = await main(args, {
    terminal,
    ...more,
    // Port 1 on loopback: nobody listens there.
    env: { HOME: '/nonexistent', TEMPORAL_ADDRESS: '127.0.0.1:1', ...env },
    connectTimeoutMs: 300,
  });
  return { code, stdout: terminal.output.join('\n'), stderr: terminal.notes.join('\n') };
}

/** The same as a process of its own. */
async function asProcess(args: string[]): Promise<Ended> {
  try {
    const { stdout, stderr } = await execute(process.execPath, ['bin/presslift.js', ...args]);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

test('the program ends with the code of its command', async () => {
  const good = await asProcess(['check', 'acme']);
  expect(good).toMatchObject({ code: 0, stderr: '' });
  expect(good.stdout).toMatch(/^acme: valid; hosts acme\.presslift\.test; digest sha256:/);
  const bad = await asProcess(['check', 'nope']);
  expect(bad).toMatchObject({ code: 6, stdout: '' });
  expect(bad.stderr).toMatch(/^presslift: site nope: [^\n]*\n$/);
});

describe('nonsense', () => {
  test.each<[args: string[], code: number, message: RegExp]>([
    [['chekc', 'acme'], 2, /unknown command 'chekc'\n.*Did you mean check/],
    [['check'], 2, /missing required argument 'site'/],
    [['check', '../../etc/passwd'], 2, /Allowed: lower case letters, digits and -/],
    [['check', 'nope'], 6, /site nope: sites\/nope\.yaml: there is no such file/],
    [['check', 'acme', '--jsno'], 2, /unknown option '--jsno'/],
    [['migrate', 'acme', '--to', '9'], 2, /Allowed: a phase from 0 to/],
    [['migrate', 'acme', '--to', '-1'], 2, /Allowed: a phase from 0 to/],
    [['migrate', 'acme', '--wait', '--detach'], 2, /cannot be used with/],
    [['plan', 'acme'], 2, /an operation or --to/],
    [['plan', 'acme', 'hybridStorage', '--to', '1'], 2, /one of the two/],
    [['run', 'acme', 'nonsense'], 2, /Allowed choices are prerequisites, hybridStorage/],
    [['backup', 'acme', '--wait', '--detach'], 2, /cannot be used with/],
    [['drill', 'acme', '--point', '../x'], 2, /Allowed: the id of a recovery point/],
    [['rollback', 'acme', '--layers', 'app,files'], 2, /database, plugins-themes, app, cdn/],
    [['rollback', 'acme', '--layers', 'app,app'], 2, /each once/],
    [['rollback', 'acme', '--database-time', '2026-03-01 12:00'], 2, /a time with its zone/],
    [['rollback', 'acme', '--database-time', '2999-03-01T12:00:00Z'], 2, /a time that is past/],
    [
      ['rollback', 'acme', '--layers', 'app', '--database-time', '2026-03-01T12:00:00Z'],
      2,
      /database among the --layers/,
    ],
    [['rollback', 'acme', '--release', '--point', 'x'], 2, /cannot be used with/],
    [['rollback', 'acme', '--plan-only', '--yes'], 2, /cannot be used with/],
    [['recovery-points', 'acme', 'delete'], 2, /Allowed choices are list, show, pin/],
    [['recovery-points', 'acme', 'show'], 2, /show wants the id of a recovery point/],
    [['recovery-points', 'acme', 'list', 'x'], 2, /takes no id/],
    [['recovery-points', 'acme', 'prune'], 2, /deleted for good.*say --yes/],
    [['schedules', 'acme', 'start'], 2, /Allowed choices are show, apply, pause/],
    [['schedules', 'acme', 'trigger'], 2, /trigger wants one of backup, drill, backup-watch/],
    [['schedules', 'acme', 'apply', 'drill'], 2, /about all schedules/],
    [['schedules', 'nope'], 6, /site nope: sites\/nope\.yaml: there is no such file/],
    [['approve', 'acme'], 2, /no terminal to ask on.*--yes --digest/],
    [['approve', 'acme', '--yes'], 2, /--yes wants --digest/],
    [['reject', 'acme', '--as', ' ', '--yes', '--digest', 'x'], 2, /--as wants the name/],
    [['skip', 'acme', '--as', 'alice'], 2, /skip wants --reason/],
    [['completion', 'tcsh'], 2, /Allowed choices are bash, zsh, fish/],
    [['schema', '--format', 'xml'], 2, /Allowed choices are/],
  ])('%j ends with %d', async (args, code, message) => {
    const ended = await presslift(args);
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/\n\s+at /);
    expect(ended.stdout).toBe('');
  });

  test('in the environment ends with 2 and names every variable', async () => {
    const ended = await presslift(['worker'], {
      PRESSLIFT_LOG_LEVEL: 'loud',
      PRESSLIFT_SHUTDOWN_GRACE: '30',
    });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('PRESSLIFT_LOG_LEVEL: allowed is one of trace');
    expect(ended.stderr).toContain('PRESSLIFT_SHUTDOWN_GRACE: allowed is an ISO 8601 duration');
  });

  test('a certificate file that is not there ends with 2', async () => {
    const ended = await presslift(['gates'], { TEMPORAL_TLS_CLIENT_CERT_PATH: '/nonexistent/tls' });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^presslift: The settings of the connection.*ENOENT[^\n]*$/);
  });
});

test.each([
  ['status', 'acme'],
  ['gates'],
  ['migrate', 'acme', '--detach'],
  ['pause', 'acme'],
  ['backup', 'acme'],
  ['recovery-points', 'acme'],
  ['schedules', 'acme', 'apply'],
])('%s says that Temporal does not answer and ends with 5', async (...args) => {
  const ended = await presslift(args);
  expect(ended.code).toBe(5);
  expect(ended.stderr).toMatch(/^presslift: Temporal does not answer at 127\.0\.0\.1:1 [^\n]*$/);
});

test('a broken site file gives its errors as text or as JSON, and ends with 2', async () => {
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
  const folder = await mkdtemp('/tmp/presslift-check-');
  try {
    await writeFile(`${folder}/broken.yaml`, 'name: broken\nclsuter: {}\n');
    const text = await presslift(['check', 'broken'], { PRESSLIFT_SITES_DIR: folder });
    expect(text.code).toBe(2);
    expect(text.stderr).toContain('2:1 clsuter: found an unknown key');
    const json = await presslift(['check', 'broken', '--json'], { PRESSLIFT_SITES_DIR: folder });
    expect(json.code).toBe(2);
    const { valid, issues } = JSON.parse(json.stdout) as { valid: boolean; issues: object[] };
    expect(valid).toBe(false);
    expect(issues).toContainEqual(expect.objectContaining({ path: 'clsuter', line: 2, column: 1 }));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('help for exit codes shows the table', async () => {
  const { code, stdout } = await presslift(['help', 'exit-codes']);
  expect(code).toBe(0);
  expect(stdout).toContain(exitCodeTable());
});

const program = () =>
  buildProgram({ terminal: fakeTerminal(), env: {} }, () => undefined).exitOverride();

function commandsOf(command: Command, path: string[] = []): { path: string[]; command: Command }[] {
  return command.commands
    .filter((child) => child.name() !== 'complete')
    .flatMap((child) => {
      const here = [...path, child.name()];
      return child.commands.length > 0 ? commandsOf(child, here) : [{ path: here, command: child }];
    });
}

test('every command has a description, help and --json where it prints data', () => {
  const withoutJson = ['worker', 'completion', 'exit-codes'];
  for (const { path, command } of commandsOf(program())) {
    expect(command.description(), path.join(' ')).not.toBe('');
    const hasJson = command.options.some(({ long }) => long === '--json');
    expect(hasJson, path.join(' ')).toBe(!withoutJson.includes(path.join(' ')));
  }
});

test('the guide has every command, every exit code and every option', () => {
  const guide = readFileSync('docs/guides/cli.md', 'utf8');
  for (const { path, command } of commandsOf(program())) {
    expect(guide, path.join(' ')).toContain(`presslift ${path.join(' ')}`);
    for (const { long } of command.options) expect(guide, path.join(' ')).toContain(long ?? '');
  }
  for (const { code, meaning } of Object.values(exitCodes)) {
    expect(guide.replaceAll(/ +/g, ' ')).toContain(`| ${code} | ${meaning} |`);
  }
});

test('exit codes are different', () => {
  const codes = Object.values(exitCodes).map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
});

describe('completion', () => {
  const complete = (...words: string[]) => candidates(program(), words, ['acme', 'beta']);

  test.each([
    [['mig'], ['migrate']],
    [
      ['sandbox', ''],
      ['down', 'reset', 'status', 'up'],
    ],
    [
      ['status', ''],
      ['acme', 'beta'],
    ],
    [['approve', 'b'], ['beta']],
    [
      ['approve', '--as', 'alice', ''],
      ['acme', 'beta'],
    ],
    [['run', 'acme', 'hy'], ['hybridStorage']],
    [
      ['migrate', 'acme', '--on-failure', ''],
      ['ask', 'compensate'],
    ],
    [['migrate', 'acme', '--wa'], ['--wait']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['nonsense', ''], []],
    [['check', 'acme', ''], []],
    [['roll'], ['rollback']],
    [
      ['recovery-points', 'acme', 'p'],
      ['pin', 'prune'],
    ],
    [
      ['schedules', 'acme', 'pause', ''],
      ['backup', 'drill', 'backup-watch'],
    ],
    [['rollback', 'acme', '--da'], ['--database-time']],
  ])('of %j', (words, expected) => {
    expect(complete(...words)).toEqual(expected);
  });

  test('never fails, whatever is typed', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        expect(Array.isArray(complete(...words))).toBe(true);
      }),
    );
  });

  test('the bash script is one that bash accepts', async () => {
    await execute('bash', ['-n', '-c', completionScript('bash')]);
  });
});

describe('a digest', () => {
  test.each([
    [digest, true],
    [digest.slice(0, 15), true],
    ['abababab', true],
    ['ABABABAB', true],
    ['abababa', false],
    ['bababababa', false],
    ['', false],
    ['sha256:', false],
    [`${digest}ab`, false],
  ])('%s is meant: %s', (given, expected) => {
    expect(digestMatches(digest, given)).toBe(expected);
  });
});

test('who speaks: --as, else PRESSLIFT_APPROVER, else the user', () => {
  const terminal = fakeTerminal();
  expect(speaker({ terminal, env: { PRESSLIFT_APPROVER: 'bob' } }, 'alice')).toBe('alice');
  expect(speaker({ terminal, env: { PRESSLIFT_APPROVER: 'bob' } }, undefined)).toBe('bob');
  expect(speaker({ terminal, env: {} }, undefined)).not.toBe('');
  expect(() => speaker({ terminal, env: {} }, ' ')).toThrow(CommandError);
});

test('who asks is who speaks: --as is no second person beside the user of the machine', () => {
  const context = { terminal: fakeTerminal(), env: { PRESSLIFT_APPROVER: 'bob' } };
  const asked = (options: object) => inputOf(context, 'acme', options).requestedBy;
  expect(asked({})).toBe('bob');
  expect(asked({ as: 'alice' })).toBe('alice');
  expect(asked({ as: 'alice', requestedBy: 'dana' })).toBe('dana');
});

describe('a user id without a name, as in a container,', () => {
  const nameless = {
    userName: () => {
      throw new Error('uv_os_get_passwd returned ENOENT');
    },
  };

  test('is asked for a name where one is needed', async () => {
    const ended = await presslift(['migrate', 'acme', '--detach'], {}, nameless);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/say --as <name> or set PRESSLIFT_APPROVER/);
  });

  test.each([
    ['migrate', 'acme', '--detach', '--requested-by', 'dana'],
    ['backup', 'acme', '--as', 'cron'],
    ['plan', 'acme', '--to', '1'],
    ['gates'],
  ])('does not keep `%s %s` from Temporal', async (...args) => {
    expect((await presslift(args, {}, nameless)).code).toBe(5);
  });
});

describe('with --json an error is a document too', () => {
  test.each<[args: string[], code: number, message: RegExp]>([
    [['gates'], 5, /^Temporal does not answer/],
    [['check', 'nope'], 6, /^site nope: sites\/nope\.yaml/],
    [['approve', 'acme', '--yes'], 2, /^--yes wants --digest/],
    [['migrate', 'acme', '--to', '9'], 2, /Allowed: a phase from 0 to/],
  ])('%j', async (args, code, message) => {
    const ended = await presslift([...args, '--json']);
    expect(ended.code).toBe(code);
    const { error } = JSON.parse(ended.stdout) as { error: Record<string, unknown> };
    expect(error).toEqual({
      type: null,
      message: expect.stringMatching(message) as string,
      advice: null,
      exit: code,
    });
  });

  test('with the type and the advice of a workflow that failed', () => {
    const error = failed('acme/x could not plan: ', { type: 'NotFound', message: 'No Ingress.' });
    expect(error.message).toMatch(/^acme\/x could not plan: NotFound: No Ingress\. Check the name/);
    let document: unknown;
    const code = reportFatal(
      error,
      () => undefined,
      (told) => (document = told),
    );
    expect(code).toBe(6);
    expect(document).toEqual({
      error: {
        type: 'NotFound',
        message: 'No Ingress.',
        advice: failures.NotFound.advice,
        exit: 6,
      },
    });
  });
});

test.each([
  ['InvalidInput', 'usage'],
  ['InvalidSite', 'usage'],
  ['NotFound', 'notFound'],
  ['GateRejected', 'refused'],
  ['GateExpired', 'refused'],
  ['RolloutStuck', 'failed'],
  ['constructor', 'failed'],
  [null, 'failed'],
])('a workflow that failed with %s ends every command with %s', (type, exit) => {
  expect(exitOfFailure(type)).toBe(exit);
});

describe('workflows that do not answer', () => {
  const broken = () =>
    Promise.reject(
      new Error('Query failed', {
        cause: Object.assign(new Error('x'), { code: 9, details: 'Workflow Task in failed state' }),
      }),
    );
  const away = () =>
    Promise.reject(Object.assign(new Error('deadline'), { code: 4, details: 'deadline exceeded' }));

  test('hide no other one', async () => {
    const { answers, silent } = await settled(['a', 'b', 'c'], [
      Promise.resolve(1),
      broken(),
      Promise.resolve(3),
    ] as Promise<number>[]);
    expect(answers).toEqual([1, 3]);
    expect(silent).toEqual([
      { workflowId: 'b', doesNotAnswer: expect.stringContaining('cannot go on') as string },
    ]);
  });

  test('are named also where no other one is', async () => {
    expect((await settled(['a'], [broken()])).silent).toMatchObject([{ workflowId: 'a' }]);
  });

  test('mean that no worker runs where nobody answers', async () => {
    await expect(settled(['a', 'b'], [away(), away()])).rejects.toThrow('deadline');
  });
});

describe('errors of gRPC', () => {
  const grpc = (code: number, details: string) =>
    new Error('Failed to query Workflow', {
      cause: Object.assign(new Error(`${code} SOMETHING: ${details}`), { code, details }),
    });

  test.each([
    [4, 'deadline exceeded', 'unreachable', /No worker answers/],
    [9, 'no poller seen for task queue recently, worker may be down', 'unreachable', /No worker/],
    [9, 'Workflow Task in failed state', 'failed', /worker's log.*Workflow Task in failed state/],
    [14, 'connection refused', 'unreachable', /does not answer/],
    [16, 'bad token', 'unreachable', /refuses the credentials: bad token/],
    [5, 'workflow not found', 'notFound', /workflow not found/],
    [13, 'oops\nat somewhere', 'failed', /^oops$/],
  ])('%d %s', (code, details, exit, message) => {
    const explained = explain(grpc(code, details));
    expect(explained.exit).toBe(exit);
    expect(explained.message).toMatch(message);
  });
});
