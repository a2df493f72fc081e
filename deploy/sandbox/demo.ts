/**
 * `npm run demo`: brings the sandbox up, starts a worker in it and takes the site `acme` along the roadmap. At each gate it
 * shows the plan and asks; with `--yes` it approves by itself. The platform stays up afterwards.
 */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { sandboxCredentials } from './credentials.ts';
import { createDaemons } from './daemons.ts';
import { sandboxUp } from './engine.ts';
import { readEnvironment } from './environment.ts';
import { endpoints, paths } from './settings.ts';

const help = `npm run demo -- [options]

Brings up the sandbox and takes the site "acme" through the roadmap, asking at every gate.

  --to <phase>     last phase of the roadmap to run (default 1)
  --yes            approve every gate as "alice", without asking
  --json <file>    write the report, with every criterion and its evidence, to a file
  --help           this text

Examples
  npm run demo
  npm run demo -- --yes --to 1 --json out.json

Afterwards: "npx presslift sandbox down" stops everything, "npx presslift sandbox reset" forgets it as well.
`;

/** Runs the command line of this project with the sandbox's environment, on this terminal. */
async function presslift(
  args: string[],
  environment: Record<string, string>,
  output: 'inherit' | 'pipe' = 'inherit',
): Promise<{ status: number; stdout: string }> {
  const child = spawn(process.execPath, ['src/client/main.ts', ...args], {
    env: { ...process.env, ...environment },
    stdio: ['inherit', output, 'inherit'],
  });
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
  return { status, stdout };
}

async function demo(options: { to: string; yes: boolean; json?: string }): Promise<number> {
  await sandboxUp({ install: true });
  const environment = readEnvironment();
  const daemons = createDaemons({
    stateDir: paths.state,
    pidDir: paths.pids,
    logDir: paths.logs,
  });
  // A worker of an earlier demo would go on with the code of then.
  await daemons.stop('worker', { timeoutMs: 30_000 });
  await daemons.start('worker', 'worker', process.execPath, ['src/worker.ts'], {
    env: environment,
    cwd: process.cwd(),
  });

  const migrate = ['migrate', 'acme', '--to', options.to, '--as', 'alice', '--wait'];
  if (options.yes) migrate.push('--yes');
  if (options.json !== undefined) migrate.push('--json');
  const { status, stdout } = await presslift(
    migrate,
    environment,
    options.json === undefined ? 'inherit' : 'pipe',
  );
  if (options.json !== undefined) await writeFile(options.json, stdout);

  const { wordpressAdminPassword } = await sandboxCredentials();
  console.log(`
${status === 0 ? 'The site is where you wanted it.' : `The migration ended with status ${status}.`} The platform stays up.

  site           ${endpoints.acme}/         (CA: ${paths.pki}/sandbox-ca.crt)
  WP Admin       ${endpoints.acme}/wp-admin/   user admin, password ${wordpressAdminPassword}
  Temporal UI    ${endpoints.temporalUi}/
  worker's log   ${paths.logs}/worker.log
  kubectl        ${paths.state}/bin/kubectl --kubeconfig ${paths.adminKubeconfig} get pods -n acme

Next
  npx presslift status acme           what was done and measured
  npx presslift migrate acme --to 1   again: nothing left to do, everything is measured anew
  npx presslift sandbox down          stop everything
`);
  return status;
}

const { values } = parseArgs({
  options: {
    to: { type: 'string', default: '1' },
    yes: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
} else {
  process.exitCode = await demo(values);
}
