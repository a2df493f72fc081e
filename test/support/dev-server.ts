import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { buildGoPrograms, defaultCacheDir } from '../../deploy/sandbox/build/go-programs.ts';
import { quietRuntime } from './temporal-harness.ts';

/**
 * The real server, in memory: for what the time-skipping one does not check. TEMPORAL_CLI names another executable
 * than the one that the project builds. `dynamicConfig` are settings of the server such as its limits.
 */
export async function startDevServer(
  dynamicConfig: Record<string, number> = {},
): Promise<{ address: string; stop(): Promise<void> }> {
  quietRuntime();
  const environment = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await temporalCli() },
      extraArgs: Object.entries(dynamicConfig).flatMap(([key, value]) => [
        '--dynamic-config-value',
        `${key}=${value}`,
      ]),
    },
  });
  return { address: environment.address, stop: () => environment.teardown() };
}

async function temporalCli(): Promise<string> {
  if (process.env.TEMPORAL_CLI !== undefined) return process.env.TEMPORAL_CLI;
  const { temporal } = await buildGoPrograms({ names: ['temporal'], cacheDir: defaultCacheDir() });
  return join(temporal, 'temporal');
}
