import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import type { RollbackFacts } from '../../../src/domain/planners/rollback-facts.ts';
import {
  executionOf,
  rollbackOfSchema,
  rollbackSchemas,
} from '../../../src/domain/planners/rollback-names.ts';
import { liveTrees } from '../../../src/domain/planners/rollback-trees.ts';
import { planRollback } from '../../../src/domain/planners/rollback.ts';
import type { RollbackRequest } from '../../../src/domain/recovery/request.ts';
import { beforeTemplate, image } from '../../support/hybrid-fixtures.ts';
import {
  digestA,
  digestB,
  hybridDeployment,
  recoveryPoint,
  rollbackFacts,
  runningImages,
} from '../../support/rollback-facts.ts';
import {
  badImage,
  cdnNow,
  cdnPoint,
  change,
  context,
  findings,
  ids,
  lostPlugin,
  otherOptions,
  plan,
  site,
  withCdn,
} from '../../support/rollback-plans.ts';

/** The planner of rollbacks, by tables: what facts and request give which changes and findings. No cluster, no clock. */

describe('the layers of a rollback', () => {
  const table: [string, Partial<RollbackFacts>, RollbackRequest, string[]][] = [
    ['nothing differs', {}, {}, []],
    ['a plugin tree was deleted', lostPlugin, {}, ['stage-extensions', 'switch-extensions']],
    [
      'a plugin was deactivated as well',
      { ...lostPlugin, ...otherOptions },
      {},
      ['stage-extensions', 'switch-extensions', 'restore-options'],
    ],
    ['only the active plugins differ', otherOptions, {}, ['restore-options']],
    ['an image cannot be pulled', badImage, {}, ['restore-app']],
    [
      'image and plugins are bad: prepared first, files before pods',
      { ...badImage, ...lostPlugin },
      {},
      ['stage-extensions', 'switch-extensions', 'restore-app'],
    ],
    ['the database is not named', { ...lostPlugin }, { layers: ['app'] }, []],
    ['the database is named', {}, { layers: ['database'] }, ['stage-database', 'switch-database']],
    [
      'everything, with maintenance mode',
      { ...lostPlugin, ...badImage, ...otherOptions },
      { layers: ['app', 'plugins-themes', 'database'], maintenance: true },
      [
        'stage-database',
        'stage-extensions',
        'begin-maintenance',
        'switch-extensions',
        'restore-options',
        'restore-app',
        'renew-maintenance',
        'switch-database',
        'end-maintenance',
      ],
    ],
    [
      'code and database: the older code first, so that newer code never meets older data',
      lostPlugin,
      { layers: ['plugins-themes', 'database'] },
      ['stage-database', 'stage-extensions', 'switch-extensions', 'switch-database'],
    ],
    [
      'only a table of a plugin is gone, which its newer version may have given up',
      {
        ...lostPlugin,
        point: recoveryPoint({
          database: {
            ...recoveryPoint().database!,
            manifest: {
              ...recoveryPoint().database!.manifest,
              tables: [{ name: 'wp_shop', rows: 1, checksum: '0', structure: digestA }],
            },
          },
        }),
      },
      { layers: ['plugins-themes', 'database'] },
      ['stage-database', 'stage-extensions', 'switch-extensions', 'switch-database'],
    ],
    [
      'tables are gone: the database first, or no pod that starts would be ready',
      {
        ...lostPlugin,
        ...badImage,
        database: { ...rollbackFacts().database, tables: ['wp_options'] },
      },
      { layers: ['plugins-themes', 'database', 'app'] },
      ['stage-database', 'stage-extensions', 'switch-database', 'switch-extensions', 'restore-app'],
    ],
    ['maintenance mode for nothing', {}, { maintenance: true }, []],
    [
      'a point in time touches the database alone',
      lostPlugin,
      { databaseTime: '2026-11-23T10:00:00Z' },
      ['fork-database', 'move-to-forked-database'],
    ],
    [
      'a point in time together with plugins',
      { ...lostPlugin, ...otherOptions },
      { databaseTime: '2026-11-23T10:00:00Z', layers: ['database', 'plugins-themes'] },
      ['fork-database', 'stage-extensions', 'switch-extensions', 'move-to-forked-database'],
    ],
  ];
  it.each(table)('%s', (_, facts, request, expected) => {
    const made = plan(facts, request);
    expect(ids(made)).toEqual(expected);
    expect(findings(made).filter((text) => text.startsWith('error'))).toEqual([]);
  });

  it('go back at the edge only where rules differ, and its cache is emptied', () => {
    const facts = rollbackFacts({ point: cdnPoint, cdn: cdnNow });
    const made = planRollback(withCdn, facts, {}, context);
    expect(ids(made)).toEqual(['restore-cdn-rules', 'purge-cdn']);
    expect(change(made, 'restore-cdn-rules').params['rulesets']).toEqual([
      cdnPoint.cdn?.rulesets[0],
    ]);
    expect(change(made, 'restore-cdn-rules').before).toMatchObject({
      rulesets: [cdnNow.rulesets[0]],
    });
    expect(change(made, 'purge-cdn').params).toMatchObject({ hosts: site.hosts.names });
  });

  it('tell at the edge which rules go, whoever made them', () => {
    const shown = (ref: string, description: string | null = null) => ({
      ...{ ref, description, action: 'block', expression: 'true', enabled: true },
    });
    const phase = 'http_request_cache_settings';
    const facts = rollbackFacts({
      ...{ point: cdnPoint, cdn: cdnNow },
      cdnRules: {
        differences: [
          {
            phase,
            onlyNow: { count: 7, first: [shown('theirs', 'Price lists'), shown('second')] },
            onlyThen: { count: 1, first: [shown('lost')] },
            changed: {
              count: 1,
              first: [{ now: shown('both', 'new'), then: shown('both'), fields: ['description'] }],
            },
            reordered: true,
          },
        ],
        gone: [],
      },
    });
    const made = planRollback(withCdn, facts, {}, context);
    const { before, after, riskReason } = change(made, 'restore-cdn-rules');
    expect(before).toMatchObject({
      rules: { [phase]: { onlyNow: { count: 7 }, changed: [{ description: 'new' }] } },
    });
    expect(after).toMatchObject({
      rules: { [phase]: { onlyThen: { first: [{ ref: 'lost' }] }, order: 'as of then' } },
    });
    expect(riskReason).toMatch(
      /7 rules that came since go, 1 rule becomes as it was, 1 rule comes back, the order/,
    );
    expect(made.findings.find(({ id }) => id === 'cdn-rules-since')).toMatchObject({
      level: 'warning',
      message: `At the edge, whoever made them: ${phase}, gone afterwards: theirs (Price lists), second and 5 more, as of then: both (new).`,
    });
  });

  it('do not go back at the edge when the rules of then are nowhere any more', () => {
    const gone = [{ phase: 'x', why: 'Version 3 of the rules of x cannot be put back' }];
    const cdnRules = { differences: [], gone };
    const facts = rollbackFacts({ point: cdnPoint, cdn: cdnNow, cdnRules });
    const made = planRollback(withCdn, facts, {}, context);
    expect(ids(made)).toEqual([]);
    expect(findings(made)).toContain('error cdn-rules-gone');
  });
});

describe('details of changes', () => {
  it('name an image by its digest where the tag means another one now', () => {
    const made = plan({ app: { ...rollbackFacts().app, running: runningImages(digestB) } });
    expect(ids(made)).toEqual(['restore-app']);
    const pinned = `localhost:5000/presslift/wordpress@${digestA}`;
    expect(change(made, 'restore-app').params['pinned']).toEqual({ php: pinned });
    expect(change(made, 'restore-app').after).toMatchObject({
      images: { php: pinned, web: image },
    });
  });

  it('name an image by its digest where the tag is another one now and nobody runs that of then', () => {
    const facts = { ...badImage, app: { ...rollbackFacts().app, running: [] } };
    const made = change(plan(facts), 'restore-app');
    const pinned = `localhost:5000/presslift/wordpress@${digestA}`;
    expect(made.params['pinned']).toMatchObject({ php: pinned, web: pinned });
    expect(made.params['digests']).toEqual({ php: digestA, web: digestA });
    // Old pods beside the stuck ones prove what the tag means, and are taken up again.
    expect(change(plan(badImage), 'restore-app').params['pinned']).toEqual({});
  });

  it('take pods of the same template up again, but for exchanged files', () => {
    expect(change(plan(badImage), 'restore-app').params['restart']).toBe(false);
    const both = plan({ ...badImage, ...lostPlugin });
    expect(change(both, 'restore-app').params['restart']).toBe(true);
    expect(change(both, 'switch-extensions').params['restart']).toBe(false);
    expect(change(plan(lostPlugin), 'switch-extensions').params['restart']).toBe(true);
  });

  it('bring pods back where there are none', () => {
    const deployment = hybridDeployment({ replicas: 0 });
    const made = plan({ deployment });
    expect(change(made, 'restore-app').after).toMatchObject({ replicas: 2 });
  });

  it('ignore what a restart leaves in the template', () => {
    const deployment = hybridDeployment();
    const metadata = deployment.spec?.template.metadata;
    if (metadata) metadata.annotations = { 'kubectl.kubernetes.io/restartedAt': 'now' };
    expect(ids(plan({ deployment }))).toEqual([]);
  });

  it('name only trees that differ', () => {
    const { params } = change(plan(lostPlugin), 'stage-extensions');
    expect(params['trees']).toEqual([
      {
        folder: 'wp-content/plugins',
        claim: 'wp-content',
        path: 'plugins',
        mounted: true,
        digest: digestA,
      },
    ]);
  });

  it('observe what they hang on, and mark what they alter', () => {
    const made = plan(lostPlugin, { layers: ['plugins-themes', 'database'] });
    const keys = made.observations.map(({ key }) => key);
    expect(keys).toEqual([
      'rollback-point:20261122T030000Z-acme-backup',
      'rollback-app:deployment',
      'rollback-files:extensions',
      'rollback-options:recorded',
      'rollback-database:tables',
    ]);
    for (const { touches } of made.changes) for (const key of touches) expect(keys).toContain(key);
    // Older code may make tables and set options of its own before the database goes back.
    expect(change(made, 'switch-extensions').touches).toEqual([
      'rollback-files:extensions',
      'rollback-app:deployment',
      'rollback-database:tables',
      'rollback-options:recorded',
    ]);
    expect(change(plan(lostPlugin), 'switch-extensions').touches).toEqual([
      'rollback-files:extensions',
      'rollback-app:deployment',
    ]);
  });

  it('are the same whenever the facts are', () => {
    expect(digestOf(plan(lostPlugin))).toBe(digestOf(plan(lostPlugin)));
  });
});

describe('letting kept things go', () => {
  const kept: RollbackFacts['kept'] = Array.from({ length: 11 }, (_, n) => ({
    kind: 'database',
    schemas: [`presslift_kept_acme_${String(n).padStart(12, '0')}`],
    bytes: 1,
    tables: 1,
  }));

  it('deletes nine at most, each as a change that cannot be undone', () => {
    const made = plan({ kept }, { release: true });
    expect(ids(made)).toEqual(Array.from({ length: 9 }, (_, n) => `delete-kept-${n + 1}`));
    expect(made.changes.every(({ undo }) => !undo.possible)).toBe(true);
    expect(findings(made)).toEqual(['info more-is-kept']);
  });

  it('finds nothing where nothing is kept', () => {
    expect(ids(plan({ ...lostPlugin }, { release: true }))).toEqual([]);
  });
});

describe('names', () => {
  it('are others in the next run of the same workflow id', () => {
    const request: RollbackRequest = { layers: ['database', 'plugins-themes'] };
    const of = (execution: string) =>
      planRollback(site, rollbackFacts(lostPlugin), request, { ...context, execution });
    const [one, two] = [of('acme/rollback/by-hand/run-1'), of('acme/rollback/by-hand/run-2')];
    for (const [id, name] of [
      ['switch-database', 'kept'],
      ['switch-database', 'staged'],
      ['switch-extensions', 'folder'],
    ] as const) {
      expect(change(one, id).params[name]).not.toEqual(change(two, id).params[name]);
    }
    expect(ids(two)).toEqual(ids(one));
    for (const each of two.changes) {
      expect(executionOf(each, 'acme/rollback/by-hand')).toBe('acme/rollback/by-hand/run-2');
    }
    // A plan that was made before changes named their execution.
    expect(executionOf({ params: {} }, 'acme/rollback/by-hand')).toBe('acme/rollback/by-hand');
  });

  it('of schemas tell their site and fit', () => {
    for (const name of ['acme', 'a-b', 'x'.repeat(63), `${'x'.repeat(62)}y`]) {
      const { staged, kept } = rollbackSchemas({ name }, context.execution);
      expect(staged.length).toBeLessThanOrEqual(64);
      expect(rollbackOfSchema({ name }, staged)).toBe(rollbackOfSchema({ name }, kept));
      expect(rollbackOfSchema({ name }, kept)).toMatch(/^[0-9a-f]{12}$/);
      expect(rollbackOfSchema({ name: 'other' }, kept)).toBeNull();
    }
    expect(rollbackOfSchema({ name: 'a' }, 'presslift_kept_a_b_0123456789ab')).toBeNull();
    expect(rollbackOfSchema({ name: 'a' }, 'wordpress')).toBeNull();
  });
});

describe('live trees', () => {
  it('are folders below the mounted document root before phase 1', () => {
    const trees = liveTrees(beforeTemplate(), 'php', '/var/www/html/');
    expect(trees).toEqual([
      {
        folder: 'wp-content/plugins',
        claim: 'docroot',
        path: 'wp-content/plugins',
        mounted: false,
      },
      { folder: 'wp-content/themes', claim: 'docroot', path: 'wp-content/themes', mounted: false },
    ]);
  });

  it('are mounted themselves after it', () => {
    const template = hybridDeployment().spec?.template ?? {};
    expect(liveTrees(template, 'php', '/var/www/html')).toMatchObject([
      { claim: 'wp-content', path: 'plugins', mounted: true },
      { claim: 'wp-content', path: 'themes', mounted: true },
    ]);
  });

  it('are left out where they are on no claim', () => {
    const template = beforeTemplate();
    template.spec!.volumes = [{ name: 'docroot', emptyDir: {} }];
    expect(liveTrees(template, 'php', '/var/www/html')).toEqual([]);
  });
});

describe('a Deployment that is gone', () => {
  const objects = { deployment: hybridDeployment(), configMap: null };
  const gone: Partial<RollbackFacts> = {
    deployment: null,
    options: null,
    extensions: { trees: [], comparisons: [], error: null, listing: null },
    app: { objects, configMap: null, running: [], missingSecrets: [] },
    inUse: { hosts: [], same: null },
  };

  it.each<[string, string, string[], RollbackRequest]>([
    [
      'the dump of the database',
      'warning',
      ['stage-database', 'switch-database'],
      { layers: ['database'] },
    ],
    ['plugins and themes', 'error', [], { layers: ['plugins-themes'] }],
    ['the app', 'info', ['restore-app'], { layers: ['app'] }],
    ['app and plugins', 'error', [], { layers: ['app', 'plugins-themes'] }],
    [
      'app and database',
      'info',
      ['stage-database', 'restore-app', 'switch-database'],
      { layers: ['app', 'database'] },
    ],
    ['the app behind a maintenance page', 'error', [], { layers: ['app'], maintenance: true }],
    ['a database as of a second', 'error', [], { databaseTime: '2026-11-23T17:00:00Z' }],
    ['whatever differs', 'info', ['restore-app'], {}],
  ])('forbids only what needs its pods: %s is met by %s', (_, level, changes, request) => {
    const made = plan(gone, request);
    expect(findings(made)).toContain(`${level} no-deployment`);
    expect(ids(made)).toEqual(changes);
  });

  it('is made again as it was, with its images by digest, for nothing proves what their tags mean now', () => {
    const made = change(plan(gone), 'restore-app');
    expect(made).toMatchObject({
      title: expect.stringMatching(/^Make the Deployment of .* again$/) as unknown,
      before: null,
      after: { replicas: 2, images: { php: `${image.replace(/:[^:/]+$/, '')}@${digestA}` } },
      undo: { possible: true },
      params: { restart: false, stuck: false },
    });
  });

  it('and its objects too has to be applied by hand', () => {
    const made = plan({ ...gone, app: { ...gone.app!, objects: null } }, { layers: ['app'] });
    expect(findings(made)).toEqual(
      expect.arrayContaining(['error no-deployment', 'error app-objects-gone']),
    );
    expect(ids(made)).toEqual([]);
  });

  it('of pods with another database than the site file names is not made again', () => {
    const deployment = hybridDeployment();
    for (const container of deployment.spec!.template.spec!.containers) {
      container.env = [{ name: 'WORDPRESS_DB_HOST', value: 'old.example:25060' }];
    }
    const app = { ...gone.app!, objects: { deployment, configMap: null } };
    const made = plan({ ...gone, app }, { layers: ['app'] });
    expect(findings(made)).toContain('error app-of-other-database');
    expect(ids(made)).toEqual([]);
  });
});
