import { access, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  DefaultLogger,
  type Logger as TemporalLogger,
  type WorkflowBundleOption,
} from '@temporalio/worker';

const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Where `npm run build` puts the bundle and production takes it from. */
export const workflowBundlePath = fromHere('../../dist/workflow-bundle.js');

/** What a bundle is made of; replay tests take the same, so that they replay what production runs. */
export const workflowSources = {
  workflowsPath: fromHere('../workflows/index.ts'),
  workflowInterceptorModules: [fromHere('./workflow-trace-headers.ts')],
};

/** The prebuilt workflow bundle is not there although it must be used. */
export class WorkflowBundleMissingError extends Error {
  override readonly name = 'WorkflowBundleMissingError';
}

/**
 * The workflow code for a worker. In production the prebuilt bundle, so that every start runs exactly what was built and
 * tested; otherwise made now (one to two seconds).
 *
 * @throws WorkflowBundleMissingError in production when `npm run build` was not run; nothing falls back silently
 */
export async function workflowBundle(options: {
  production: boolean;
  logger: TemporalLogger;
}): Promise<WorkflowBundleOption> {
  if (!options.production) {
    return bundleWorkflowCode({ ...workflowSources, logger: options.logger });
  }
  try {
    await access(workflowBundlePath);
  } catch (error) {
    throw new WorkflowBundleMissingError(
      `The workflow bundle ${workflowBundlePath} is missing, and NODE_ENV is production. Run \`npm run build\`.`,
      { cause: error },
    );
  }
  return { codePath: workflowBundlePath };
}

/** Writes the bundle for production; a worker that starts meanwhile sees the old one or the new one, whole. */
async function build(): Promise<void> {
  const { code } = await bundleWorkflowCode({
    ...workflowSources,
    logger: new DefaultLogger('WARN'),
  });
  await mkdir(dirname(workflowBundlePath), { recursive: true });
  const temporary = `${workflowBundlePath}.${process.pid}`;
  await writeFile(temporary, code);
  await rename(temporary, workflowBundlePath);
  process.stdout.write(
    `${workflowBundlePath}: ${(Buffer.byteLength(code) / 1024 / 1024).toFixed(1)} MB\n`,
  );
}

if (import.meta.main) await build();
