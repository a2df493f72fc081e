import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import type { Plan } from '../../../src/domain/plan.ts';
import type { RollbackFacts } from '../../../src/domain/planners/rollback-facts.ts';
import { rollbackOfSchema, rollbackSchemas } from '../../../src/domain/planners/rollback-names.ts';
import { liveTrees } from '../../../src/domain/planners/rollback-trees.ts';
import { planRollback } from '../../../src/domain/planners/rollback.ts';
import type { RollbackRequest } from '../../../src/domain/recovery/request.ts';
import { acme, beforeTemplate, image } from '../../support/hybrid-fixtures.ts';
import {
  digestA,
  digestB,
  hybridDeployment,
  recoveryPoint,
  rollbackFacts,
  sameTree,
} from '../../support/rollback-facts.ts';

/** The planner of rollbacks, by tables: what facts and request give which changes and findings. No cluster, no clock. */

const site = acme((file) => {
  delete file['cdn'];
});
const context = { siteDigest: digestA, operationId: 'acme/rollback/20261123T180000Z' };

function plan(change: Partial<RollbackFacts> = {}, request: RollbackRequest = {}): Plan {
  return planRollback(site, rollbackFacts(change), request, context);
}

const ids = ({ changes }: Plan) => changes.map(({ id }) => id);
const findings = ({ findings: list }: Plan) => list.map(({ id, level }) => `${level} ${id}`);
const change = (one: Plan, id: string) => {
  const found = one.changes.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`No change ${id} among ${ids(one).join(', ')}`);
  return found;
};

const lostPlugin: Partial<RollbackFacts> = {
  extensions: {
    ...rollbackFacts().extensions,
    comparisons: [
      {
        ...sameTree('wp-content/plugins'),
        missing: { count: 4, first: ['shop/shop.php'] },
      },
      sameTree('wp-content/themes'),
    ],
  },
};
const otherOptions: Partial<RollbackFacts> = {
  options: { ...rollbackFacts().options, active_plugins: ['akismet/akismet.php'] },
};
const badImage: Partial<RollbackFacts> = {
  deployment: hybridDeployment({ image: 'localhost:5000/presslift/wordpress:broken' }),
  stuck: 'pod wordpress-x: container php: ImagePullBackOff',
};
const cdnPoint = recoveryPoint({
  cdn: {
    provider: 'cloudflare',
    zoneId: 'zone',
    rulesets: [
      {
        phase: 'http_request_cache_settings',
        rulesetId: 'r',
        version: '3',
        rules: 2,
        digest: 'then',
      },
      {
        phase: 'http_request_firewall_custom',
        rulesetId: 'f',
        version: '1',
        rules: 1,
        digest: 'same',
      },
    ],
  },
});
const cdnNow = {
  provider: 'cloudflare' as const,
  zoneId: 'zone',
  rulesets: [
    { phase: 'http_request_cache_settings', rulesetId: 'r', version: '5', rules: 2, digest: 'now' },
    {
      phase: 'http_request_firewall_custom',
      rulesetId: 'f',
      version: '1',
      rules: 1,
      digest: 'same',
    },
  ],
};
const withCdn = acme((file) => {
  Object.assign(file, { cdn: { provider: 'cloudflare', zoneId: 'zone', token: 'env:TOKEN' } });
});

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
        'switch-database',
        'switch-extensions',
        'restore-app',
        'end-maintenance',
      ],
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
      ['fork-database', 'stage-extensions', 'move-to-forked-database', 'switch-extensions'],
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
    expect(change(made, 'purge-cdn').params).toEqual({ hosts: site.hosts.names });
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
      'the site is broken now',
      { ...lostPlugin, frontPage: { good: false, seen: 'status 500' } },
      {},
      ['info site-broken-now', 'info expected-time', 'info not-coming-back'],
    ],
  ];
  it.each(table)('%s', (_, facts, request, expected) => {
    expect(findings(plan(facts, request))).toEqual(expected);
  });

  it('counts what would be lost', () => {
    const made = plan({}, { layers: ['database'] });
    const losses = made.findings.find(({ id }) => id === 'losses-since-point');
    expect(losses?.message).toBe(
      'Lost to the site, made or changed since 2026-11-22T03:00:00.000Z: 3 orders, 2 of type post, changes of 1 of type post, 1 comment.',
    );
    expect(losses?.evidence).toMatchObject({ counted: true, orders: { made: 3, changed: 0 } });
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

describe('details of changes', () => {
  it('name an image by its digest where the tag means another one now', () => {
    const made = plan({ app: { ...rollbackFacts().app, running: { php: digestB, web: digestA } } });
    expect(ids(made)).toEqual(['restore-app']);
    const pinned = `localhost:5000/presslift/wordpress@${digestA}`;
    expect(change(made, 'restore-app').params['pinned']).toEqual({ php: pinned });
    expect(change(made, 'restore-app').after).toMatchObject({
      images: { php: pinned, web: image },
    });
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
    expect(change(made, 'switch-extensions').touches).toEqual([
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
  it('of schemas tell their site and fit', () => {
    for (const name of ['acme', 'a-b', 'x'.repeat(63), `${'x'.repeat(62)}y`]) {
      const { staged, kept } = rollbackSchemas({ name }, context.operationId);
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
