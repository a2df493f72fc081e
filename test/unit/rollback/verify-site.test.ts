import { describe, expect, it } from 'vitest';
import { failure } from '../../../src/activities/failure.ts';
import { measureMedia, measureRequests } from '../../../src/activities/rollback/verify-site.ts';
import { planRollback } from '../../../src/domain/planners/rollback.ts';
import { acme } from '../../support/hybrid-fixtures.ts';
import { digestA, hybridDeployment, rollbackFacts } from '../../support/rollback-facts.ts';

/** What the live site must show after a rollback, where it is not a page. */

const context = { siteDigest: digestA, execution: 'acme/rollback/x/run-1' };
const kept = [{ kind: 'tree' as const, claim: 'c', folder: '.presslift/x', bytes: 1, files: 1 }];

describe('requests of visitors', () => {
  it('have failed where nobody watched them', async () => {
    const facts = rollbackFacts({ deployment: hybridDeployment({ image: 'wordpress:broken' }) });
    const plan = planRollback(acme(), facts, { layers: ['app'] }, context);
    expect(plan.changes.map(({ id }) => id)).toContain('restore-app');
    expect(await measureRequests(plan, null)).toMatchObject([
      { id: 'no-failed-visitor-request', pass: false, measured: null },
    ]);
  });

  it('need no watch while kept things are deleted', async () => {
    const plan = planRollback(acme(), rollbackFacts({ kept }), { release: true }, context);
    expect(plan.changes).toHaveLength(1);
    expect(await measureRequests(plan, null)).toEqual([]);
  });
});

describe('files of the media library', () => {
  const reader = {
    get: async (path: string) => ({ status: path === '/uploads/gone.png' ? 403 : 200, html: '' }),
  };

  it('are asked for one by one', async () => {
    const some = await measureMedia(reader, async () => ['/uploads/a.png', '/uploads/b.png']);
    expect(some).toMatchObject({ pass: true, measured: '2 of 2' });
    expect(
      await measureMedia(reader, async () => ['/uploads/a.png', '/uploads/gone.png']),
    ).toMatchObject({
      pass: false,
      evidence: { wrong: [{ path: '/uploads/gone.png', status: 403 }] },
    });
  });

  it('have failed where WordPress cannot name them', async () => {
    const said = await measureMedia(reader, async () => {
      throw failure('AgentFailed', 'no answer');
    });
    expect(said).toMatchObject({ pass: false, measured: null });
  });
});
