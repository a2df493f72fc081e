/** Brings components up: checks, builds and starts them in parallel by what they need. */
import { setTimeout as sleep } from 'node:timers/promises';
import { buildGoPrograms } from './build/go-programs.ts';
import type { Component } from './component.ts';
import type { EngineHost } from './host.ts';
import { askReady, contextFor, daemonsOf, standing } from './host.ts';
import { inParallel } from './parallel.ts';
import { preflight } from './preflight.ts';
import type { GoProgramName } from './programs/catalogue.ts';
import { goProgramNames } from './programs/catalogue.ts';
import { compiledPrograms, rememberPrograms } from './program-dirs.ts';
import type { OnProgress, ProgressTracker } from './progress.ts';
import { createTracker } from './progress.ts';
import { paths } from './settings.ts';

/** A component did not come up; the message ends with the last lines of its logs. */
export class ComponentError extends Error {
  override name = 'ComponentError';
  readonly component: string;

  constructor(component: Component, message: string, logs: string, cause?: unknown) {
    super(`${component.title} (${component.name}) ${message}${logs && `\n${logs}`}`, { cause });
    this.component = component.name;
  }
}

export interface BringUpOptions {
  /** In dependency order. */
  components: readonly Component[];
  install: boolean;
  onProgress?: OnProgress;
  /** Done after the checks and before the first start. */
  beforeStart: () => Promise<void>;
}

const readyPollMs = 150;
const defaultReadySeconds = 60;

/** Starts what does not stand yet. Returns the names of what it started; none when all stood already. */
export async function bringUp(
  host: EngineHost,
  { components, install, onProgress, beforeStart }: BringUpOptions,
): Promise<string[]> {
  const up = await standing(components, host);
  const toStart = components.filter(({ name }) => !up.has(name));
  if (toStart.length === 0) return [];

  const programs = programsOf(toStart);
  const tracker = createTracker(
    toStart.map(({ name }) => name),
    onProgress,
  );
  for (const { name, title } of toStart) tracker.report(name, title, 'waiting');
  await check(host, toStart, programs, install, tracker);
  await beforeStart();

  // Builds begin at once; what a component starts waits for its own build, its programs and its needs.
  const failure = new AbortController();
  const signal = AbortSignal.any([host.signal, failure.signal]);
  const building = { ...host, signal };
  const programsBuilt = buildPrograms(building, programs, tracker);
  const built = new Map<string, Promise<unknown>>();
  for (const component of toStart) {
    const promise = Promise.all([
      component.programs?.length ? programsBuilt : undefined,
      build(component, building, tracker),
    ]);
    promise.catch((error: unknown) => failure.abort(error));
    built.set(component.name, promise);
  }
  try {
    await inParallel(
      toStart,
      async (component, eitherSignal) => {
        await built.get(component.name);
        await start(component, { ...host, signal: eitherSignal }, tracker);
      },
      signal,
    );
  } finally {
    await Promise.allSettled([programsBuilt, ...built.values()]);
  }
  return toStart.map(({ name }) => name);
}

async function check(
  { signal, daemons }: EngineHost,
  components: readonly Component[],
  programs: readonly GoProgramName[],
  install: boolean,
  tracker: ProgressTracker,
): Promise<void> {
  const title = 'Checking the machine';
  // What runs but is not ready yet, because an `up` was killed, has its own ports: no other program has them.
  const running = await Promise.all(
    components.map(async ({ name }) =>
      (await daemonsOf(name, daemons)).some((daemon) => daemon.running),
    ),
  );
  const compiled = await compiledPrograms(programs);
  try {
    await preflight({
      components,
      running: new Set(components.filter((_, index) => running[index]).map(({ name }) => name)),
      needsGo: programs.length > 0,
      mustCompile: compiled.size < programs.length,
      install,
      progress: (state, line) => tracker.report('preflight', title, state, line),
      signal,
    });
  } catch (error) {
    tracker.report('preflight', title, 'failed');
    throw error;
  }
  tracker.report('preflight', title, 'ready');
}

async function buildPrograms(
  host: EngineHost,
  names: readonly GoProgramName[],
  tracker: ProgressTracker,
): Promise<void> {
  if (names.length === 0) return;
  const dirs = await buildGoPrograms({
    names,
    cacheDir: paths.cache,
    signal: host.signal,
    onProgress({ name, state }) {
      const item = `program/${name}`;
      const title = `Compiling ${name}`;
      if (state === 'building') tracker.report(item, title, 'building');
      if (state === 'built') tracker.report(item, title, 'ready');
      if (state === 'failed') tracker.report(item, title, 'failed');
    },
  });
  for (const [name, dir] of Object.entries(dirs)) host.programDirs.set(name, dir);
  await rememberPrograms(host.programDirs);
}

async function build(
  component: Component,
  host: EngineHost,
  tracker: ProgressTracker,
): Promise<void> {
  if (!component.build) return;
  const { name, title } = component;
  const progress = (line: string): void => tracker.report(name, title, 'building', line);
  progress('');
  try {
    await component.build(contextFor(component, host, progress));
  } catch (error) {
    if (!host.signal.aborted) tracker.report(name, title, 'failed');
    throw host.signal.aborted ? error : failed(component, 'could not be built', '', error);
  }
  tracker.report(name, title, 'waiting');
}

async function start(
  component: Component,
  host: EngineHost,
  tracker: ProgressTracker,
): Promise<void> {
  const { name, title } = component;
  const progress = (line: string): void => tracker.report(name, title, 'starting', line);
  progress('');
  try {
    try {
      await component.start(contextFor(component, host, progress));
    } catch (error) {
      if (host.signal.aborted) throw error;
      throw failed(component, 'could not be started', await logsOf(component, host), error);
    }
    await untilReady(component, host);
  } catch (error) {
    if (!host.signal.aborted) tracker.report(name, title, 'failed');
    throw error;
  }
  tracker.report(name, title, 'ready');
}

async function untilReady(component: Component, host: EngineHost): Promise<void> {
  const seconds = component.readyTimeoutSeconds ?? defaultReadySeconds;
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const { ready, reason } = await askReady(component, host);
    if (ready) return;
    host.signal.throwIfAborted();
    const dead = (await daemonsOf(component.name, host.daemons)).filter((each) => !each.running);
    if (dead.length > 0) {
      const names = dead.map((daemon) => daemon.name).join(', ');
      throw failed(
        component,
        `ended while it was starting (${names})`,
        await logsOf(component, host),
      );
    }
    if (Date.now() > deadline) {
      const why = reason ? `: ${reason}` : '';
      const said = await logsOf(component, host);
      throw failed(component, `was not ready after ${seconds} s${why}`, said);
    }
    await sleep(readyPollMs, undefined, { signal: host.signal });
  }
}

function failed(
  component: Component,
  message: string,
  logs: string,
  cause?: unknown,
): ComponentError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new ComponentError(component, `${message}${reason}`, logs, cause);
}

async function logsOf(component: Component, { daemons }: EngineHost): Promise<string> {
  const records = await daemonsOf(component.name, daemons);
  const tails = await Promise.all(
    records.map(async ({ name, log }) => `--- ${log}\n${await daemons.logTail(name)}`),
  );
  return tails.join('\n');
}

function programsOf(components: readonly Component[]): GoProgramName[] {
  const named = new Set<string>(components.flatMap(({ programs = [] }) => programs));
  const known = goProgramNames.filter((name) => named.has(name));
  if (known.length < named.size) {
    const unknown = [...named].filter((name) => !known.some((each) => each === name));
    throw new Error(`There are no programs named ${unknown.join(', ')}`);
  }
  return known;
}
