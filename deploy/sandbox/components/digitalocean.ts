/** DigitalOcean's API, as far as the product calls it: the stand-in in stand-ins/digitalocean. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { ensureCertificateAuthority } from '../pki.ts';
import { endpoints, paths } from '../settings.ts';
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
    await context.stopDaemon('digitalocean');
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
