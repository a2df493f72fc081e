import type { Component, ComponentContext } from './component.ts';
import { runCommand } from './command.ts';
import type { SandboxCredentials } from './credentials.ts';
import type { DaemonRecord, Daemons } from './daemons.ts';
import { isSameProcess } from './process-identity.ts';

/** What the engine has in hand while it works on components. */
export interface EngineHost {
  daemons: Daemons;
  credentials: SandboxCredentials;
  /** Program to the folder of its binaries; filled by the build, or from what the last `up` used. */
  programDirs: Map<string, string>;
  signal: AbortSignal;
}

/** The context that a component works with. */
export function contextFor(
  component: Component,
  { daemons, credentials, programDirs, signal }: EngineHost,
  progress: (line: string) => void = () => undefined,
): ComponentContext {
  return {
    signal,
    credentials,
    progress,
    programDir(name) {
      const dir = programDirs.get(name);
      if (!component.programs?.includes(name)) {
        throw new Error(`${component.name} does not name ${name} in its programs`);
      }
      if (dir === undefined) throw new Error(`The program ${name} has not been built`);
      return dir;
    },
    daemon: (name, command, args, options) =>
      daemons.start(component.name, name, command, args, options),
    stopDaemon: (name, options) => daemons.stop(name, options),
    isRunning: (name) => daemons.isRunning(name),
    async run(command, args, { inNode, ...options } = {}) {
      const [program, programArgs] = inNode
        ? await daemons.inNode(command, args, options.cwd)
        : [command, args];
      return runCommand(program, programArgs, {
        ...options,
        cwd: inNode ? '/' : options.cwd,
        signal,
      });
    },
  };
}

/** How long one answer of `ready` may take before it counts as "not yet". */
const readyAnswerMs = 4_000;

/**
 * Asks a component whether it is ready. An error, or no answer in time, is "no": `ready` is asked while things come up.
 */
export async function isReady(component: Component, host: EngineHost): Promise<boolean> {
  return (await askReady(component, host)).ready;
}

/** Like `isReady`, with the reason of a "no" where there is one. */
export async function askReady(
  component: Component,
  host: EngineHost,
): Promise<{ ready: boolean; reason?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((_, reject) => {
    const seconds = readyAnswerMs / 1000;
    timer = setTimeout(() => reject(new Error(`no answer in ${seconds} s`)), readyAnswerMs);
  });
  try {
    return { ready: await Promise.race([component.ready(contextFor(component, host)), late]) };
  } catch (error) {
    return { ready: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Daemons that a component has started and that are recorded, with whether they still run. */
export async function daemonsOf(
  component: string,
  daemons: Daemons,
): Promise<(DaemonRecord & { running: boolean })[]> {
  const records = (await daemons.records()).filter((record) => record.component === component);
  return Promise.all(
    records.map(async (record) => ({ ...record, running: await isSameProcess(record) })),
  );
}

/**
 * Which components stand: everything they need stands, none of their daemons has died, and they say they are ready.
 * Components must come in dependency order.
 */
export async function standing(
  ordered: readonly Component[],
  host: EngineHost,
): Promise<Set<string>> {
  const answers = new Map<string, Promise<boolean>>();
  for (const component of ordered) {
    const needs = component.needs
      .map((need) => answers.get(need))
      .filter((need) => need !== undefined);
    answers.set(component.name, stands(component, needs, host));
  }
  const up = new Set<string>();
  for (const [name, answer] of answers) if (await answer) up.add(name);
  return up;
}

async function stands(
  component: Component,
  needs: readonly Promise<boolean>[],
  host: EngineHost,
): Promise<boolean> {
  if ((await Promise.all(needs)).includes(false)) return false;
  const daemons = await daemonsOf(component.name, host.daemons);
  return daemons.every(({ running }) => running) && (await isReady(component, host));
}
