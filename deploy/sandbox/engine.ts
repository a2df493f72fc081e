/** The sandbox as four verbs: up, down, status, reset. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { components as allComponents } from './components/index.ts';
import { sandboxCredentials } from './credentials.ts';
import { createDaemons } from './daemons.ts';
import { inDependencyOrder, withDependents, withNeeds } from './dependencies.ts';
import { mountsBelow, takeDown } from './down.ts';
import { sandboxEnvironment, writeEnvironment } from './environment.ts';
import type { EngineHost } from './host.ts';
import { contextFor } from './host.ts';
import { removeHostsBlock } from './hosts-file.ts';
import { lockSandbox } from './lock.ts';
import { writeMachineNames } from './names.ts';
import { assertMachine } from './preflight.ts';
import { rememberedPrograms } from './program-dirs.ts';
import type { OnProgress } from './progress.ts';
import { givenEndpoints, remaining, replacedComponents } from './replaced.ts';
import { paths } from './settings.ts';
import type { ComponentStatus } from './status.ts';
import { statusOf } from './status.ts';
import { bringUp } from './up.ts';

export { ComponentError } from './up.ts';
export { DependencyError } from './dependencies.ts';
export { PreflightError } from './preflight.ts';
export { SandboxBusyError } from './lock.ts';
export type { ComponentStatus } from './status.ts';
export type { OnProgress, SandboxProgress } from './progress.ts';

export interface SandboxOptions {
  /** These components, with all they need (`up`) or all that need them (`down`). Everything by default. */
  only?: readonly string[];
  onProgress?: OnProgress;
  /** Ends the work; what runs by then stays and is taken up by the next `up` or `down`. */
  signal?: AbortSignal;
}

export interface SandboxUpOptions extends SandboxOptions {
  /** Installs missing Debian packages. Otherwise they are named and nothing is begun. */
  install?: boolean;
}

export interface SandboxUpReport {
  /** Components that were started; none when all of them stood already. */
  started: string[];
  /** Components that an endpoint of the user takes the place of, with the reason. */
  replaced: Record<string, string>;
  elapsedMs: number;
  /** File with the environment of the worker and the command line. */
  environmentFile: string;
}

/**
 * Brings the sandbox up and resolves when every component is ready. Once more is a no-op; after a killed `up` it goes
 * on from there. Rejects with `PreflightError` before anything is done when the machine lacks something, with
 * `ComponentError` when a component fails, with `SandboxBusyError` while another process works on the sandbox.
 */
export async function sandboxUp(options: SandboxUpOptions = {}): Promise<SandboxUpReport> {
  assertMachine();
  const begun = Date.now();
  const { only, install = false, onProgress, signal } = options;
  const given = givenEndpoints();
  const replaced = replacedComponents(allComponents, given);
  const present = remaining(allComponents, replaced);
  const chosen = only
    ? withNeeds(
        present,
        only.filter((name) => !replaced.has(name)),
      )
    : inDependencyOrder(present);
  const unlock = await lockSandbox(paths.state, 'sandbox up');
  try {
    await claimStateDir();
    const host = await engineHost(signal);
    const started = await bringUp(host, {
      components: chosen,
      install,
      onProgress,
      beforeStart: writeMachineNames,
    });
    // Also when nothing was started: somebody may have removed them.
    await writeMachineNames();
    await writeEnvironment(await sandboxEnvironment(host.credentials, given));
    return {
      started,
      replaced: Object.fromEntries(replaced),
      elapsedMs: Date.now() - begun,
      environmentFile: paths.environment,
    };
  } finally {
    await unlock();
  }
}

/** Takes the sandbox down; data, logs and the cache stay. Leaves no process, mount, interface or rule behind. */
export async function sandboxDown(options: SandboxOptions = {}): Promise<void> {
  assertMachine();
  const unlock = await lockSandbox(paths.state, 'sandbox down');
  try {
    await down(options);
  } finally {
    await unlock();
  }
}

/** Where every component stands, in the order in which they start. */
export async function sandboxStatus(
  options: Pick<SandboxOptions, 'signal'> = {},
): Promise<ComponentStatus[]> {
  assertMachine();
  const ordered = inDependencyOrder(allComponents);
  const replaced = replacedComponents(allComponents, givenEndpoints());
  const present = new Map(remaining(ordered, replaced).map((each) => [each.name, each]));
  const all = ordered.map((each) => present.get(each.name) ?? each);
  if (!isClaimed()) {
    return all.map(({ name, title }) => ({ name, title, state: 'stopped', daemons: [] }));
  }
  return statusOf(await engineHost(options.signal), all, replaced);
}

/** Takes the sandbox down and forgets its state: databases, volumes, certificates, passwords. The cache stays. */
export async function sandboxReset(
  options: Pick<SandboxOptions, 'onProgress' | 'signal'> = {},
): Promise<void> {
  assertMachine();
  const unlock = await lockSandbox(paths.state, 'sandbox reset');
  try {
    await down(options);
    if (!isClaimed()) return;
    const host = await engineHost(options.signal);
    for (const component of inDependencyOrder(allComponents).reverse()) {
      await component.reset?.(contextFor(component, host));
    }
    await removeStateDir();
  } finally {
    await unlock();
  }
}

async function down({ only, onProgress, signal }: SandboxOptions): Promise<void> {
  // Also what is replaced: it may run from a time when it was not.
  const chosen = only ? withDependents(allComponents, only) : inDependencyOrder(allComponents);
  // Without a state folder there was no `up`.
  if (!isClaimed()) return removeHostsBlock();
  const host = await engineHost(signal);
  await takeDown(host, chosen, onProgress);
  if (only) return;
  await host.daemons.sweep();
  await removeHostsBlock();
  await rm(paths.environment, { force: true });
  const mounts = await mountsBelow(paths.state);
  if (mounts.length > 0) throw new Error(`Still mounted: ${mounts.join(', ')}`);
}

async function engineHost(signal: AbortSignal | undefined): Promise<EngineHost> {
  return {
    daemons: createDaemons({ stateDir: paths.state, pidDir: paths.pids, logDir: paths.logs }),
    credentials: await sandboxCredentials(),
    programDirs: await rememberedPrograms(),
    signal: signal ?? new AbortController().signal,
  };
}

/** Says that the folder is a sandbox's, so that `reset` removes no other one. */
const claimFile = join(paths.state, '.presslift-sandbox');

function isClaimed(): boolean {
  return existsSync(claimFile);
}

async function claimStateDir(): Promise<void> {
  await mkdir(paths.state, { recursive: true, mode: 0o755 });
  if (isClaimed()) return;
  const ours = ['logs', 'pki', 'credentials.json'];
  const strange = (await readdir(paths.state)).filter((name) => !ours.includes(name));
  if (strange.length > 0) {
    throw new Error(
      `${paths.state} holds other things (${strange.slice(0, 3).join(', ')}); choose an empty folder as PRESSLIFT_SANDBOX_DIR`,
    );
  }
  await writeFile(
    claimFile,
    'State of a Presslift sandbox. "presslift sandbox reset" removes it.\n',
  );
}

async function removeStateDir(): Promise<void> {
  const mounts = await mountsBelow(paths.state);
  if (mounts.length > 0) throw new Error(`Still mounted, so not removed: ${mounts.join(', ')}`);
  await rm(paths.state, { recursive: true, force: true });
}
