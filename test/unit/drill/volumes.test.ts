/** Which class a drill takes for its volumes: one that makes them by itself, and does not keep them. No cluster. */
import type { V1StorageClass } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { drillVolume } from '../../../src/domain/recovery/drill-volumes.ts';
import type { ContentVolume } from '../../../src/domain/recovery/point.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

const storageClass = (
  name: string,
  change: Partial<V1StorageClass> & { standard?: boolean } = {},
): V1StorageClass => ({
  provisioner: 'csi.example.com',
  reclaimPolicy: 'Delete',
  ...change,
  metadata: {
    name,
    ...(change.standard && {
      annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
    }),
  },
});
const shared = storageClass('shared');
const retaining = storageClass('presslift-nfs', { reclaimPolicy: 'Retain' });
const fixed = storageClass('digitalocean-nfs', {
  provisioner: 'kubernetes.io/no-provisioner',
  reclaimPolicy: 'Retain',
});
const block = storageClass('block', { standard: true });
const retainingDefault = storageClass('keeps', { standard: true, reclaimPolicy: 'Retain' });

const volume = (name: string | null): ContentVolume => ({
  claim: 'wp-content',
  subPath: '',
  provides: ['wp-content/plugins'],
  storageClass: name,
  accessModes: ['ReadWriteMany'],
  size: '5Gi',
});
const site = (name?: string) => ({ ...acme(), drill: { ...acme().drill, storageClass: name } });

describe('a drill takes', () => {
  const many = ['ReadWriteMany'];
  const one = ['ReadWriteOnce'];
  test.each([
    ['the live class when it deletes', undefined, 'shared', [shared, block], 'shared', many],
    [
      'the default for a class that retains',
      undefined,
      'presslift-nfs',
      [retaining, block],
      'block',
      one,
    ],
    ['the default for static volumes', undefined, 'digitalocean-nfs', [fixed, block], 'block', one],
    ['the default for a class that is gone', undefined, 'gone', [block], 'block', one],
    ['the default for a claim that names none', undefined, null, [shared, block], 'block', many],
    [
      'what the site file names',
      'shared',
      'presslift-nfs',
      [retaining, shared, block],
      'shared',
      one,
    ],
    [
      'what it names also when it retains',
      'presslift-nfs',
      'shared',
      [retaining, shared],
      'presslift-nfs',
      one,
    ],
  ] as const)('%s', (_, wanted, live, classes, name, accessModes) => {
    expect(drillVolume(site(wanted), volume(live), classes)).toEqual({
      storageClass: name,
      accessModes,
      unfit: null,
    });
  });

  test.each([
    ['no default', undefined, 'presslift-nfs', [retaining], /drill\.storageClass/],
    [
      'a default that retains',
      undefined,
      'digitalocean-nfs',
      [fixed, retainingDefault],
      /drill\.storageClass/,
    ],
    ['a name that there is not', 'other', 'shared', [shared], /no StorageClass other/],
    ['a name that makes nothing', 'digitalocean-nfs', 'shared', [shared, fixed], /does not make/],
  ] as const)(
    'nothing, and says what to do, where there is %s',
    (_, wanted, live, classes, said) => {
      expect(drillVolume(site(wanted), volume(live), classes).unfit).toMatch(said);
    },
  );
});
