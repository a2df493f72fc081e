/** Proves what a cron expression means, and the times between two firings. Temporal's own reading of them is not tested here. */
import { describe, expect, test } from 'vitest';
import { durationMs } from '../../../src/domain/durations.ts';
import { cronGaps, parseCron } from '../../../src/domain/site/cron.ts';

const count = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

test.each([
  ['0 3 * * *', { minutes: [0], hours: [3], daysOfMonth: count(1, 31), months: count(1, 12) }],
  ['*/20 0-12/6 1,15 * *', { minutes: [0, 20, 40], hours: [0, 6, 12], daysOfMonth: [1, 15] }],
  ['10/20 8 * jan-mar,DEC *', { minutes: [10, 30, 50], months: [1, 2, 3, 12] }],
  ['0 5 * * sun,3-5', { daysOfWeek: [0, 3, 4, 5] }],
  ['0 5 * * 5-7', { daysOfWeek: [0, 5, 6] }],
  ['0 5 * * *', { daysOfWeek: count(0, 6) }],
  ['5,5,1 5 * * *', { minutes: [1, 5] }],
])('%s', (expression, times) => {
  expect(parseCron(expression)).toMatchObject(times);
});

test.each([
  ['0 3 * *', '4 fields'],
  ['60 3 * * *', 'the minute "60"'],
  ['0 24 * * *', 'the hour "24"'],
  ['0 0 0 * *', 'the day of the month "0"'],
  ['0 0 * 13 *', 'the month "13"'],
  ['0 0 * * 8', 'the day of the week "8"'],
  ['0 0 * * XYZ', '"XYZ"'],
  ['5-1 0 * * *', 'the minute "5-1"'],
  ['*/0 0 * * *', 'the minute "*/0"'],
  ['*/5/5 0 * * *', 'the minute "*/5/5"'],
  ['*-5 0 * * *', 'the minute "*-5"'],
  ['1-2-3 0 * * *', 'the minute "1-2-3"'],
  [', 0 * * *', 'the minute ""'],
  ['? 0 * * *', 'the minute "?"'],
  ['0 0 1 * 1', 'both a day of the month and a day of the week'],
])('%s is refused', (expression, words) => {
  expect(() => parseCron(expression)).toThrow(RangeError);
  expect(() => parseCron(expression)).toThrow(words);
});

describe('times between two firings', () => {
  test.each([
    ['0 3 * * *', 'P1D', 'P1D'],
    ['0 5 * * 1', 'P7D', 'P7D'],
    ['0 */6 * * *', 'PT6H', 'PT6H'],
    ['0 8,20 * * 1-5', 'PT12H', 'P2DT12H'],
    ['*/15 * * * *', 'PT15M', 'PT15M'],
    ['0 0 1 * *', 'P28D', 'P31D'],
    ['0 0 29 2 *', 'P1461D', 'P1461D'],
  ])('of %s', (expression, shortest, longest) => {
    expect(cronGaps(parseCron(expression))).toEqual({
      shortestMs: durationMs(shortest),
      longestMs: durationMs(longest),
    });
  });

  test('there are none where it never fires', () => {
    expect(cronGaps(parseCron('0 0 31 4 *'))).toBeNull();
  });
});
