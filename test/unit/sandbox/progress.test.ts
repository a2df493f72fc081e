import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { SandboxProgress } from '../../../deploy/sandbox/progress.ts';
import { createRenderer, createTracker, formatDuration } from '../../../deploy/sandbox/progress.ts';

describe('progress', () => {
  it('counts what is finished, out of everything that came up', () => {
    const seen: SandboxProgress[] = [];
    const tracker = createTracker(['a', 'b'], (progress) => seen.push(progress));
    tracker.report('a', 'A', 'starting');
    tracker.report('a', 'A', 'ready');
    tracker.report('program/x', 'X', 'building');
    expect(seen.map(({ done, total }) => [done, total])).toEqual([
      [0, 2],
      [1, 2],
      [1, 3],
    ]);
  });

  it('is plain lines without a terminal: one for each change of state', () => {
    const stream = new PassThrough();
    const renderer = createRenderer(stream as unknown as NodeJS.WriteStream);
    const event = { item: 'a', title: 'A', elapsedMs: 0, done: 0, total: 1 };
    renderer.onProgress({ ...event, state: 'waiting' });
    renderer.onProgress({ ...event, state: 'building', line: 'file 1' });
    renderer.onProgress({ ...event, state: 'building', line: 'file 2' });
    renderer.onProgress({ ...event, state: 'ready', done: 1, elapsedMs: 1_500 });
    renderer.close();
    stream.end();
    expect(String(stream.read())).toBe('[0/1] A: building – file 1\n[1/1] A: ready (1.5 s)\n');
  });

  it('is a list on a terminal, redrawn in place, with what is left', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 60 });
    const renderer = createRenderer(stream as unknown as NodeJS.WriteStream);
    const event = { elapsedMs: 0, done: 0, total: 3 };
    renderer.onProgress({ ...event, item: 'a', title: 'A', state: 'starting' });
    renderer.onProgress({ ...event, item: 'b', title: 'B', state: 'waiting' });
    renderer.onProgress({ ...event, item: 'c', title: 'C', state: 'starting' });
    renderer.onProgress({ ...event, item: 'c', title: 'C', state: 'ready', done: 1 });
    const drawn = String(stream.read());
    expect(drawn).toContain('✔ C: ready');
    expect(drawn).toContain('A: starting');
    expect(drawn).toContain('1 of 3 done');
    expect(drawn).toContain('then B');
    renderer.close();
    // Two lines up, and everything below is erased.
    expect(String(stream.read())).toBe('\x1b[2A\x1b[0J');
  });

  it('tells durations in few words', () => {
    expect([200, 12_300, 185_000].map(formatDuration)).toEqual(['0.2 s', '12 s', '3 min 5 s']);
  });
});
