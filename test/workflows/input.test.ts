/** Input that cannot be worked with is refused at once, with every error, before anything is touched. */
import { expect, it } from 'vitest';
import { TASK_QUEUE } from '../../src/domain/identifiers.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

/** The failure of a workflow started with `input`. */
async function refusal(
  type: string,
  ...args: unknown[]
): Promise<{ type: string; message: string }> {
  const handle = await harness().client.workflow.start(type, {
    workflowId: `nonsense-${Math.random()}`,
    taskQueue: TASK_QUEUE,
    args,
  });
  const failure: unknown = await harness()
    .skipping(handle.result())
    .catch((error: unknown) => error);
  return (failure as { cause: { type: string; message: string } }).cause;
}

it.each([
  ['nothing at all', [], 'wanted an object such as {"site":"acme"}'],
  ['a text', ['acme'], 'found "acme", wanted an object'],
  ['no site', [{}], 'site: found undefined, wanted the name of a site file'],
  ['a path instead of a site', [{ site: '../acme' }], 'site: found "../acme"'],
  ['an unknown option', [{ site: 'acme', dryRun: true }], 'dryRun: unknown; allowed are site,'],
  ['a text for yes', [{ site: 'acme', planOnly: 'yes' }], 'planOnly: found "yes", wanted true or'],
  ['another onFailure', [{ site: 'acme', onFailure: 'panic' }], '"ask" or "compensate"'],
  ['an empty requester', [{ site: 'acme', requestedBy: ' ' }], 'requestedBy: found " "'],
])('an operation refuses %s', async (_what, args, message) => {
  expect(await refusal('hybridStorage', ...args)).toMatchObject({
    type: 'InvalidInput',
    message: expect.stringContaining(message) as string,
  });
});

it('an operation names every error at once', async () => {
  const { message } = await refusal('prerequisites', { sight: 'acme', planOnly: 1 });
  for (const part of ['sight: unknown', 'site: found undefined', 'planOnly: found 1']) {
    expect(message).toContain(part);
  }
});

it('an operation refuses a site that there is no file for, without taking its lock', async () => {
  expect(await refusal('hybridStorage', { site: 'nowhere' })).toMatchObject({
    type: 'InvalidInput',
    message: expect.stringContaining('There is no site nowhere.') as string,
  });
});

it('an operation passes on what is wrong with a site file', async () => {
  harness().site('crooked').fail('loadSite', 'InvalidSite');
  expect(await refusal('hybridStorage', { site: 'crooked' })).toMatchObject({
    type: 'InvalidSite',
  });
});

it.each([
  [{ from: 2 }, 'phase 2 (mediaOffload) is not there yet; the last one is 1'],
  [{ to: 6 }, 'phase 6 (immutableCore) is not there yet; the last one is 1'],
  [{ to: 7 }, 'to: found 7, wanted a phase number from 0 to 6'],
  [{ from: -1 }, 'from: found -1, wanted a phase number from 0 to 6'],
  [{ from: 0.5 }, 'from: found 0.5'],
  [{ from: 1, to: 0 }, 'from: found 1, wanted at most 0'],
])('the roadmap refuses %o', async (range, message) => {
  expect(await refusal('roadmap', { site: 'acme', ...range })).toMatchObject({
    type: 'InvalidInput',
    message: expect.stringContaining(message) as string,
  });
});

it.each([
  ['backup', { planOnly: true }, 'planOnly: unknown; allowed are site, requestedBy, reason'],
  ['backup', { reason: 'whim' }, 'reason: found "whim", wanted one of scheduled, manual'],
  ['restoreDrill', { point: '../other' }, 'point: found "../other", wanted the id of a recovery'],
  ['restoreDrill', { onFailure: 'ask' }, 'onFailure: unknown'],
  ['backupWatch', { every: 'hour' }, 'every: unknown; allowed are site'],
  ['rollback', { layers: ['media'] }, 'layers: found ["media"], wanted a list of any of database,'],
  ['rollback', { layers: [] }, 'layers: found []'],
  ['rollback', { layers: ['app', 'app'] }, 'each once'],
  ['rollback', { databaseTime: 'yesterday' }, 'databaseTime: found "yesterday", wanted a time'],
  ['rollback', { databaseTime: '2026-11-23T18:00:00' }, 'with its zone'],
  [
    'rollback',
    { databaseTime: '2026-11-23T18:00:00Z', layers: ['app'] },
    'databaseTime: only with "database" among the layers',
  ],
  ['rollback', { release: true, point: 'x' }, 'release: deletes what rollbacks have kept'],
  ['rollback', { maintenance: 1 }, 'maintenance: found 1, wanted true or false'],
  ['recoveryPoints', { action: 'burn' }, 'action: found "burn", wanted one of list, show'],
  ['recoveryPoints', { action: 'show' }, 'point: found undefined, wanted the id'],
  ['recoveryPoints', { action: 'pin', point: 'x' }, 'by: found undefined, wanted the name'],
])('%s refuses %o', async (type, input, message) => {
  expect(await refusal(type, { site: 'acme', ...input })).toMatchObject({
    type: 'InvalidInput',
    message: expect.stringContaining(message) as string,
  });
});

it.each(['backup', 'restoreDrill', 'backupWatch', 'rollback', 'recoveryPoints'])(
  '%s refuses nothing at all and a text, as an operation does',
  async (type) => {
    for (const input of [undefined, 'acme']) {
      expect((await refusal(type, input)).message).toContain('wanted an object such as');
    }
  },
);

it('a rollback names every error at once', async () => {
  const { message } = await refusal('rollback', { layers: 'app', point: '', depth: 1 });
  for (const part of ['site: found', 'layers: found "app"', 'point: found ""', 'depth: unknown']) {
    expect(message).toContain(part);
  }
});
