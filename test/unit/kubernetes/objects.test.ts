// Proves the smaller desired objects: roll-out settings, budgets, claims, provisioner, names.
import { describe, expect, it } from 'vitest';
import { keepsOnePod, selects } from '../../../src/domain/kubernetes/disruption-budget.ts';
import { copyJob } from '../../../src/domain/kubernetes/jobs.ts';
import { nameFrom, shortName } from '../../../src/domain/kubernetes/names.ts';
import {
  provisionerObjects,
  withServerAddress,
} from '../../../src/domain/kubernetes/provisioner.ts';
import {
  hasServingSettings,
  heldDeployment,
  isHeld,
  servingSettings,
  trackedSelector,
  untrackedSelector,
} from '../../../src/domain/kubernetes/rollout.ts';
import { sharedClaim } from '../../../src/domain/kubernetes/shared-claim.ts';
import { acme, beforeDeployment, beforeTemplate } from '../../support/hybrid-fixtures.ts';

describe('roll-out settings', () => {
  it('hold old pods beside as many new ones', () => {
    const live = beforeDeployment();
    if (live.spec) live.spec.replicas = 3;
    const held = heldDeployment(live, beforeTemplate()).spec;
    expect(held).toMatchObject({
      replicas: 3,
      minReadySeconds: 86_400,
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 3 } },
    });
    expect(held?.progressDeadlineSeconds).toBeGreaterThan(86_400);
    expect(held !== undefined && isHeld(held)).toBe(true);
    expect(held !== undefined && hasServingSettings(held)).toBe(false);
  });

  it('never have a pod too few afterwards', () => {
    const spec = { ...servingSettings(), selector: {}, template: {} };
    expect(hasServingSettings(spec)).toBe(true);
    expect(isHeld(spec)).toBe(false);
  });

  it('add the track to a selector and take it away again', () => {
    const tracked = trackedSelector({ app: 'wordpress' });
    expect(tracked).toEqual({ app: 'wordpress', 'presslift.dev/track': 'hybrid' });
    expect(untrackedSelector(tracked)).toEqual({ app: 'wordpress' });
  });
});

describe('a disruption budget of two pods', () => {
  it.each([
    [{ minAvailable: 1 }, true],
    [{ maxUnavailable: 1 }, true],
    [{ minAvailable: '50%' }, true],
    [{ maxUnavailable: '50%' }, true],
    [{ minAvailable: 2 }, false],
    [{ maxUnavailable: 0 }, false],
    [{ maxUnavailable: 2 }, false],
    [{ minAvailable: '100%' }, false],
    [{}, false],
  ])('%j keeps one and lets one go: %s', (spec, expected) => {
    expect(keepsOnePod(spec, 2)).toBe(expected);
  });

  it('selects by labels, and nothing with an empty selector', () => {
    const spec = { selector: { matchLabels: { app: 'wordpress' } } };
    expect(selects(spec, { app: 'wordpress', tier: 'web' })).toBe(true);
    expect(selects(spec, { app: 'other' })).toBe(false);
    expect(selects({ selector: {} }, { app: 'wordpress' })).toBe(false);
  });
});

describe('the shared claim', () => {
  it('is ReadWriteMany, of the class and size of the site file', () => {
    expect(sharedClaim(acme()).spec).toEqual({
      accessModes: ['ReadWriteMany'],
      storageClassName: 'presslift-rwx',
      resources: { requests: { storage: '5Gi' } },
    });
  });
});

describe('the provisioner', () => {
  const withProvisioner = (provisioner: object) =>
    acme((file) => {
      const storage = file['storage'] as unknown as Record<string, Record<string, unknown>>;
      storage['provisioner'] = provisioner as never;
      delete storage['sharedClaim']?.['storageClass'];
    });

  it('is nothing when the site asks for none', () => {
    expect(provisionerObjects(acme())).toEqual([]);
  });

  it('puts one NFS server on a block volume, and the class last', () => {
    const site = withProvisioner({ kind: 'nfs-server' });
    const objects = provisionerObjects(site);
    expect(objects.map(({ kind }) => kind)).toEqual([
      'Namespace',
      'PersistentVolumeClaim',
      'Service',
      'Deployment',
      'ServiceAccount',
      'ClusterRole',
      'ClusterRoleBinding',
      'Deployment',
      'StorageClass',
    ]);
    expect(objects.at(-1)?.metadata?.name).toBe(sharedClaim(site).spec?.storageClassName);
    const addressed = JSON.stringify(withServerAddress(objects, '10.96.0.7'));
    expect(addressed).toContain('"server":"10.96.0.7"');
    expect(addressed).not.toContain('svc.cluster.local');
  });

  it('binds a static volume of DigitalOcean NFS to this claim alone', () => {
    const site = withProvisioner({
      kind: 'digitalocean-nfs',
      server: '10.0.0.5',
      path: '/export/1',
    });
    const volume = provisionerObjects(site).find(({ kind }) => kind === 'PersistentVolume');
    expect(volume).toMatchObject({
      spec: {
        nfs: { server: '10.0.0.5', path: '/export/1' },
        claimRef: { namespace: 'acme', name: 'wp-content' },
        persistentVolumeReclaimPolicy: 'Retain',
      },
    });
    expect(sharedClaim(site).spec?.volumeName).toBe(volume?.metadata?.name);
  });
});

describe('the copy Job', () => {
  const job = copyJob({
    site: acme(),
    operation: 'abc123',
    script: 'true',
    old: { claim: 'docroot', subPath: '' },
    sameNodeAs: { app: 'wordpress' },
    attempt: 0,
    chown: true,
  });

  it('can only read the old volume', () => {
    const mounts = job.spec?.template.spec?.containers[0]?.volumeMounts;
    expect(mounts?.find(({ name }) => name === 'old')?.readOnly).toBe(true);
  });

  it('has the same name on every retry and another one when it copies again', () => {
    expect(job.metadata?.name).toBe('wordpress-copy-extensions-0-abc123');
  });
});

describe('names', () => {
  it('fit into a DNS label and stay apart', () => {
    const long = 'x'.repeat(80);
    expect(shortName(long)).toHaveLength(63);
    expect(shortName(`${long}a`)).not.toBe(shortName(`${long}b`));
    expect(nameFrom('presslift', 'a/b')).toMatch(/^presslift-a-b-[0-9a-f]{8}$/);
    expect(nameFrom('presslift', 'a/b')).not.toBe(nameFrom('presslift', 'a-b'));
  });
});
