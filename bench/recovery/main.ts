/**
 * `npm run bench:recovery`: backup and restore by Presslift's activities beside restic and the database's own tools in plain
 * Jobs, on the same data, in turns, in the running sandbox. See docs/guides/benchmarks.md.
 */
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { runCommand } from '../../deploy/sandbox/command.ts';
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

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    /** Share of the whole data, for a quick look; ratios of little data say nothing. */
    share: { type: 'string', default: '1' },
    json: { type: 'string' },
    /** Times a drill and rollbacks of this site, too; it must be the sandbox's, at phase 1, with nobody else at work on it. */
    site: { type: 'string' },
    /** Nothing but the operations on `--site`. */
    'only-site': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const share = Number(values.share);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20) throw new Error('--rounds is 1 to 20');
if (values.site !== undefined && values.site !== 'acme') throw new Error('--site is acme');
if (!(share > 0 && share <= 1)) throw new Error('--share is above 0 and at most 1');

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

const cluster = await kube();
const whole = dataSet('whole', share);
const tenth = dataSet('tenth', share / 10);
const report: BenchmarkReport = {
  startedAt: startedAt.toISOString(),
  machine: { cpus: cpus().length, memoryBytes: totalmem(), loadAverage: loadavg()[0]! },
  data: { files: whole.files, fileBytes: whole.fileBytes, databaseBytes: whole.databaseBytes },
  ...{
    rounds,
    comparisons: [],
    memory: [],
    memoryGrowthBytes: null,
    timings: [],
    measurements: [],
  },
};

let cleaning: Promise<void> | undefined;

/** Once, whether the end, an error or a signal asks for it first. */
function cleanUp(): Promise<void> {
  return (cleaning ??= removePlace(cluster, [whole, tenth], log));
}

async function compareSides(): Promise<void> {
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
    if (values.keep) log(`${place.namespace} is kept`);
    else await cleanUp();
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void cleanUp().finally(() => process.exit(130));
  });
}

if (!values['only-site']) await compareSides();
if (values.site !== undefined) report.timings = await timeOperations(values.site, log);
report.comparisons = compare(report.measurements);
report.memoryGrowthBytes = growthOf(report.memory);
console.log(renderReport(report));
if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
const promised = report.comparisons.filter(({ what }) => what === 'backup' || what === 'restore');
process.exitCode = statusOf([...promised, ...report.timings]);
