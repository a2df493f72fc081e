import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildGoPrograms, defaultCacheDir } from '../../../deploy/sandbox/build/go-programs.ts';
import { sandboxCredentials } from '../../../deploy/sandbox/credentials.ts';
import { endpoints, paths } from '../../../deploy/sandbox/settings.ts';

export interface VisitorSummary {
  requests: number;
  failed: number;
  sessionLost: number;
  dropped: number;
  p95Ms: number | null;
  p99Ms: number | null;
}

export interface Visitors {
  /** Ends the visits (or waits for their own end) and gives the figures. */
  finish(): Promise<VisitorSummary>;
}

/**
 * k6 visitors at a constant rate against the ingress on this machine's loopback; ends by itself after `seconds`.
 */
export async function startVisitors(options: {
  name: string;
  perSecond: number;
  seconds: number;
}): Promise<Visitors> {
  const programs = await buildGoPrograms({ names: ['k6'], cacheDir: defaultCacheDir() });
  const { wordpressAdminPassword } = await sandboxCredentials();
  const summary = join(paths.logs, `visitors-${options.name}.json`);
  const log = openSync(join(paths.logs, `visitors-${options.name}.log`), 'w');
  const child = spawn(
    join(programs.k6, 'k6'),
    ['run', '--quiet', '--no-usage-report', '--address', '', 'test/e2e/visitors.k6.js'],
    {
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        SSL_CERT_FILE: join(paths.pki, 'sandbox-ca.crt'),
        BASE_URL: endpoints.acme,
        RATE: String(options.perSecond),
        DURATION: `${options.seconds}s`,
        ADMIN_PASSWORD: wordpressAdminPassword,
        SUMMARY: summary,
      },
    },
  );
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => resolve());
  });
  return {
    async finish() {
      child.kill('SIGINT');
      await ended;
      return JSON.parse(await readFile(summary, 'utf8')) as VisitorSummary;
    },
  };
}
