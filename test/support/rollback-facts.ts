import type { RollbackFacts } from '../../src/domain/planners/rollback-facts.ts';
import { liveTrees } from '../../src/domain/planners/rollback-trees.ts';
import { hybridPodTemplate } from '../../src/domain/kubernetes/pod-template.ts';
import type { RecoveryPoint } from '../../src/domain/recovery/point.ts';
import { acme, beforeDeployment, beforeTemplate, image } from './hybrid-fixtures.ts';

export const digestA = `sha256:${'a'.repeat(64)}`;
export const digestB = `sha256:${'b'.repeat(64)}`;

/** The Deployment of the sandbox's site after phase 1. */
export function hybridDeployment(change: { image?: string; replicas?: number } = {}) {
  const template = hybridPodTemplate(beforeTemplate(), acme(), {
    servicePort: 8080,
    selector: { app: 'wordpress' },
    chown: true,
    saltsFromSecret: true,
    fpmPort: 9000,
    sameNode: false,
    keptPaths: [],
  });
  const text = JSON.stringify(template).replaceAll(`"${image}"`, `"${change.image ?? image}"`);
  const deployment = beforeDeployment(JSON.parse(text) as typeof template);
  if (deployment.spec) deployment.spec.replicas = change.replicas ?? 2;
  return deployment;
}

/** A whole recovery point of that site. */
export function recoveryPoint(change: Partial<RecoveryPoint> = {}): RecoveryPoint {
  return {
    schema: 1,
    id: '20261122T030000Z-acme-backup',
    site: 'acme',
    reason: 'scheduled',
    operationId: 'acme/backup/20261122T030000Z',
    takenAt: '2026-11-22T03:00:00.000Z',
    finishedAt: '2026-11-22T03:01:00.000Z',
    sentinel: null,
    wordpress: {
      version: '6.8.12',
      databaseVersion: 60421,
      php: '8.2.28',
      siteUrl: 'https://acme.presslift.test',
      tablePrefix: 'wp_',
      plugins: [],
      themes: [],
      options: {
        active_plugins: ['akismet/akismet.php', 'shop/shop.php'],
        template: 'acme',
        stylesheet: 'acme',
        db_version: '60421',
        shop_db_version: '3',
      },
      saltsFingerprint: null,
      newestPostAt: null,
      samples: { frontPageTitle: 'Acme', post: { path: '/hello/', title: 'Hello' } },
    },
    files: {
      repository: 's3:https://s3.example/acme/presslift/acme/restic',
      snapshotId: 'c'.repeat(64),
      volumes: [
        {
          claim: 'wp-content',
          subPath: '',
          provides: ['wp-content/plugins', 'wp-content/themes'],
          storageClass: 'rwx',
          accessModes: ['ReadWriteMany'],
          size: '5Gi',
        },
      ],
      localSnapshots: [],
      files: 10,
      bytes: 1000,
      manifestDigest: digestA,
      bytesAdded: 10,
    },
    database: {
      repository: 's3:https://s3.example/acme/presslift/acme/restic',
      snapshotId: 'd'.repeat(64),
      bytes: 5000,
      manifest: {
        schema: 'wordpress',
        charset: 'utf8mb4',
        collation: 'utf8mb4_0900_ai_ci',
        tables: [
          { name: 'wp_options', rows: 100, checksum: '0', structure: digestA },
          { name: 'wp_posts', rows: 40, checksum: '1', structure: digestA },
        ],
        triggers: {},
        routines: {},
        events: {},
        views: {},
      },
      server: { version: '9.7', host: 'db.presslift.test' },
      gtid: null,
      managedBackups: [],
    },
    app: {
      deployment: 'wordpress',
      replicas: 2,
      images: { php: `${image}@${digestA}`, web: `${image}@${digestA}` },
      templateDigest: digestA,
      configMaps: ['wordpress-wp-config'],
      secrets: ['acme/wordpress-database'],
      objectsSecret: 'presslift-recovery-x',
    },
    cdn: null,
    objectStorage: null,
    missing: [],
    ...change,
  };
}

/** What ready pods of the point's template run. */
export const runningImages = (php = digestA) => [
  { container: 'php', image, digest: php },
  { container: 'web', image, digest: digestA },
];

const same = { count: 0, first: [] };
const summary = { files: 5, bytes: 500, digest: digestA };

/** A folder as the point has it. */
export function sameTree(folder: string): RollbackFacts['extensions']['comparisons'][number] {
  return {
    folder,
    point: summary,
    live: summary,
    missing: same,
    changed: same,
    extra: same,
    permissions: 0,
  };
}

/** Facts of a site in which nothing differs from the point. */
export function rollbackFacts(change: Partial<RollbackFacts> = {}): RollbackFacts {
  const deployment = hybridDeployment();
  const site = acme();
  return {
    observedAt: '2026-11-23T18:00:00.000Z',
    point: recoveryPoint(),
    passedOver: [],
    state: { pinned: null, bad: null, proved: null },
    drill: {
      schema: 1,
      site: 'acme',
      drill: 'acme/drill/20261123T050000Z',
      point: '20261122T030000Z-acme-backup',
      pass: true,
      startedAt: '2026-11-23T05:00:00.000Z',
      endedAt: '2026-11-23T05:01:10.000Z',
      rtoMs: 42_000,
      rpoMs: 60_000,
      targets: { rtoMs: 300_000, rpoMs: 86_400_000 },
      stages: [
        { id: 'files', title: 'Files', startedAt: '', ms: 12_300, countsForRto: true },
        { id: 'database', title: 'Database', startedAt: '', ms: 9_000, countsForRto: true },
        { id: 'checks', title: 'Checks', startedAt: '', ms: 5_000, countsForRto: false },
      ],
      criteria: [],
      trend: [],
    },
    deployment,
    stuck: null,
    frontPage: { good: true, seen: 'status 200' },
    extensions: {
      trees: deployment.spec
        ? liveTrees(deployment.spec.template, site.cluster.container, site.wordpress.documentRoot)
        : [],
      comparisons: [sameTree('wp-content/plugins'), sameTree('wp-content/themes')],
      error: null,
      listing: digestB,
    },
    options: { ...recoveryPoint().wordpress?.options },
    wordpressError: null,
    app: {
      objects: { deployment: hybridDeployment(), configMap: null },
      configMap: null,
      running: runningImages(),
      missingSecrets: [],
    },
    database: {
      tables: ['wp_options', 'wp_posts'],
      error: null,
      losses: {
        since: '2026-11-22T03:00:00.000Z',
        posts: { post: { made: 2, changed: 1 } },
        orders: { made: 3, changed: 0 },
        comments: 1,
        users: 0,
        uncounted: [],
      },
    },
    inUse: { hosts: ['db.presslift.test:3306'], same: true },
    cdn: null,
    cdnError: null,
    cdnRules: { differences: [], gone: [] },
    kept: [],
    ...change,
  };
}
