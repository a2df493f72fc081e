/** Vitest global setup of the layers that run workflows: the bundle is built once and the server found once. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, bundleWorkflowCode } from '@temporalio/worker';
import type { TestProject } from 'vitest/node';
import { findTestServer } from './temporal-server.ts';
import type { FoundServer } from './temporal-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** File with the code of all workflows. */
    workflowBundle: string;
    testServer: FoundServer | null;
  }
}

/** Code of all workflow types, as a worker loads it. */
export async function bundleWorkflows(): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(import.meta.dirname, '../../src/workflows/index.ts'),
    logger: new DefaultLogger('WARN'),
  });
  return code;
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'presslift-workflows-'));
  const bundle = join(folder, 'bundle.js');
  const replays = project.name === 'replay';
  const [code, server] = await Promise.all([
    bundleWorkflows(),
    replays ? null : findTestServer((line) => console.log(line)),
  ]);
  await writeFile(bundle, code);
  project.provide('workflowBundle', bundle);
  project.provide('testServer', server);
  return () => rm(folder, { recursive: true, force: true });
}
