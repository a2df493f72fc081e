/** Cloudflare's API, as far as the product calls it: the stand-in in stand-ins/cloudflare. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { endpoints, paths } from '../settings.ts';
import { healthPath } from '../stand-ins/cloudflare/server.ts';

const main = join(import.meta.dirname, '../stand-ins/cloudflare/main.ts');

export const cloudflare: Component = {
  name: 'cloudflare',
  title: 'Cloudflare API (stand-in)',
  needs: [],
  async start(context) {
    await context.daemon('cloudflare', process.execPath, [main]);
  },
  async ready() {
    try {
      const signal = AbortSignal.timeout(2_000);
      return (await fetch(`${endpoints.cloudflare}${healthPath}`, { signal })).ok;
    } catch {
      return false;
    }
  },
  async stop(context) {
    await context.stopDaemon('cloudflare');
  },
  async reset() {
    await rm(join(paths.state, 'cloudflare'), { recursive: true, force: true });
  },
};
