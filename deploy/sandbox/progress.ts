/** What the engine tells while it works, and how a terminal or a log shows it. */
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';

export type ProgressState =
  | 'waiting'
  | 'checking'
  | 'installing'
  | 'building'
  | 'starting'
  | 'ready'
  | 'stopping'
  | 'stopped'
  | 'failed';

/** One change, or one line about a part that stays in its state. */
export interface SandboxProgress {
  /** Component, or `program/<name>` for a compile, or `preflight`. */
  item: string;
  title: string;
  state: ProgressState;
  /** What it is at ("importing image 2 of 3"). */
  line?: string;
  /** Since the item began to do something. */
  elapsedMs: number;
  /** Items that are finished, out of `total`. */
  done: number;
  total: number;
}

export type OnProgress = (progress: SandboxProgress) => void;

/** Counts and times items for the events. */
export interface ProgressTracker {
  report(item: string, title: string, state: ProgressState, line?: string): void;
}

const finished: readonly ProgressState[] = ['ready', 'stopped'];
const idle: readonly ProgressState[] = ['waiting', ...finished, 'failed'];

/** A tracker over the given items; `onProgress` may be missing. */
export function createTracker(items: readonly string[], onProgress?: OnProgress): ProgressTracker {
  const all = new Set(items);
  const done = new Set<string>();
  const begun = new Map<string, number>();
  return {
    report(item, title, state, line) {
      all.add(item);
      if (finished.includes(state)) done.add(item);
      if (state !== 'waiting' && !begun.has(item)) begun.set(item, Date.now());
      const elapsedMs = Date.now() - (begun.get(item) ?? Date.now());
      onProgress?.({ item, title, state, line, elapsedMs, done: done.size, total: all.size });
    },
  };
}

/** Shows progress until `close`. */
export interface ProgressRenderer {
  onProgress: OnProgress;
  close(): void;
}

/** A live list on a terminal, plain lines elsewhere. */
export function createRenderer(stream: NodeJS.WriteStream): ProgressRenderer {
  return stream.isTTY ? liveList(stream) : plainLines(stream);
}

/** `12 s`, `3 min 5 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** One line per change of state; lines within a state at most every few seconds. */
function plainLines(stream: NodeJS.WritableStream): ProgressRenderer {
  const last = new Map<string, { state: ProgressState; at: number }>();
  const quietMs = 5_000;
  return {
    onProgress({ item, title, state, line, elapsedMs, done, total }) {
      if (state === 'waiting') return;
      const before = last.get(item);
      if (before?.state === state && (!line || Date.now() - before.at < quietMs)) return;
      last.set(item, { state, at: Date.now() });
      const time =
        elapsedMs >= 100 && idle.includes(state) ? ` (${formatDuration(elapsedMs)})` : '';
      stream.write(`[${done}/${total}] ${title}: ${state}${time}${line ? ` – ${line}` : ''}\n`);
    },
    close: () => undefined,
  };
}

/** What is under way, redrawn in place; what is finished stays above it. */
function liveList(stream: WriteStream): ProgressRenderer {
  const startedAt = Date.now();
  const active = new Map<string, SandboxProgress & { seenAt: number }>();
  const waiting = new Map<string, string>();
  const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
  let counts = { done: 0, total: 0 };
  let drawn = 0;

  const fit = (text: string): string => {
    const room = (stream.columns || 80) - 1;
    return stripVTControlCharacters(text).length > room ? `${text.slice(0, room - 1)}…` : text;
  };

  const erase = (): string => (drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : '');

  function draw(above = ''): void {
    const spinner = frames[Math.floor(Date.now() / 100) % frames.length]!;
    const lines = [...active.values()].map(({ title, state, line, elapsedMs, seenAt }) => {
      const elapsed = formatDuration(elapsedMs + Date.now() - seenAt);
      return fit(`${spinner} ${title}: ${state} ${elapsed}${line ? ` – ${line}` : ''}`);
    });
    const left = [...waiting.values()];
    const names = left.length > 0 ? `, then ${left.join(', ')}` : '';
    const total = formatDuration(Date.now() - startedAt);
    lines.push(fit(`  ${counts.done} of ${counts.total} done, ${total}${names}`));
    stream.write(`${erase()}${above}${lines.join('\n')}\n`);
    drawn = lines.length;
  }

  const timer = setInterval(() => draw(), 120);
  timer.unref();
  return {
    onProgress(progress) {
      const { item, title, state, line, elapsedMs, done, total } = progress;
      counts = { done, total };
      active.delete(item);
      waiting.delete(item);
      if (state === 'waiting') waiting.set(item, title);
      else if (!idle.includes(state)) active.set(item, { ...progress, seenAt: Date.now() });
      if (state === 'waiting' || !idle.includes(state)) return;
      const mark = state === 'failed' ? '✖' : '✔';
      const detail = line ? ` – ${line}` : '';
      draw(`${fit(`${mark} ${title}: ${state} ${formatDuration(elapsedMs)}${detail}`)}\n`);
    },
    close() {
      clearInterval(timer);
      stream.write(erase());
      drawn = 0;
    },
  };
}
