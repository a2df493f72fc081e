import { describe, expect, it } from 'vitest';
import { describeDuration, durationMs } from '../../../src/domain/durations.ts';

describe('durationMs', () => {
  it.each([
    ['PT1S', 1_000],
    ['PT5M', 300_000],
    ['PT1H30M', 5_400_000],
    ['P3D', 259_200_000],
    ['P1W', 604_800_000],
    ['P1DT12H', 129_600_000],
    ['PT0S', 0],
  ])('%s is %d ms', (iso, ms) => {
    expect(durationMs(iso)).toBe(ms);
  });

  it.each(['', 'P', 'PT', 'P1Y', 'P1M', '5m', 'PT1.5H', 'P-1D', 'P1D '])('refuses %j', (iso) => {
    expect(() => durationMs(iso)).toThrow(RangeError);
  });
});

describe('describeDuration', () => {
  it.each([
    [0, '0 seconds'],
    [1_000, '1 second'],
    [90_000, '1 minute 30 seconds'],
    [86_400_000, '1 day'],
    [90_061_000, '1 day 1 hour'],
    [259_200_000, '3 days'],
  ])('says %d ms as %j', (ms, text) => {
    expect(describeDuration(ms)).toBe(text);
  });
});
