// Proves what phase 1 plans from facts: everything at first, nothing at the end, only the rest in between, and a finding
// for whatever a person must know. That the facts are true is proved by the activities' tests.
import type { V1Deployment } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { canonicalJson } from '../../../src/domain/json.ts';
import { hybridConfigExtra } from '../../../src/domain/kubernetes/config-extra.ts';
import { COPIED_ANNOTATION } from '../../../src/domain/kubernetes/names.ts';
import { hybridPodTemplate } from '../../../src/domain/kubernetes/pod-template.ts';
import {
  heldDeployment,
  servingSettings,
  trackedSelector,
} from '../../../src/domain/kubernetes/rollout.ts';
import { sharedClaim } from '../../../src/domain/kubernetes/shared-claim.ts';
import type { HybridStorageFacts } from '../../../src/domain/planners/hybrid-storage-facts.ts';
import { saltKeys } from '../../../src/domain/planners/hybrid-storage-changes.ts';
import { situationOf } from '../../../src/domain/planners/hybrid-storage-situation.ts';
import { planHybridStorage } from '../../../src/domain/planners/hybrid-storage.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import {
  acme,
  beforeDeployment,
  beforeFacts,
  beforeService,
  beforeTemplate,
} from '../../support/hybrid-fixtures.ts';

const plan = (facts: HybridStorageFacts, site = acme()) =>
  planHybridStorage(site, facts, { siteDigest: 'sha256:site' });
const changeIds = (facts: HybridStorageFacts, site?: Site) =>
  plan(facts, site).changes.map(({ id }) => id);
const findingIds = (facts: HybridStorageFacts, level: string, site?: Site) =>
  plan(facts, site)
    .findings.filter((f) => f.level === level)
    .map(({ id }) => id);

const extra = hybridConfigExtra("define('WP_MEMORY_LIMIT', '256M');\n", { fsMethodDirect: true });

function newTemplate() {
  const options = situationOf(acme(), beforeFacts())?.templateOptions;
  if (options === undefined) throw new Error('fixture');
  return hybridPodTemplate(beforeTemplate(), acme(), options);
}

function held(): V1Deployment {
  return heldDeployment(beforeDeployment(), newTemplate());
}

function serving(replicas: number): V1Deployment {
  const deployment = held();
  if (deployment.spec) deployment.spec = { ...deployment.spec, ...servingSettings(), replicas };
  return deployment;
}

function trackedService() {
  const service = beforeService();
  if (service.spec) service.spec.selector = trackedSelector(service.spec.selector ?? {});
  return service;
}

const copiedClaim = () => {
  const { trees } = beforeFacts();
  const claim = sharedClaim(acme());
  const copied = { plugins: trees?.plugins.digest, themes: trees?.themes.digest };
  return {
    ...claim,
    metadata: { ...claim.metadata, annotations: { [COPIED_ANNOTATION]: JSON.stringify(copied) } },
  };
};

const budget = {
  metadata: { name: 'wordpress', namespace: 'acme' },
  spec: { minAvailable: 1, selector: { matchLabels: { app: 'wordpress' } } },
};

/** Everything that comes before new pods, done. */
const prepared: Partial<HybridStorageFacts> = {
  sharedClaim: copiedClaim(),
  saltsSecret: { keys: saltKeys, fingerprint: 'sha256:salts' },
  configMapExtra: extra,
  disruptionBudgets: [budget],
};

const done: Partial<HybridStorageFacts> = {
  ...prepared,
  deployment: serving(2),
  service: trackedService(),
  extra: { text: extra, source: 'ConfigMap' },
  proof: null,
  inspection: null,
  pods: { old: 0, new: 2 },
};

const rest = ['start-new-pods', 'move-traffic', 'retire-old-pods', 'scale-out'];

describe('the changes of phase 1', () => {
  it.each<[string, Partial<HybridStorageFacts>, string[]]>([
    [
      'a site before phase 1',
      {},
      [
        'create-shared-claim',
        'copy-extensions',
        'keep-salts',
        'apply-configuration',
        'apply-disruption-budget',
        ...rest,
      ],
    ],
    ['a site after phase 1', done, []],
    ['everything prepared', prepared, rest],
    [
      'killed after the claim was made',
      { sharedClaim: sharedClaim(acme()) },
      ['copy-extensions', 'keep-salts', 'apply-configuration', 'apply-disruption-budget', ...rest],
    ],
    [
      'plugins changed since the copy',
      {
        ...prepared,
        trees: {
          plugins: { files: 4, bytes: 1, digest: digestOf('newer') },
          themes: { files: 3, bytes: 300, digest: digestOf('themes') },
        },
      },
      ['copy-extensions', ...rest],
    ],
    [
      'salts changed since they were kept',
      { ...prepared, saltsSecret: { keys: saltKeys, fingerprint: 'sha256:old' } },
      ['keep-salts', ...rest],
    ],
    [
      'a salts Secret with a key missing',
      { ...prepared, saltsSecret: { keys: saltKeys.slice(1), fingerprint: 'sha256:salts' } },
      ['keep-salts', ...rest],
    ],
    [
      'killed while new pods started',
      { ...prepared, deployment: held(), pods: { old: 1, new: 1 } },
      ['start-new-pods', 'move-traffic', 'retire-old-pods', 'scale-out'],
    ],
    [
      'killed after traffic moved',
      { ...done, deployment: held(), pods: { old: 1, new: 1 } },
      ['retire-old-pods', 'scale-out'],
    ],
    [
      'killed while old pods ended',
      { ...done, deployment: serving(1), pods: { old: 1, new: 1 } },
      ['retire-old-pods', 'scale-out'],
    ],
    [
      'killed before scaling',
      { ...done, deployment: serving(1), pods: { old: 0, new: 1 } },
      ['scale-out'],
    ],
    ['more pods than the site file asks for', { ...done, deployment: serving(5) }, []],
    [
      'the budget was deleted afterwards',
      { ...done, disruptionBudgets: [] },
      ['apply-disruption-budget'],
    ],
    [
      'a budget that lets no pod go',
      { ...done, disruptionBudgets: [{ ...budget, spec: { ...budget.spec, minAvailable: 2 } }] },
      ['apply-disruption-budget'],
    ],
    [
      "somebody's own budget that does",
      { ...done, disruptionBudgets: [{ metadata: { name: 'own' }, spec: { maxUnavailable: 1 } }] },
      [],
    ],
    [
      'a ConfigMap that somebody changed',
      { ...done, configMapExtra: 'x', extra: { text: 'x', source: 'ConfigMap' } },
      ['apply-configuration'],
    ],
    [
      'salts that come from the environment already',
      {
        ...prepared,
        saltsSecret: null,
        wordpress: { ...beforeFacts().wordpress!, saltsFromEnvironment: true },
      },
      rest,
    ],
    [
      'files that administrators changed after phase 1',
      {
        ...done,
        trees: {
          plugins: { files: 9, bytes: 9, digest: digestOf('9') },
          themes: { files: 9, bytes: 9, digest: digestOf('9') },
        },
      },
      [],
    ],
  ])('%s', (_name, facts, expected) => {
    expect(changeIds(beforeFacts(facts))).toEqual(expected);
  });

  it('installs a provisioner only where the site asks for one and it is not there', () => {
    const site = acme((file) => {
      const storage = file['storage'] as unknown as Record<string, Record<string, unknown>>;
      storage['provisioner'] = { kind: 'nfs-server' };
      delete storage['sharedClaim']?.['storageClass'];
    });
    const before = beforeFacts({ proof: null });
    expect(changeIds(before, site)[0]).toBe('install-provisioner');
    expect(findingIds(before, 'error', site)).toEqual([]);
    const there = beforeFacts({ storageClasses: [{ name: 'presslift-nfs', isDefault: false }] });
    expect(changeIds(there, site)).not.toContain('install-provisioner');
  });

  it('say how each is undone and what each alters', () => {
    const { changes, observations } = plan(beforeFacts());
    const keys = observations.map(({ key }) => key);
    for (const change of changes) {
      expect(change.undo.possible).toBe(true);
      expect(keys).toEqual(expect.arrayContaining(change.touches));
    }
  });

  it('carry no secret and are plain JSON', () => {
    const template = beforeTemplate();
    template.spec?.containers[0]?.env?.push(
      { name: 'WORDPRESS_DB_USER', value: 'PLANTED-1' },
      { name: 'API', value: 'PLANTED-2' },
    );
    const facts = beforeFacts({
      deployment: beforeDeployment(template),
      extra: { text: "define('LICENSE', 'PLANTED-3');", source: 'ConfigMap' },
    });
    expect(canonicalJson(plan(facts))).not.toContain('PLANTED');
  });

  it('have the same digest for the same facts, and another one when the template differs', () => {
    expect(digestOf(plan(beforeFacts()))).toBe(digestOf(plan(beforeFacts())));
    const template = beforeTemplate();
    template.spec?.containers[0]?.env?.push({ name: 'API', value: 'other' });
    expect(digestOf(plan(beforeFacts({ deployment: beforeDeployment(template) })))).not.toBe(
      digestOf(plan(beforeFacts())),
    );
  });
});

const inspection = () => structuredClone(beforeFacts().inspection!);
const proof = beforeFacts().proof!;

describe('the findings of phase 1', () => {
  it('are none for a site where all is well', () => {
    expect(plan(beforeFacts()).findings).toEqual([]);
    expect(plan(beforeFacts(done)).findings).toEqual([]);
  });

  it.each<[string, Partial<HybridStorageFacts>, 'error' | 'warning', string]>([
    ['no Deployment', { deployment: null }, 'error', 'deployment-missing'],
    ['no Service', { service: null }, 'error', 'service-missing'],
    [
      'a cluster without native sidecars',
      { kubernetes: { major: 1, minor: 28 } },
      'error',
      'kubernetes-too-old',
    ],
    [
      'a class that cannot share',
      { proof: { ...proof, shared: false, why: 'the second pod stayed Pending' } },
      'error',
      'storage-not-shared',
    ],
    ['a class that is not there', { storageClasses: [] }, 'error', 'storage-class-missing'],
    [
      'a claim of one node',
      { sharedClaim: { spec: { accessModes: ['ReadWriteOnce'] } } },
      'error',
      'claim-not-shared',
    ],
    [
      'root squashed and no right to write',
      { proof: { ...proof, chown: false, writable: false, direct: false } },
      'error',
      'chown-refused',
    ],
    ['WordPress that does not answer', { wordpress: null }, 'error', 'wordpress-silent'],
    [
      'configuration in a Secret',
      { extra: { text: '', source: 'Secret' } },
      'error',
      'configuration-in-secret',
    ],
    ['two budgets', { disruptionBudgets: [budget, budget] }, 'error', 'several-disruption-budgets'],
    [
      'a failed inspection',
      { inspection: null, inspectionError: 'no core in the image' },
      'error',
      'docroot-not-inspected',
    ],
    [
      'an image with older core',
      { inspection: { ...inspection(), imageVersion: '6.8.9' } },
      'error',
      'image-older',
    ],
    [
      'an image with newer core',
      { inspection: { ...inspection(), imageVersion: '7.1' } },
      'warning',
      'image-newer',
    ],
    ['an autoscaler', { autoscalers: ['wordpress'] }, 'warning', 'autoscaler'],
    [
      'uploads of one node on a cluster of several',
      { nodes: 3 },
      'warning',
      'one-node-until-phase-2',
    ],
    ['no snapshots', { snapshotClass: null }, 'warning', 'no-snapshots'],
    [
      'another manager of the template',
      { templateManagers: ['argocd-controller'] },
      'warning',
      'template-managed-elsewhere',
    ],
    ['a second Service', { otherServices: ['wordpress-metrics'] }, 'warning', 'other-services'],
    [
      'changed core files',
      {
        inspection: {
          ...inspection(),
          core: { ...inspection().core, changed: { count: 1, first: ['wp-login.php'] } },
        },
      },
      'warning',
      'core-changed',
    ],
    [
      'strange files in core',
      {
        inspection: {
          ...inspection(),
          core: { ...inspection().core, added: { count: 1, first: ['wp-includes/x.php'] } },
        },
      },
      'warning',
      'core-files-added',
    ],
  ])('%s: %s', (_name, facts, level, id) => {
    expect(findingIds(beforeFacts(facts), level)).toContain(id);
  });

  it('an unknown layout plans nothing', () => {
    const template = beforeTemplate();
    if (template.spec) template.spec.volumes = [];
    const facts = beforeFacts({ deployment: beforeDeployment(template) });
    expect(findingIds(facts, 'error')).toContain('unknown-layout');
    expect(changeIds(facts)).toEqual([]);
  });

  it('a template that was put back after phase 1 is an error, not a plan to repeat', () => {
    expect(findingIds(beforeFacts({ ...done, deployment: beforeDeployment() }), 'error')).toContain(
      'template-put-back',
    );
  });

  it('squashing to www-data needs no chown', () => {
    const facts = beforeFacts({ proof: { ...proof, chown: false } });
    expect(findingIds(facts, 'error')).toEqual([]);
    const template = JSON.stringify(
      plan(facts).changes.find(({ id }) => id === 'start-new-pods')?.after,
    );
    expect(template).toContain('"name":"PRESSLIFT_CHOWN","value":"no"');
  });

  it('every further entry of the document root is kept, mounted and told', () => {
    const entries = [
      { path: 'wp-content/mu-plugins', kind: 'folder' as const, files: 2, bytes: 10 },
      { path: 'robots.txt', kind: 'file' as const, files: 1, bytes: 10 },
    ];
    const facts = beforeFacts({
      inspection: { ...inspection(), content: entries.slice(0, 1), beside: entries.slice(1) },
    });
    const { findings, changes } = plan(facts);
    expect(findings.find(({ id }) => id === 'kept-on-old-volume')?.evidence).toEqual(entries);
    const template = JSON.stringify(changes.find(({ id }) => id === 'start-new-pods')?.after);
    for (const { path } of entries) expect(template).toContain(`"subPath":"${path}"`);
  });
});
