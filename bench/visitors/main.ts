/**
 * `npm run bench:visitors`: how long visitors wait while the sandbox's site goes along the roadmap to phase 1, beside how long they
 * wait before and after, in one run. The site is reset first. See docs/guides/benchmarks.md.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { resetAcme } from '../../deploy/sandbox/acme/reset.ts';
import { presslift, startWorker } from '../../test/e2e/support/platform.ts';
import { startVisitors, type VisitorSummary } from '../../test/e2e/support/visitors.ts';
import { statusOf } from '../recovery/report.ts';
import { compareVisitors, renderComparison } from './report.ts';

const help = `npm run bench:visitors -- [options]

Measures p95 of visitors before, during and after the roadmap to phase 1 on the sandbox's site, which is reset first.
Needs a sandbox that is up: npx presslift sandbox up

  --rate <n>      requests a second, default 6
  --seconds <n>   how long it measures before and after, default 60
  --json <file>   write the figures to a file
  --help          this text

Status: 0 as promised, 1 slower or a request failed, 2 the machine was too noisy to tell.
`;

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '60' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const perSecond = Number(values.rate);
const seconds = Number(values.seconds);
if (!Number.isInteger(perSecond) || perSecond < 1 || perSecond > 50) {
  throw new Error('--rate is 1 to 50');
}
if (!Number.isInteger(seconds) || seconds < 20 || seconds > 600) {
  throw new Error('--seconds is 20 to 600');
}

const longestMigrationSeconds = 900;

async function visitFor(name: string): Promise<VisitorSummary> {
  console.error(`${name}: ${seconds} s`);
  const visitors = await startVisitors({ name, perSecond, seconds });
  await delay((seconds + 1) * 1_000);
  return visitors.finish();
}

async function migrating(): Promise<VisitorSummary> {
  console.error('during: the roadmap to phase 1');
  const visitors = await startVisitors({
    name: 'during',
    perSecond,
    seconds: longestMigrationSeconds,
  });
  const { status, stderr } = await presslift(
    ['migrate', 'acme', '--to', '1', '--wait', '--yes', '--as', 'alice', '--json'],
    { timeoutMs: longestMigrationSeconds * 1_000 },
  );
  const seen = await visitors.finish();
  if (status !== 0) throw new Error(`The migration ended with ${status}: ${stderr}`);
  return seen;
}

if (values.help) {
  console.log(help);
} else {
  await resetAcme();
  const worker = await startWorker();
  try {
    const before = await visitFor('before');
    const during = await migrating();
    const comparison = compareVisitors(before, during, await visitFor('after'));
    console.log(renderComparison(comparison));
    if (values.json !== undefined) {
      await writeFile(values.json, `${JSON.stringify(comparison, null, 2)}\n`);
    }
    process.exitCode = statusOf([comparison]);
  } finally {
    await worker.stop();
  }
}
