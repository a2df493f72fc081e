/** Vault's KV version 2 engine: the stand-in in stand-ins/vault. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../component.ts';
import { endpoints, paths } from '../settings.ts';

const main = join(import.meta.dirname, '../stand-ins/vault/main.ts');

export const vault: Component = {
  name: 'vault',
  title: 'Vault (stand-in)',
  needs: [],
  async start(context) {
    await context.daemon('vault', process.execPath, [main]);
  },
  async ready() {
    try {
      const signal = AbortSignal.timeout(2_000);
      return (await fetch(`${endpoints.vault}/v1/sys/health`, { signal })).ok;
    } catch {
      return false;
    }
  },
  async stop(context) {
    await context.stopDaemon('vault');
  },
  async reset() {
    await rm(join(paths.state, 'vault'), { recursive: true, force: true });
  },
};
