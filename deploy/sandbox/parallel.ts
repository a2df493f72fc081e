import type { Dependent } from './dependencies.ts';

/**
 * Runs `task` for every component as soon as those it waits for are through; independent ones run side by side. The
 * first failure aborts the signal that the others were given, waits until they have ended, and is thrown.
 */
export async function inParallel<T extends Dependent>(
  components: readonly T[],
  task: (component: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
  waitsFor: (component: T) => readonly string[] = (component) => component.needs,
): Promise<void> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const started = new Map<string, Promise<void>>();
  const start = (component: T): Promise<void> => {
    const running = started.get(component.name);
    if (running) return running;
    const others = components.filter(({ name }) => waitsFor(component).includes(name));
    const promise = (async () => {
      await Promise.all(others.map(start));
      either.throwIfAborted();
      await task(component, either);
    })();
    promise.catch((error: unknown) => failure.abort(error));
    started.set(component.name, promise);
    return promise;
  };
  await Promise.allSettled(components.map(start));
  either.throwIfAborted();
}
