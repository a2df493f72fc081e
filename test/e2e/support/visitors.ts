import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
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
  /**
   * Ends the visits (or waits for their own end) and gives the figures.
   * @throws when k6 did not run, or made fewer visits than it was told to: then it says nothing that none failed.
   */
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
  // What an earlier run saw must not be taken for this one.
  await rm(summary, { force: true });
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
  const began = Date.now();
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => resolve(status));
  });
  return {
    async finish() {
      child.kill('SIGINT');
      const status = await ended;
      // 105: ended by a signal, as asked for; 99: a threshold was crossed, which the caller's own counts tell better.
      if (status !== 0 && status !== 99 && status !== 105) {
        throw new Error(`k6 ended with ${status}; see ${paths.logs}/visitors-${options.name}.log`);
      }
      const seen = JSON.parse(await readFile(summary, 'utf8')) as VisitorSummary;
      const seconds = Math.min(options.seconds, (Date.now() - began) / 1_000);
      // It needs a few seconds to begin; a visit is one request at least.
      const due = Math.floor(options.perSecond * Math.max(0, seconds - 5) * 0.8);
      if (seen.requests < due) {
        throw new Error(
          `k6 made ${seen.requests} requests in ${Math.round(seconds)} s, not ${due}`,
        );
      }
      return seen;
    },
  };
}
