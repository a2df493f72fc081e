import { describe, expect, it, test } from 'vitest';
import { compareVisitors, renderComparison } from '../../../bench/visitors/report.ts';
import type { VisitorSummary } from '../../e2e/support/visitors.ts';

const seen = (p95Ms: number | null, changes: Partial<VisitorSummary> = {}): VisitorSummary => ({
  requests: 900,
  failed: 0,
  sessionLost: 0,
  dropped: 0,
  p95Ms,
  p99Ms: p95Ms,
  ...changes,
});

describe('visitors before, during and after', () => {
  it.each([
    ['twice as slow is what is allowed', 100, 200, 100, true],
    ['more is too slow', 100, 201, 100, false],
    ['the reference is the mean of before and after', 80, 200, 120, true],
    ['a machine that differs by itself decides nothing', 100, 500, 151, null],
    ['not even for what looks quick', 151, 50, 100, null],
  ])('%s', (_, before, during, after, pass) => {
    expect(compareVisitors(seen(before), seen(during), seen(after)).pass).toBe(pass);
  });

  it.each([
    ['failed', { failed: 1 }],
    ['lost its session', { sessionLost: 1 }],
  ])('a request that %s is a fail on any machine', (_, changes) => {
    expect(compareVisitors(seen(100), seen(100, changes), seen(100)).pass).toBe(false);
    expect(compareVisitors(seen(100), seen(100, changes), seen(300)).pass).toBe(false);
  });

  it('refuses to compare with nothing', () => {
    expect(() => compareVisitors(seen(null), seen(100), seen(100))).toThrow('measured nothing');
  });
});

test('is a table with a verdict, and says when the machine was too noisy', () => {
  const text = renderComparison(compareVisitors(seen(100), seen(150), seen(100)));
  expect(text).toContain('| during |      900 |      0 |    150 ms |    150 ms |');
  expect(text).toContain('1.50, allowed 2: yes');
  expect(text).not.toContain('differ');
  const noisy = renderComparison(compareVisitors(seen(100), seen(150), seen(200)));
  expect(noisy).toContain('NO VERDICT');
  expect(noisy).toContain('differ 2.0-fold');
});
