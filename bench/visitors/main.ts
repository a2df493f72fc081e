/**
 * `npm run bench:visitors`: how long visitors wait while the sandbox's site goes along the roadmap to phase 1, beside how long they
 * wait before and after, in one run. The site is reset first. See docs/guides/benchmarks.md.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { writeFile } from 'node:fs/promises';
import { resetAcme } from '../../deploy/sandbox/acme/reset.ts';
import { presslift, startWorker } from '../../test/e2e/support/platform.ts';
import { startVisitors, type VisitorSummary } from '../../test/e2e/support/visitors.ts';
import { runBenchmark, wholeNumber } from '../benchmark.ts';
import { statusOf } from '../recovery/report.ts';
import { compareVisitors, renderComparison } from './report.ts';

const help = `npm run bench:visitors -- [options]

Measures p95 of visitors before, during and after the roadmap to phase 1 on the sandbox's site, which is reset first.
Needs a sandbox that is up: npx presslift sandbox up

  --rate <n>      requests a second, default 6
  --seconds <n>   how long it measures before and after, default 60
  --json <file>   write the figures to a file
  --help          this text

Status: 0 as promised, 1 slower or a request failed, 2 the machine was too noisy to tell, 3 not measured.

Example:
  npm run bench:visitors -- --rate 4 --json visitors.json
`;

const longestMigrationSeconds = 900;

async function visitFor(name: string, perSecond: number, seconds: number): Promise<VisitorSummary> {
  console.error(`${name}: ${seconds} s`);
  const visitors = await startVisitors({ name, perSecond, seconds });
  await delay((seconds + 1) * 1_000);
  return visitors.finish();
}

async function migrating(perSecond: number): Promise<VisitorSummary> {
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

await runBenchmark({
  help,
  options: {
    rate: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '60' },
    json: { type: 'string' },
  },
  settingsOf: ({ rate, seconds, json }) => ({
    perSecond: wholeNumber('rate', rate, 1, 50),
    seconds: wholeNumber('seconds', seconds, 20, 600),
    json,
  }),
  async measure({ perSecond, seconds, json }) {
    await resetAcme();
    const worker = await startWorker();
    try {
      const before = await visitFor('before', perSecond, seconds);
      const during = await migrating(perSecond);
      const after = await visitFor('after', perSecond, seconds);
      const comparison = compareVisitors(before, during, after);
      console.log(renderComparison(comparison));
      if (json !== undefined) await writeFile(json, `${JSON.stringify(comparison, null, 2)}\n`);
      return statusOf([comparison]);
    } finally {
      await worker.stop();
    }
  },
});
