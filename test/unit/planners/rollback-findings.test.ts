import { describe, expect, it } from 'vitest';
import type { RollbackFacts } from '../../../src/domain/planners/rollback-facts.ts';
import { planRollback } from '../../../src/domain/planners/rollback.ts';
import type { RollbackRequest } from '../../../src/domain/recovery/request.ts';
import { movedTemplate } from '../../../src/domain/kubernetes/database-move.ts';
import { beforeTemplate } from '../../support/hybrid-fixtures.ts';
import { hybridDeployment, recoveryPoint, rollbackFacts } from '../../support/rollback-facts.ts';
import {
  badImage,
  change,
  context,
  findings,
  ids,
  listOf,
  lostPlugin,
  messageOf,
  plan,
  site,
} from '../../support/rollback-plans.ts';

/** What the plan of a rollback tells people at its gate, by tables: losses, what does not come back, what is in doubt. */

describe('what a plan says', () => {
  const table: [string, Partial<RollbackFacts>, RollbackRequest, string[]][] = [
    ['nothing differs', {}, {}, ['info nothing-differs']],
    [
      'no drill has passed',
      { ...lostPlugin, drill: null },
      {},
      ['warning expected-time', 'info not-coming-back'],
    ],
    [
      'a drill found the point bad',
      {
        ...lostPlugin,
        state: {
          pinned: null,
          proved: null,
          bad: { at: '2026-11-23T05:00:00Z', by: 'acme/drill/x', findings: ['lost-rows'] },
        },
      },
      {},
      ['warning recovery-point-bad', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'the database goes back',
      {},
      { layers: ['database'] },
      ['warning losses-since-point', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'losses cannot be counted and tables not be read',
      { database: { tables: null, losses: null, error: 'denied' } },
      { layers: ['database'] },
      [
        'error database-not-read',
        'warning losses-since-point',
        'info expected-time',
        'info not-coming-back',
      ],
    ],
    [
      'a point in time',
      { point: null, state: null },
      { databaseTime: '2026-11-23T10:00:00Z' },
      [
        'warning losses-since-point',
        'warning site-file-lines',
        'info expected-time',
        'info not-coming-back',
      ],
    ],
    [
      'a time together with the application',
      { point: null, state: null },
      { databaseTime: '2026-11-23T10:00:00Z', layers: ['database', 'app'] },
      [
        'error no-recovery-point',
        'warning losses-since-point',
        'error time-and-app',
        'warning site-file-lines',
        'info expected-time',
        'info not-coming-back',
      ],
    ],
    [
      'a time without the layer',
      lostPlugin,
      { databaseTime: '2026-11-23T10:00:00Z', layers: ['plugins-themes'] },
      ['error time-without-database', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'the point has no files',
      { point: recoveryPoint({ files: null, missing: ['files'] }) },
      { layers: ['plugins-themes'] },
      ['error point-lacks-plugins-themes', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'trees could not be compared',
      { extensions: { ...rollbackFacts().extensions, comparisons: [], error: 'bucket gone' } },
      { layers: ['plugins-themes'] },
      ['error extensions-not-compared', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'older code meets newer data',
      { ...lostPlugin, options: { ...rollbackFacts().options, shop_db_version: '4' } },
      {},
      ['warning data-stays-newer', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'a Secret of then is gone',
      { ...badImage, app: { ...rollbackFacts().app, missingSecrets: ['acme/old-keys'] } },
      {},
      ['info rollout-stuck', 'error secret-gone', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'pods cannot be replaced for plugins alone',
      { ...badImage, ...lostPlugin },
      { layers: ['plugins-themes'] },
      ['warning rollout-stuck', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'the objects of the point are gone',
      { ...badImage, app: { ...rollbackFacts().app, objects: null } },
      { layers: ['app'] },
      [
        'error app-objects-gone',
        'info rollout-stuck',
        'info expected-time',
        'info not-coming-back',
      ],
    ],
    [
      'nobody can tell which plugins are active',
      { ...lostPlugin, options: null, wordpressError: 'PHP runs in no pod of acme/wordpress' },
      {},
      ['warning options-not-read', 'info expected-time', 'info not-coming-back'],
    ],
    [
      'the site is broken now',
      { ...lostPlugin, frontPage: { good: false, seen: 'status 500' } },
      {},
      ['info site-broken-now', 'info expected-time', 'info not-coming-back'],
    ],
  ];
  it.each(table)('%s', (_, facts, request, expected) => {
    expect(findings(plan(facts, request))).toEqual(expected);
  });

  const named: [string, Partial<RollbackFacts>, string][] = [
    [
      'a nightly one',
      {},
      'The recovery point 20261122T030000Z-acme-backup was taken 39 h ago (2026-11-22T03:00:00.000Z) by the schedule. No drill has proved it.',
    ],
    [
      'one that a drill proved, with what was passed over',
      {
        passedOver: ['20261123T170000Z-acme-rollback was taken by a rollback'],
        state: {
          pinned: null,
          bad: null,
          proved: { at: '2026-11-23T05:01:10.000Z', drill: 'acme/drill/x', rtoMs: 1 },
        },
      },
      'The recovery point 20261122T030000Z-acme-backup was taken 39 h ago (2026-11-22T03:00:00.000Z) by the schedule. A drill proved it on 2026-11-23T05:01:10.000Z (acme/drill/x). Passed over: 20261123T170000Z-acme-rollback was taken by a rollback.',
    ],
    [
      'that of an earlier rollback',
      {
        point: recoveryPoint({
          id: '20261120T100000Z-acme-rollback',
          reason: 'before-change',
          operationId: 'acme/rollback/x',
          takenAt: '2026-11-20T10:00:00.000Z',
        }),
      },
      'The recovery point 20261120T100000Z-acme-rollback was taken 3 days ago (2026-11-20T10:00:00.000Z) by the rollback acme/rollback/x, of what it was about to change. No drill has proved it.',
    ],
  ];
  it.each(named)('the point, by age, reason and proof: %s', (_, facts, expected) => {
    expect(messageOf(plan({ ...lostPlugin, ...facts }), 'recovery-point-chosen')).toBe(expected);
  });

  it('counts what would be lost', () => {
    const made = plan({}, { layers: ['database'] });
    const losses = made.findings.find(({ id }) => id === 'losses-since-point');
    expect(losses?.message).toBe(
      'Lost to the site, made or changed since 2026-11-22T03:00:00.000Z: 3 orders, 2 of type post, changes of 1 of type post, 1 comment.',
    );
    expect(losses?.evidence).toMatchObject({ counted: true, orders: { made: 3, changed: 0 } });
  });

  it('counts what can be counted where tables are gone, and says which', () => {
    const { losses, ...database } = rollbackFacts().database;
    const without = { ...losses!, posts: {}, uncounted: ['shop_posts', 'shop_users'] };
    const made = plan({ database: { ...database, losses: without } }, { layers: ['database'] });
    expect(messageOf(made, 'losses-since-point')).toBe(
      'What was made or changed since 2026-11-22T03:00:00.000Z could not be counted as a whole, because there is no table shop_posts, shop_users. What was counted: 3 orders, 1 comment.',
    );
  });

  const moved = hybridDeployment();
  const movedTo = movedTemplate(moved.spec!.template, { host: 'fork.example:25060', secrets: {} });
  moved.spec!.template = movedTo.template;
  const afterMove: Partial<RollbackFacts> = {
    deployment: moved,
    inUse: { hosts: ['fork.example:25060'], same: true },
  };
  const stale = { ...afterMove, inUse: { hosts: ['fork.example:25060'], same: false } };
  const other: [string, Partial<RollbackFacts>, RollbackRequest, string[]][] = [
    ['the site file names another one', stale, { layers: ['database'] }, ['other-database-in-use']],
    [
      'the site file names another one, and a time is given',
      { ...stale, point: null, state: null },
      { databaseTime: '2026-11-23T10:00:00Z' },
      ['other-database-in-use'],
    ],
    [
      'the pod template of the point names another one',
      afterMove,
      { layers: ['app'] },
      ['app-of-other-database'],
    ],
    ['plugins alone go back', { ...stale, ...lostPlugin }, { layers: ['plugins-themes'] }, []],
  ];
  it.each(other)('refuses where pods use another database: %s', (_, facts, request, expected) => {
    const made = planRollback(site, rollbackFacts(facts), request, context);
    const errors = made.findings.filter(({ level }) => level === 'error').map(({ id }) => id);
    expect(errors).toEqual(expected);
    expect(made.changes.length === 0).toBe(expected.length > 0);
  });

  it('leaves the app out by itself where its template would move the site', () => {
    const made = plan({ ...afterMove, ...lostPlugin });
    expect(findings(made)).toContain('warning app-of-other-database');
    expect(ids(made)).toEqual(['stage-extensions', 'switch-extensions']);
  });

  it('has the options compared later that nobody could read now', () => {
    const wanted = {
      active_plugins: ['akismet/akismet.php', 'shop/shop.php'],
      template: 'acme',
      stylesheet: 'acme',
    };
    const unread = { ...lostPlugin, options: null };
    const files = change(plan(unread), 'switch-extensions');
    expect(files.params['wantedOptions']).toEqual(wanted);
    const both = plan({ ...unread, ...badImage });
    expect(change(both, 'switch-extensions').params['wantedOptions']).toBeUndefined();
    expect(change(both, 'restore-app').params['wantedOptions']).toEqual(wanted);
    expect(change(plan(lostPlugin), 'switch-extensions').params['wantedOptions']).toBeUndefined();
  });

  it('names ConfigMaps that the point does not hold', () => {
    const stay = listOf(plan(badImage), 'not-coming-back');
    expect(stay).toContain(
      'ConfigMaps that the pods read stay as they are now: wordpress-wp-config.',
    );
    const configMap = { metadata: { name: 'wordpress-wp-config' } };
    const objects = { ...rollbackFacts().app.objects!, configMap };
    const held = plan({ ...badImage, app: { ...rollbackFacts().app, objects, configMap } });
    expect(listOf(held, 'not-coming-back')).not.toContain('ConfigMaps');
  });

  it('takes the expected time from the last drill', () => {
    const { message } = plan(lostPlugin).findings.find(({ id }) => id === 'expected-time') ?? {};
    expect(message).toBe(
      'The last drill that passed (2026-11-23T05:01:10.000Z) restored everything in 42.0 s: Files 12.3 s, Database 9.0 s.',
    );
  });

  it('makes no change where an error forbids it', () => {
    const facts = { ...lostPlugin, point: recoveryPoint({ files: null }) };
    expect(ids(plan(facts, { layers: ['plugins-themes', 'app'] }))).toEqual([]);
  });

  it('leaves the Deployment of another phase alone, and says so', () => {
    const before = {
      ...hybridDeployment(),
      spec: { ...hybridDeployment().spec!, template: beforeTemplate() },
    };
    const facts = {
      app: { ...rollbackFacts().app, objects: { deployment: before, configMap: null } },
    };
    expect(findings(plan(facts))).toContain('info other-phase');
    expect(ids(plan(facts))).toEqual([]);
    expect(findings(plan(facts, { layers: ['app'] }))).toContain('error other-phase');
  });

  it('shows no secret of a pod template', () => {
    const deployment = hybridDeployment({ image: 'localhost:5000/presslift/wordpress:broken' });
    deployment.spec?.template.spec?.containers[0]?.env?.push({ name: 'API_KEY', value: 'planted' });
    const objects = { deployment: hybridDeployment(), configMap: null };
    objects.deployment.spec?.template.spec?.containers[0]?.env?.push({
      name: 'API_KEY',
      value: 'planted',
    });
    const made = plan({ deployment, app: { ...rollbackFacts().app, objects } });
    expect(ids(made)).toEqual(['restore-app']);
    expect(JSON.stringify(made)).not.toContain('planted');
  });
});
