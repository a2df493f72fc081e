import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

export interface LayerResult {
  layer: string;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
  /** One line a test that failed: its file, its name and the first line of its error. */
  failures: string[];
}

/** The parts of vitest's JSON report that are counted. */
interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: {
    name: string;
    /** Of a file that could not be loaded. */
    message: string;
    status: string;
    assertionResults: { fullName: string; status: string; failureMessages?: string[] }[];
  }[];
}

/**
 * Runs one vitest project and counts what it ran. A file that could not even be loaded and a project without tests count as
 * one failure each: a run that tested nothing is not a green run.
 */
export async function runLayer(
  layer: string,
  options: { env?: Record<string, string>; args?: string[] } = {},
): Promise<LayerResult> {
  const folder = await mkdtemp(join(tmpdir(), 'presslift-test-'));
  const reportFile = join(folder, 'report.json');
  const startedAt = Date.now();
  const status = await new Promise<number>((resolve, reject) => {
    const vitest = spawn(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--project',
        layer,
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${reportFile}`,
        ...(options.args ?? []),
      ],
      { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...options.env } },
    );
    vitest.on('error', reject);
    vitest.on('exit', (code) => resolve(code ?? 1));
  });
  const report = await readReport(reportFile);
  await rm(folder, { recursive: true, force: true });
  const failures = report === null ? [] : failuresOf(report);
  const ranNothing = report === null || report.numPassedTests + report.numFailedTests === 0;
  return {
    layer,
    passed: report?.numPassedTests ?? 0,
    failed: failures.length > 0 ? failures.length : status !== 0 || ranNothing ? 1 : 0,
    skipped: report?.numPendingTests ?? 0,
    seconds: (Date.now() - startedAt) / 1000,
    failures,
  };
}

function failuresOf(report: VitestReport): string[] {
  return report.testResults.flatMap(({ name, message, status, assertionResults }) => {
    const file = relative(process.cwd(), name);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [`${file}: ${firstLine(message)}`] : [];
    return failed.map(
      ({ fullName, failureMessages = [] }) =>
        `${file} > ${fullName}: ${firstLine(failureMessages[0] ?? '')}`,
    );
  });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

async function readReport(file: string): Promise<VitestReport | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as VitestReport;
  } catch {
    return null;
  }
}

/** Prints one line a layer, one a failed test and the closing line; returns the exit status. */
export function summarize(results: LayerResult[]): number {
  const total = (pick: (result: LayerResult) => number) =>
    results.reduce((sum, result) => sum + pick(result), 0);
  console.log('\nlayer       passed  failed  skipped  seconds');
  for (const { layer, passed, failed, skipped, seconds } of results) {
    console.log(
      `${layer.padEnd(10)}  ${String(passed).padStart(6)}  ${String(failed).padStart(6)}  ` +
        `${String(skipped).padStart(7)}  ${seconds.toFixed(1).padStart(7)}`,
    );
  }
  const failures = results.flatMap((result) => result.failures);
  if (failures.length > 0) console.log(`\n${failures.map((line) => `FAILED ${line}`).join('\n')}`);
  console.log(`\n${total((r) => r.passed)} passed, ${total((r) => r.failed)} failed`);
  return total((r) => r.failed) === 0 ? 0 : 1;
}
