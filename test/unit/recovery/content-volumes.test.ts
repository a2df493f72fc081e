// Proves which claims hold a site's content, and where in them each folder of the document root is.
import type { V1PersistentVolumeClaim, V1PodTemplateSpec } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import {
  contentFolders,
  contentVolumesOf,
  excludedIn,
  folderIn,
  sentinelFolder,
} from '../../../src/domain/recovery/content-volumes.ts';
import { hybridPodTemplate } from '../../../src/domain/kubernetes/pod-template.ts';
import { testSite } from '../../support/phase0.ts';

const root = '/var/www/html';

interface TestMount {
  claim: string;
  at: string;
  subPath?: string;
}

function template(...mounts: TestMount[]): V1PodTemplateSpec {
  const claims = [...new Set(mounts.map(({ claim }) => claim))];
  return {
    spec: {
      containers: [
        {
          name: 'wordpress',
          image: 'wordpress:1',
          volumeMounts: [
            ...mounts.map(({ claim, at, subPath }) => ({ name: claim, mountPath: at, subPath })),
            { name: 'ca', mountPath: '/etc/ca' },
          ],
        },
      ],
      volumes: [
        ...claims.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
        { name: 'ca', secret: { secretName: 'ca' } },
      ],
    },
  };
}

const claim = (name: string, size: string, accessModes: string[]): V1PersistentVolumeClaim => ({
  metadata: { name },
  spec: { storageClassName: 'fast', accessModes, resources: { requests: { storage: size } } },
});

describe('content volumes', () => {
  it('before phase 1: one claim with the whole document root', () => {
    const found = contentVolumesOf(template({ claim: 'wordpress', at: `${root}/` }), root, [
      claim('wordpress', '5Gi', ['ReadWriteOnce']),
    ]);
    expect(found).toEqual([
      {
        claim: 'wordpress',
        subPath: '',
        provides: [''],
        storageClass: 'fast',
        accessModes: ['ReadWriteOnce'],
        size: '5Gi',
      },
    ]);
    expect(found.map(contentFolders)).toEqual([['']]);
    expect(found.map((one) => folderIn(one, 'wp-content/uploads'))).toEqual(['wp-content/uploads']);
  });

  it('a document root in a folder of its claim', () => {
    const [found] = contentVolumesOf(
      template({ claim: 'data', at: root, subPath: 'sites/acme/' }),
      root,
      [],
    );
    expect(found).toMatchObject({ claim: 'data', subPath: 'sites/acme', provides: [''] });
  });

  it('after phase 1, made by the real planner: shared plugins and themes, and uploads of the old claim', () => {
    const site = testSite();
    const hybrid = hybridPodTemplate(template({ claim: 'wordpress', at: root }), site, {
      ...{ servicePort: 8080, selector: {}, chown: true, saltsFromSecret: true, fpmPort: 9000 },
      ...{ sameNode: false, keptPaths: ['wp-content/mu-plugins'] },
    });
    const found = contentVolumesOf(hybrid, root, []);
    expect(
      found.map(({ claim: name, subPath, provides }) => ({ name, subPath, provides })),
    ).toEqual([
      {
        name: 'wp-content',
        subPath: '',
        provides: [
          'wp-content/plugins',
          'wp-content/themes',
          'wp-content/upgrade',
          'wp-content/upgrade-temp-backup',
        ],
      },
      {
        name: 'wordpress',
        subPath: 'wp-content',
        provides: ['wp-content/mu-plugins', 'wp-content/uploads'],
      },
    ]);
    expect(found.map(contentFolders)).toEqual([
      ['plugins', 'themes', 'upgrade', 'upgrade-temp-backup'],
      ['mu-plugins', 'uploads'],
    ]);
    expect(found.map((one) => folderIn(one, 'wp-content/plugins/shop'))).toEqual([
      'plugins/shop',
      null,
    ]);
  });

  it('a volume for uploads alone has them at its root', () => {
    const [, uploads] = contentVolumesOf(
      template(
        { claim: 'wordpress', at: root },
        { claim: 'media', at: `${root}/wp-content/uploads`, subPath: 'files' },
      ),
      root,
      [],
    );
    expect(uploads).toMatchObject({ subPath: 'files', provides: ['wp-content/uploads'] });
    expect(uploads && contentFolders(uploads)).toEqual(['']);
    expect(uploads && folderIn(uploads, 'wp-content/uploads/2026')).toBe('2026');
  });

  it('counts a folder once that is mounted inside another of the same claim', () => {
    const [found] = contentVolumesOf(
      template(
        { claim: 'wordpress', at: root, subPath: 'www' },
        {
          claim: 'wordpress',
          at: `${root}/wp-content/uploads`,
          subPath: 'www/wp-content/uploads',
        },
      ),
      root,
      [],
    );
    expect(found).toMatchObject({ subPath: 'www', provides: [''] });
  });

  it('nothing where no claim is below the document root', () => {
    expect(
      contentVolumesOf(template({ claim: 'logs', at: '/var/www/html-logs' }), root, []),
    ).toEqual([]);
  });

  it('refuses folders that lie elsewhere in the claim: a restore could not put them back', () => {
    const crossed = template(
      { claim: 'data', at: `${root}/wp-content/plugins`, subPath: 'a' },
      { claim: 'data', at: `${root}/wp-content/themes`, subPath: 'b/themes' },
    );
    expect(() => contentVolumesOf(crossed, root, [])).toThrow(/Claim data is mounted/);
  });
});

describe('what is left out of the copy', () => {
  const [whole] = contentVolumesOf(template({ claim: 'wordpress', at: root }), root, []);
  const shared = {
    ...{ claim: 'wp-content', subPath: '', storageClass: null, accessModes: [], size: '' },
    provides: ['wp-content/plugins', 'wp-content/upgrade'],
  };

  it.each([
    ['folders of the whole document root', whole, ['wp-content/cache/'], ['wp-content/cache']],
    ['a folder that the volume provides', shared, ['wp-content/upgrade'], ['upgrade']],
    ['a folder inside one', shared, ['wp-content/plugins/x/tmp'], ['plugins/x/tmp']],
    ['nothing of another volume', shared, ['wp-content/uploads/cache'], []],
    ['all folders below an excluded one', shared, ['wp-content'], ['plugins', 'upgrade']],
    ['nothing for a name that only begins alike', shared, ['wp-content/upgrade-temp-backup'], []],
    ['never all of a site for an empty path', whole, ['/'], []],
  ])('%s', (_, volume, excluded, expected) => {
    expect(volume && excludedIn(volume, excluded)).toEqual(expected);
  });

  it('the sentinel goes to uploads, or to a folder that is copied', () => {
    expect(sentinelFolder(whole ? [whole] : [], [])).toBe('wp-content/uploads');
    expect(sentinelFolder([shared], [])).toBe('wp-content/plugins');
    expect(sentinelFolder(whole ? [whole] : [], ['wp-content/uploads'])).toBe('');
    expect(sentinelFolder([], [])).toBeNull();
  });
});
