import { expect, it } from 'vitest';
import { mayBeMissing } from '../../../src/activities/rollback/verify-layers.ts';

/** Which tables may have fewer rows than the recovery point after a moment of the site's own life. */

const table: [string, number, number][] = [
  ['wp_users', 5, 0],
  ['wp_2_terms', 400, 0],
  ['wp_wc_orders', 100_000, 0],
  ['wp_options', 300, 10],
  ['wp_posts', 50_000, 500],
  ['wp_comments', 5, 2],
  ['wp_links', 1, 0],
  ['wp_empty', 0, 0],
];

it.each(table)('of %s with %i rows may miss %i', (name, rows, expected) => {
  expect(mayBeMissing(name, rows)).toBe(expected);
});
