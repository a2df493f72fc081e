/**
 * The walk from the site file to the report: what runs, in which order, and what a reader sees of it. Activities are
 * fakes; whether they do what they say is shown in test/activities and test/e2e.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { OperationReport } from '../../src/domain/operation.ts';
import { Harness } from '../support/temporal-harness.ts';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start(inject('testServer'), inject('workflowBundle'));
});
afterAll(async () => harness.stop());

describe('the walk', () => {
  it('observes, asks, secures, changes and measures, in this order', async () => {
    const site = harness.site('happy');
    const run = await harness.start('hybridStorage', { site: 'happy' });
    await run.approve();
    const report = await run.result<OperationReport>();
    expect(report.outcome).toBe('done');
    expect(site.walk).toEqual([
      'planHybridStorage',
      'measureBaseline',
      'takeRecoveryPoint',
      'createSharedClaim',
      'copyExtensions',
      'keepSalts',
      'scaleOut',
      'verifySharedStorage',
      'verifyPluginLifecycle',
      'verifyAdminAndVisitors',
    ]);
  });
});
