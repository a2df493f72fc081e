/**
 * `npm run bench:recovery`: backup and restore by Presslift's activities beside restic and the database's own tools in plain
 * Jobs, on the same data, in turns, in the running sandbox. See docs/guides/benchmarks.md.
 */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { runCommand } from '../../deploy/sandbox/command.ts';
import { runBenchmark, wholeNumber } from '../benchmark.ts';
import { kube, type SandboxKube } from './cluster.ts';
import { timeOperations } from './operations.ts';
import { startOrchestrator } from './orchestrator.ts';
import {
  emptyPrefix,
  emptyRestoredFiles,
  emptyRestoredSchema,
  makeData,
  makePlace,
  rawJob,
  removePlace,
} from './place.ts';
import { restoredFolder, type TaskResult } from './protocol.ts';
import {
  compare,
  growthOf,
  renderReport,
  statusOf,
  type BenchmarkReport,
  type Measurement,
  type MemoryUse,
} from './report.ts';
import { dataSet, place, tasks, type DataSet, type Side, type Task } from './settings.ts';

const help = `npm run bench:recovery -- [options]

Backs up and restores the same data by restic and the database's own tools alone and by Presslift, in turns, and prints the ratios.
Needs a sandbox that is up: npx presslift sandbox up

  --rounds <n>    rounds of all the data, default 8
  --share <s>     share of the data, above 0 and at most 1; ratios of little data say nothing
  --site acme     times a drill and rollbacks of this site, too; it must be at phase 1, with nobody else at work on it
  --only-site     nothing but the operations on --site
  --keep          leave the data and the namespace
  --json <file>   write the figures to a file
  --help          this text

Status: 0 as promised, 1 slower, 2 the machine was too noisy to tell, 3 not measured.

Examples:
  npm run bench:recovery -- --share 0.1
  npm run bench:recovery -- --only-site --site acme
`;

const taskTimeoutMs = 9 * 60_000;
const startedAt = new Date();
const log = (line: string): void => {
  const seconds = ((Date.now() - startedAt.getTime()) / 1_000).toFixed(0).padStart(5);
  console.error(`${seconds} s  ${line}`);
};

/** What a round of one side carries from task to task. */
type Made = Pick<TaskResult, 'files' | 'database'>;

async function measureRound(cluster: SandboxKube, round: number, data: DataSet) {
  const measurements: Measurement[] = [];
  const rawRepository = `raw-${round}`;
  const siteName = `bench${round}`;
  await rawJob(cluster, 'init', { repository: rawRepository });
  await rawJob(cluster, 'init', { repository: `presslift/${siteName}/restic` });
  await emptyRestoredFiles(cluster);
  const orchestrator = await startOrchestrator(taskTimeoutMs);
  let made: Made = { files: null, database: null };
  let peak = 0;
  let before: number | null = null;

  const bySide: Record<Side, (task: Task) => Promise<number>> = {
    async raw(task) {
      const schema = task === 'restore database' ? place.restoredSchema : data.schema;
      return (await rawJob(cluster, task, { repository: rawRepository, schema }, data)).ms;
    },
    async presslift(task) {
      const result = await orchestrator.run({ task, siteName, data, ...made });
      made = { files: result.files, database: result.database };
      peak = Math.max(peak, result.peak);
      before ??= result.before;
      return result.ms;
    },
  };

  try {
    // Who is first changes from round to round and from task to task: caches and neighbours favour nobody.
    for (const [index, task] of tasks.entries()) {
      const sides: Side[] = (round + index) % 2 === 0 ? ['raw', 'presslift'] : ['presslift', 'raw'];
      for (const side of sides) {
        if (task === 'restore database') await emptyRestoredSchema();
        await forgetFiles();
        const ms = await bySide[side](task);
        measurements.push({ round, side, task, ms });
        log(`round ${round}  ${side.padEnd(9)}  ${task.padEnd(16)}  ${(ms / 1_000).toFixed(1)} s`);
      }
      if (task === 'restore files') await checkRestored(cluster, data);
    }
  } finally {
    orchestrator.end();
  }
  for (const prefix of [rawRepository, `presslift/${siteName}`]) await emptyPrefix(cluster, prefix);
  const dataBytes = data.fileBytes + data.databaseBytes;
  const memory: MemoryUse = { data: data.name, dataBytes, before: before ?? 0, peak };
  return { measurements, memory };
}

/** What the machine has read or not yet written favours nobody: every task begins with files that are on disk alone. */
async function forgetFiles(): Promise<void> {
  await runCommand('sync', []);
  await writeFile('/proc/sys/vm/drop_caches', '1');
}

/** Both sides have restored every file, or nothing was measured. */
async function checkRestored(cluster: SandboxKube, data: DataSet): Promise<void> {
  for (const folder of ['raw', restoredFolder]) {
    const { log: counted } = await rawJob(cluster, 'count', { folder });
    if (Number(counted) !== data.files) {
      throw new Error(`${folder} restored ${counted.trim()} files, not ${data.files}`);
    }
  }
}

interface Settings {
  rounds: number;
  share: number;
  /** Whose operations are timed besides. */
  site: string | undefined;
  onlySite: boolean;
  keep: boolean;
}

async function compareSides(
  { rounds, share, keep }: Settings,
  report: BenchmarkReport,
): Promise<void> {
  const cluster = await kube();
  const [whole, tenth] = dataOf(share);
  let cleaning: Promise<void> | undefined;
  // Once, whether the end, an error or a signal asks for it first.
  const cleanUp = () => (cleaning ??= removePlace(cluster, [whole, tenth], log));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void cleanUp().finally(() => process.exit(130));
    });
  }
  try {
    await makePlace(cluster, log);
    await makeData(cluster, tenth, log);
    await makeData(cluster, whole, log);
    // The small data is not compared: what is left of it is the memory that it took.
    report.memory.push((await measureRound(cluster, 0, tenth)).memory);
    for (let round = 1; round <= rounds; round += 1) {
      const { measurements, memory } = await measureRound(cluster, round, whole);
      report.measurements.push(...measurements);
      report.memory.push(memory);
    }
  } finally {
    if (keep) log(`${place.namespace} is kept`);
    else await cleanUp();
  }
}

function dataOf(share: number): [whole: DataSet, tenth: DataSet] {
  return [dataSet('whole', share), dataSet('tenth', share / 10)];
}

function emptyReport({ rounds, share }: Settings): BenchmarkReport {
  const [{ files, fileBytes, databaseBytes }] = dataOf(share);
  return {
    startedAt: startedAt.toISOString(),
    machine: { cpus: cpus().length, memoryBytes: totalmem(), loadAverage: loadavg()[0]! },
    data: { files, fileBytes, databaseBytes },
    rounds,
    comparisons: [],
    memory: [],
    memoryGrowthBytes: null,
    timings: [],
    measurements: [],
  };
}

await runBenchmark({
  help,
  options: {
    rounds: { type: 'string', default: '8' },
    share: { type: 'string', default: '1' },
    json: { type: 'string' },
    site: { type: 'string' },
    'only-site': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
  settingsOf({ rounds, share, site, 'only-site': onlySite, keep, json }) {
    if (site !== undefined && site !== 'acme') throw new Error('--site is acme');
    if (onlySite && site === undefined) throw new Error('--only-site needs --site acme');
    const settings = { rounds: wholeNumber('rounds', rounds, 1, 20), share: Number(share) };
    if (!(settings.share > 0 && settings.share <= 1)) {
      throw new Error('--share is above 0 and at most 1');
    }
    return { ...settings, site, onlySite, keep, json };
  },
  async measure({ json, ...settings }) {
    const report = emptyReport(settings);
    if (!settings.onlySite) await compareSides(settings, report);
    if (settings.site !== undefined) report.timings = await timeOperations(settings.site, log);
    report.comparisons = compare(report.measurements);
    report.memoryGrowthBytes = growthOf(report.memory);
    console.log(renderReport(report));
    if (json !== undefined) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
    const promised = report.comparisons.filter(
      ({ what }) => what === 'backup' || what === 'restore',
    );
    return statusOf([...promised, ...report.timings]);
  },
});
