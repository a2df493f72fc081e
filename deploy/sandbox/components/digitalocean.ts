/**
 * DigitalOcean's API, as far as the product calls it: the stand-in in stand-ins/digitalocean. Database clusters that it
 * restores from backups are daemons of this component, beside the stand-in itself.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { createDaemons } from '../daemons.ts';
import { ensureCertificateAuthority } from '../pki.ts';
import { endpoints, paths } from '../settings.ts';
import { removeFirewall } from '../stand-ins/digitalocean/firewall.ts';
import { healthPath } from '../stand-ins/digitalocean/server.ts';

const main = join(import.meta.dirname, '../stand-ins/digitalocean/main.ts');

export const digitalocean: Component = {
  name: 'digitalocean',
  title: 'DigitalOcean API (stand-in)',
  needs: ['mysql', 'object-storage'],
  async start(context) {
    const { certFile } = await ensureCertificateAuthority('sandbox-ca');
    const env = { NODE_EXTRA_CA_CERTS: certFile };
    await context.daemon('digitalocean', process.execPath, [main], { env });
  },
  async ready() {
    return isHealthy(`${endpoints.digitalocean}${healthPath}`);
  },
  async stop(context) {
    // First, so that it starts no server while its servers are stopped.
    await context.stopDaemon('digitalocean');
    const daemons = createDaemons({
      ...{ stateDir: paths.state, pidDir: paths.pids, logDir: paths.logs },
    });
    for (const { name, component } of await daemons.records()) {
      // They flush their pages on SIGTERM; a kill would cost a recovery at the next start.
      if (component === this.name) await context.stopDaemon(name, { timeoutMs: 20_000 });
    }
    await removeFirewall();
  },
  async reset() {
    await rm(join(paths.state, 'digitalocean'), { recursive: true, force: true });
  },
};

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}
