/**
 * Response times in buckets of growing width: bucket `i` ends at 1.05^i milliseconds, so a percentile is known to 5 %
 * and days of requests fit into one heartbeat.
 */
export type Histogram = Record<string, number>;

const GROWTH = Math.log(1.05);

/** Counts one response time. */
export function record(histogram: Histogram, milliseconds: number): void {
  const bucket = String(Math.max(0, Math.ceil(Math.log(Math.max(milliseconds, 1)) / GROWTH)));
  histogram[bucket] = (histogram[bucket] ?? 0) + 1;
}

/** Upper end of the bucket that holds the given share (0..1) of what was recorded; null when nothing was. */
export function percentile(histogram: Histogram, share: number): number | null {
  const buckets = Object.entries(histogram)
    .map(([bucket, count]) => [Number(bucket), count] as const)
    .sort((a, b) => a[0] - b[0]);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return null;
  let seen = 0;
  for (const [bucket, count] of buckets) {
    seen += count;
    if (seen >= share * total) return Math.round(Math.exp(bucket * GROWTH));
  }
  return null;
}
