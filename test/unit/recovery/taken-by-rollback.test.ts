import { expect, it } from 'vitest';
import { takenByRollback } from '../../../src/domain/recovery/point.ts';

/** Which points hold the state that a rollback was started to get away from. */

const table: [string, 'before-change' | 'manual', boolean][] = [
  ['20261124T030000Z-acme-rollback', 'before-change', true],
  ['20261124T030000Z-acme-rollback-2', 'before-change', true],
  ['20261124T030000Z-acme-rollback-2-3', 'before-change', true],
  ['20261124T030000Z-acme-hybridStorage', 'before-change', false],
  ['20261124T030000Z-acme-rollback', 'manual', false],
  ['20261124T030000Z-acme-rollback-backup', 'before-change', false],
];

it.each(table)('%s, %s: %s', (id, reason, expected) => {
  expect(takenByRollback({ id, site: 'acme', reason })).toBe(expected);
});

it('is told for a site whose own name ends like the operation', () => {
  const id = '20261124T030000Z-acme-rollback-backup';
  expect(takenByRollback({ id, site: 'acme-rollback', reason: 'before-change' })).toBe(false);
});
