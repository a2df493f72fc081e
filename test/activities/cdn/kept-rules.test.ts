import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackupActivities } from '../../../src/activities/backup/index.ts';
import { createCdnActivities } from '../../../src/activities/cdn/index.ts';
import { createKeptRules, type KeptRules } from '../../../src/activities/cdn/kept-rules.ts';
import { createRulesReader } from '../../../src/activities/cdn/zone.ts';
import { openCatalogue } from '../../../src/activities/recovery/catalogue.ts';
import { createRecoveryActivities } from '../../../src/activities/recovery/index.ts';
import { recoverySecretName } from '../../../src/activities/recovery/objects.ts';
import { packedRules } from '../../../src/activities/recovery/packed-rules.ts';
import type { RulesCopy } from '../../../src/domain/cdn/rules-copy.ts';
import {
  editToken,
  startCloudflare,
  testZoneId,
  type CloudflareServer,
} from '../../support/cloudflare.ts';
import {
  labNamespace,
  pointOf,
  startRecoveryLab,
  type RecoveryLab,
} from '../../support/recovery-lab.ts';

/**
 * The CDN's rules in a recovery point, with a real API server, repository and bucket: they are in its Secret and in the copy off
 * the cluster, nowhere else, and bring back what was deleted at the provider.
 */

const phase = 'http_response_headers_transform';
const rules = [
  {
    ref: 'origin-pass',
    expression: 'true',
    action: 'rewrite' as const,
    action_parameters: {
      headers: { 'x-pass': { operation: 'set' as const, value: 'hidden-word' } },
    },
  },
];

let lab: RecoveryLab;
let cloudflare: CloudflareServer;
let kept: KeptRules;

beforeAll(async () => {
  [lab, cloudflare] = await Promise.all([startRecoveryLab({ database: false }), startCloudflare()]);
  lab.env['TOKEN'] = editToken;
  lab.site.cdn = {
    ...lab.site.cdn!,
    ...{ provider: 'cloudflare', zoneId: testZoneId, token: 'env:TOKEN' },
    apiEndpoint: cloudflare.endpoint,
  };
  kept = createKeptRules(lab.deps);
  await lab.script(`restic_run init > /dev/null; say '{}'`);
});
afterAll(async () => {
  await lab?.stop();
  await cloudflare?.close();
});

const cdnDeps = () => ({ secrets: lab.deps.secrets, kept });
const operationId = 'acme/backup/1';

/** Takes the objects of a point as every operation does. */
const take = (id: string, readCdnRules = createRulesReader(cdnDeps())) =>
  createRecoveryActivities({
    ...lab.deps,
    ...{ openSession: () => Promise.resolve(null), readCdnRules },
  }).takeRecoveryPoint({ site: lab.site, id, operationId, plan: null });

const live = () => cloudflare.client().rulesets.phases.get(phase, { zone_id: testZoneId });

describe('the rules of a recovery point', () => {
  const id = '20261123T030001Z-acme-backup';

  it('come back without their versions, and without the Secret of the point', async () => {
    await cloudflare.client().rulesets.phases.update(phase, { zone_id: testZoneId, rules });
    const taken = await take(id);
    expect(taken.contains).toContain("the CDN's rules");
    const cdn = createCdnActivities(cdnDeps());
    const then = (await cdn.describeCdn({ site: lab.site, id }))!;
    const root = await lab.node.claim('wp-content');
    await mkdir(join(root, 'plugins'), { recursive: true });
    await writeFile(join(root, 'plugins/hello.php'), '<?php // Hello');
    const files = await createBackupActivities(lab.deps).backUpFiles({
      ...{ site: lab.site, id, operationId, snapshots: [] },
      volumes: [
        {
          ...{ claim: 'wp-content', subPath: '', provides: ['wp-content/plugins'] },
          ...{ storageClass: null, accessModes: ['ReadWriteMany'], size: '5Gi' },
        },
      ],
    });
    const document = pointOf(id, { files, cdn: then });
    expect(JSON.stringify([taken, document])).not.toContain('hidden-word');
    const catalogue = await openCatalogue(lab.deps, lab.site);
    await catalogue.write(document).finally(() => catalogue.close());

    // Disaster: the ruleset with its versions, and the site's namespace with its Secrets.
    await cloudflare.client().rulesets.delete((await live()).id, { zone_id: testZoneId });
    const name = recoverySecretName(id);
    await lab.plane.admin.core.deleteNamespacedSecret({ name, namespace: labNamespace });
    expect(await kept.nearby(lab.site, id)).toBeNull();

    const now = (await cdn.describeCdn({ site: lab.site }))!;
    const only = (one: { phase: string }) => one.phase === phase;
    await cdn.restoreCdnRules({
      ...{ site: lab.site, operationId: 'acme/rollback/1', recoveryPoint: null },
      change: {
        ...{ id: 'restore-cdn-rules', title: '', target: '', risk: 'medium', riskReason: '' },
        ...{ undo: { possible: true, how: '' }, touches: [], after: null },
        before: { rulesets: now.rulesets.filter(only) as never },
        params: {
          ...{ point: id, zoneId: testZoneId },
          rulesets: then.rulesets.filter(only) as never,
        },
      },
    });
    expect((await live()).rules).toMatchObject(rules);
  });

  it('are read from the Secret where there is one', async () => {
    const other = '20261123T030002Z-acme-backup';
    await take(other);
    const copy = await kept.nearby(lab.site, other);
    expect(copy).toMatchObject({ zoneId: testZoneId, rulesets: [{ phase, rules }] });
    expect(await kept.anywhere({ site: lab.site, operationId, id: other })).toEqual(copy);
  });

  it('are missing, and said to be, when the provider does not answer or they are too many', async () => {
    await cloudflare.faults([{ what: { kind: 'answer', status: 503 } }]);
    const silent = await take('20261123T030003Z-acme-backup');
    await cloudflare.faults([]);
    expect(silent.missing.join()).toMatch(/a copy of the CDN's rules \(.*status 503/);
    const noise = () => Array.from({ length: 40 }, () => Math.random().toString(36)).join('');
    const many: RulesCopy = {
      ...{ schema: 1, zoneId: testZoneId },
      rulesets: [{ phase, id: 'r', version: '1', rules: [] }],
    };
    many.rulesets[0]!.rules = Array.from({ length: 900 }, () => ({ expression: noise() }));
    expect(packedRules(many)).toBeNull();
    const large = await take('20261123T030004Z-acme-backup', () => Promise.resolve(many));
    expect(large.missing.join()).toContain('they are too many');
    expect(large.contains).not.toContain("the CDN's rules");
  });

  it('are none in a point of before, or of a site without a CDN', async () => {
    const bare = '20261123T030005Z-acme-backup';
    const taken = await take(bare, () => Promise.resolve(null));
    expect(taken.contains).not.toContain("the CDN's rules");
    expect(taken.missing.join()).not.toContain('CDN');
    expect(await kept.anywhere({ site: lab.site, operationId, id: bare })).toBeNull();
  });
});
