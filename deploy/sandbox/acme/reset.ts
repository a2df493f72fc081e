/** Takes the site `acme` alone back to what it is before the roadmap. Runs alone, too: `node deploy/sandbox/acme/reset.ts`. */
import { realpathSync } from 'node:fs';
import { sandboxCredentials } from '../credentials.ts';
import { kube } from '../kube.ts';
import { lockSandbox } from '../lock.ts';
import { paths } from '../settings.ts';
import type { SeedReport } from './site.ts';
import { setUpSite } from './site.ts';

/**
 * Deletes every object in the site's namespace and its database, and sets the site up again from the saved copy. The
 * rest of the sandbox stays as it is, also the bucket and the keys that phase 0 made. Rejects with `SandboxBusyError`
 * while another process brings the sandbox up or down.
 */
export async function resetAcme(
  options: { progress?: (line: string) => void; signal?: AbortSignal } = {},
): Promise<SeedReport> {
  const unlock = await lockSandbox(paths.state, 'reset of the site acme');
  try {
    return await setUpSite({
      cluster: await kube(),
      credentials: await sandboxCredentials(),
      progress: options.progress ?? (() => undefined),
      signal: options.signal,
    });
  } finally {
    await unlock();
  }
}

// import.meta.main would say the same, but not in all supported versions of Node.
if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  const startedAt = Date.now();
  const seconds = (): string => ((Date.now() - startedAt) / 1000).toFixed(1);
  const report = await resetAcme({ progress: (line) => console.log(`${seconds()} s  ${line}`) });
  console.log(`${seconds()} s  ${JSON.stringify(report)}`);
}
