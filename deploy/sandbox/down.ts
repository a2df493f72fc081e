/** Takes components down in reverse order, and looks for what they may have left. */
import { readFile } from 'node:fs/promises';
import type { Component } from './component.ts';
import type { EngineHost } from './host.ts';
import { contextFor, daemonsOf } from './host.ts';
import { inParallel } from './parallel.ts';
import type { OnProgress } from './progress.ts';
import { createTracker } from './progress.ts';

/**
 * Stops every given component once all that need it have stopped. A component that fails to stop does not keep the
 * others from it; the failures are thrown together at the end.
 */
export async function takeDown(
  host: EngineHost,
  components: readonly Component[],
  onProgress?: OnProgress,
): Promise<void> {
  const tracker = createTracker(
    components.map(({ name }) => name),
    onProgress,
  );
  const problems: Error[] = [];
  const dependents = (component: Component): string[] =>
    components.filter(({ needs }) => needs.includes(component.name)).map(({ name }) => name);
  await inParallel(
    components,
    async (component) => {
      const { name, title } = component;
      const progress = (line: string): void => tracker.report(name, title, 'stopping', line);
      progress('');
      try {
        await component.stop(contextFor(component, host, progress));
        // A component may not know a process that an earlier version of it has started.
        for (const daemon of await daemonsOf(name, host.daemons)) {
          await host.daemons.stop(daemon.name);
        }
        tracker.report(name, title, 'stopped');
      } catch (error) {
        tracker.report(name, title, 'failed');
        const reason = error instanceof Error ? error.message : String(error);
        problems.push(new Error(`${title} (${name}) did not stop: ${reason}`, { cause: error }));
      }
    },
    host.signal,
    dependents,
  );
  if (problems.length > 0) {
    throw new AggregateError(problems, problems.map(({ message }) => message).join('\n'));
  }
}

/** Mount points of this machine at or below a folder. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter(Boolean);
  // Blanks and others are written as octal numbers.
  const unescape = (text: string): string =>
    text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  const points = lines.map((line) => unescape(line.split(' ')[4]!));
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`));
}
