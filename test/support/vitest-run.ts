import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface LayerResult {
  layer: string;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
}

/** The parts of vitest's JSON report that are counted. */
interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numFailedTestSuites: number;
  numTotalTests: number;
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
  const failedTests = report?.numFailedTests ?? 0;
  const ranNothing = report === null || report.numPassedTests + failedTests === 0;
  return {
    layer,
    passed: report?.numPassedTests ?? 0,
    failed: failedTests > 0 ? failedTests : status !== 0 || ranNothing ? 1 : 0,
    skipped: report?.numPendingTests ?? 0,
    seconds: (Date.now() - startedAt) / 1000,
  };
}

async function readReport(file: string): Promise<VitestReport | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as VitestReport;
  } catch {
    return null;
  }
}

/** Prints one line a layer and the closing line; returns the exit status. */
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
  console.log(`\n${total((r) => r.passed)} passed, ${total((r) => r.failed)} failed`);
  return total((r) => r.failed) === 0 ? 0 : 1;
}
