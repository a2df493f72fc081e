/** How long a stage took, also where a worker died in it and another one went on. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { timed } from '../../../src/activities/drill/deps.ts';
import type { DrillStage } from '../../../src/domain/recovery/point.ts';

const minute = 60_000;
const wanted = Date.parse('2026-11-23T03:00:00Z');

/** A stage that a worker begins and ends so many minutes after the activity was wanted. */
async function stage(attempt: number, begins: number, ends: number): Promise<DrillStage[]> {
  const stages: DrillStage[] = [];
  const clock = [begins, ends].slice(attempt === 1 ? 0 : 1).map((at) => wanted + at * minute);
  const deps = { now: () => new Date(clock.shift() ?? Number.NaN) };
  const environment = new MockActivityEnvironment({ attempt, scheduledTimestampMs: wanted });
  await environment.run(() => timed(deps, stages, 'files', () => Promise.resolve()));
  return stages;
}

test('a first attempt counts from when a worker began', async () => {
  expect(await stage(1, 1, 4)).toMatchObject([{ id: 'files', ms: 3 * minute }]);
});

test('a later attempt counts what went before it', async () => {
  expect(await stage(2, 28, 30)).toMatchObject([
    { id: 'files', startedAt: '2026-11-23T03:00:00.000Z', ms: 30 * minute },
  ]);
});

test('outside an activity a stage counts from its own beginning', async () => {
  const stages: DrillStage[] = [];
  const clock = [0, minute];
  const deps = { now: () => new Date(clock.shift() ?? Number.NaN) };
  await timed(deps, stages, 'files', () => Promise.resolve());
  expect(stages).toMatchObject([{ ms: minute }]);
});
