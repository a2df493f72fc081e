/**
 * How long whole operations take on a site of the sandbox at phase 1, by its own command line: a drill on a fresh backup, and
 * rollbacks after real damage.
 */
import type { OperationReport, Step } from '../../src/domain/operation.ts';
import {
  eventually,
  inPod,
  kubectl,
  presslift,
  readyPods,
  startWorker,
  wpContent,
} from '../../test/e2e/support/platform.ts';
import type { Timing } from './report.ts';

/** What the roadmap promises, in milliseconds. */
export const promisedMs = { drill: 90_000, rollback: 30_000 } as const;

const timeoutMs = 9 * 60_000;
const person = 'alice';

/** Starts a worker of its own, measures, and ends it. The site is left as it was found. */
export async function timeOperations(site: string, log: (line: string) => void): Promise<Timing[]> {
  const worker = await startWorker();
  try {
    log(`taking a recovery point of ${site}`);
    const { recoveryPoint } = (await finished(['backup', site])).report;
    if (recoveryPoint === null) throw new Error('The backup has made no recovery point');
    const timings: Timing[] = [];
    log('drill');
    const drill = await finished(['drill', site]);
    timings.push(timing('drill, fresh backup in it', drill.ms, promisedMs.drill));
    for (const [layer, damage] of Object.entries(damages)) {
      log(`rollback of ${layer} after damage`);
      await damage();
      const back = ['rollback', site, '--point', recoveryPoint.id, '--layers', layer];
      const { report } = await finished(back);
      timings.push(
        timing(`rollback of ${layer}`, sinceApproval(report.steps), promisedMs.rollback),
      );
      logSteps(report.steps, log);
      const changes = report.steps.filter(({ id }) => layerChanges[layer]!.includes(id));
      timings.push(timing('  its changes alone', span(changes), promisedMs.rollback));
    }
    return timings;
  } finally {
    await worker.stop();
  }
}

/** Damage by layer that visitors do not meet, so that it can be measured beside others' work. */
const damages: Record<string, () => Promise<void>> = {
  async 'plugins-themes'() {
    const [pod] = await readyPods();
    if (!pod) throw new Error('The site has no ready pod');
    await inPod(pod.metadata.name, ['rm', '-r', `${wpContent}/plugins/akismet`]);
  },
  async app() {
    const value = 'localhost:5000/presslift/wordpress:never-built';
    const path = '/spec/template/spec/containers/0/image';
    await kubectl([
      ...['patch', 'deployment', 'wordpress', '-n', 'acme', '--type', 'json'],
      ...['-p', JSON.stringify([{ op: 'replace', path, value }])],
    ]);
    await eventually('a pod that cannot pull its image', async () => {
      const pods = await kubectl(['get', 'pods', '-n', 'acme']);
      return /ImagePull|ErrImage/.test(pods) ? true : undefined;
    });
  },
};

/** Steps of the plan that a layer has; a step has the id of its change. */
const layerChanges: Record<string, readonly string[]> = {
  'plugins-themes': ['stage-extensions', 'switch-extensions', 'restore-options'],
  app: ['restore-app'],
};

/** Runs an operation to its end and takes its report. Rejects unless it did all it should. */
async function finished(args: string[]): Promise<{ report: OperationReport; ms: number }> {
  const from = performance.now();
  const { stdout, stderr, status } = await presslift(
    [...args, '--wait', '--yes', '--as', person, '--json'],
    { timeoutMs },
  );
  const ms = performance.now() - from;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr || stdout}`);
  const { report } = JSON.parse(stdout) as { report: OperationReport };
  const failed = report.criteria.filter(({ pass }) => !pass).map(({ id }) => id);
  if (failed.length > 0)
    throw new Error(`${args.join(' ')}: not as it should be: ${failed.join()}`);
  return { report, ms };
}

/** From when a person said yes to the end: recovery point, changes and verification. */
function sinceApproval(steps: readonly Step[]): number {
  const approval = steps.find(({ id }) => /(^|-)apply$/.test(id))?.endedAt;
  if (typeof approval !== 'string') throw new Error('The report has no approval');
  return lastEnd(steps) - Date.parse(approval);
}

/** Where the time went, a line a step, in the order in which they began. */
function logSteps(steps: readonly Step[], log: (line: string) => void): void {
  for (const step of steps) {
    if (step.startedAt !== null && step.endedAt !== null) {
      log(`  ${step.id} ${(span([step]) / 1000).toFixed(1)} s`);
    }
  }
}

function span(steps: readonly Step[]): number {
  const starts = steps.flatMap(({ startedAt }) =>
    startedAt === null ? [] : [Date.parse(startedAt)],
  );
  return starts.length === 0 ? 0 : lastEnd(steps) - Math.min(...starts);
}

function lastEnd(steps: readonly Step[]): number {
  return Math.max(...steps.map(({ endedAt }) => (endedAt === null ? 0 : Date.parse(endedAt))));
}

function timing(what: string, ms: number, allowedMs: number): Timing {
  return { what, ms, allowedMs, pass: ms <= allowedMs };
}
