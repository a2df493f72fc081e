/** The registry that the kubelet pulls the sandbox's images from. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Component } from '../component.ts';
import { network, paths, ports } from '../settings.ts';

const home = join(paths.state, 'registry');
const settingsFile = join(home, 'config.yaml');

/** The package's own settings ask for a password file; without `auth` nobody is asked. */
const settings = {
  version: 0.1,
  log: { level: 'warn', accesslog: { disabled: true } },
  storage: { filesystem: { rootdirectory: join(home, 'data') }, delete: { enabled: true } },
  http: { addr: `${network.loopback}:${ports.registry}` },
};

export const registry: Component = {
  name: 'registry',
  title: 'Container registry',
  needs: [],
  packages: ['docker-registry'],
  async start(context) {
    await mkdir(home, { recursive: true });
    await writeFile(settingsFile, stringify(settings));
    await context.daemon('registry', 'docker-registry', ['serve', settingsFile]);
  },
  async ready(context) {
    if (!(await context.isRunning('registry'))) return false;
    const url = `http://${network.loopback}:${ports.registry}/v2/`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return answer.ok;
  },
  stop: (context) => context.stopDaemon('registry'),
  reset: () => rm(home, { recursive: true, force: true }),
};
