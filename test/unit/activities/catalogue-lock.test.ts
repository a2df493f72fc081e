// Proves, on the wire to a bucket with Amazon's rules for object lock: what a catalogue writes carries the checksum that those
// rules demand, its documents are locked, the right to ask about the lock is looked for among all keys of the site, and a point
// that is given up is offered no more.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBackupActivities } from '../../../src/activities/backup/index.ts';
import { withdraw } from '../../../src/activities/backup/discard.ts';
import { openCatalogue } from '../../../src/activities/recovery/catalogue.ts';
import type { RecoveryCoreDeps } from '../../../src/activities/recovery/deps.ts';
import { createSecretResolver } from '../../../src/activities/secrets/index.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import { startAmazonBucket, type AmazonBucket } from '../../support/amazon-bucket.ts';
import { first, keyOf } from '../../support/catalogue-lab.ts';
import { acme } from '../../support/hybrid-fixtures.ts';
import { pointOf } from '../../support/recovery-lab.ts';

let bucket: AmazonBucket;
const now = new Date('2026-11-23T03:00:00Z');
const deps = {
  secrets: createSecretResolver({
    env: {
      KEYS: JSON.stringify({ accessKeyId: 'objects', secretAccessKey: 'x' }),
      ADMIN: JSON.stringify({ accessKeyId: 'boss', secretAccessKey: 'x' }),
      PASSWORD: '{"password":"p"}',
    },
  }),
  now: () => now,
} as unknown as RecoveryCoreDeps;

function siteOf(objects: Partial<Site['storage']['objects']> = {}): Site {
  const site = acme();
  const { endpoint } = bucket;
  Object.assign(site.storage.objects, { endpoint, credentials: 'env:KEYS', ca: undefined });
  Object.assign(site.storage.objects, { adminCredentials: undefined, ...objects });
  Object.assign(site.backup, { password: 'env:PASSWORD', keep: { ...site.backup.keep, daily: 7 } });
  return site;
}

async function writePoint(site: Site) {
  const catalogue = await openCatalogue(deps, site);
  try {
    await catalogue.write(pointOf(first));
    await catalogue.setState(first, { bad: { at: '', by: 'a drill', findings: [] } });
    await catalogue.putReport(first, 'x.html', '<p>', 'text/html');
  } finally {
    catalogue.close();
  }
}

const lockedUntil = () => bucket.objects.get(keyOf(first))?.lockedUntil;
const objectLockOf = async (site: Site) => {
  const backup = createBackupActivities({ ...deps, digitaloceanEndpoint: undefined });
  return (await backup.describeObjectStorage({ site })).objectLock;
};

describe('a bucket with object lock', () => {
  beforeEach(async () => {
    bucket = await startAmazonBucket({ lock: true });
  });
  afterEach(() => bucket.stop());

  it('takes document, state and reports, and keeps the document for as long as daily points are kept', async () => {
    await writePoint(siteOf());
    expect([...bucket.objects.keys()].sort()).toEqual([
      keyOf(first, 'drills/x.html'),
      keyOf(first),
      keyOf(first, 'state.json'),
    ]);
    expect(Date.parse(lockedUntil() ?? '')).toBe(Date.parse('2026-11-30T03:00:00Z'));
  });

  it("is asked with the administrator's keys where those for the objects may not ask", async () => {
    bucket.mayNotAsk.add('objects');
    const site = siteOf({ adminCredentials: 'env:ADMIN' });
    expect(await objectLockOf(site)).toBe(true);
    await writePoint(site);
    expect(lockedUntil()).toMatch(/^2026-11-30/);
  });

  it('is unknown where no keys may ask; then the document is written without', async () => {
    bucket.mayNotAsk.add('objects').add('boss');
    expect(await objectLockOf(siteOf())).toBeNull();
    expect(await objectLockOf(siteOf({ adminCredentials: 'env:ADMIN' }))).toBeNull();
    expect(await objectLockOf(siteOf({ adminCredentials: 'env:TAKEN_AWAY' }))).toBeNull();
    await writePoint(siteOf());
    expect(lockedUntil()).toBeNull();
  });
});

describe('a point that is given up', () => {
  beforeEach(async () => {
    bucket = await startAmazonBucket({ lock: false });
  });
  afterEach(() => bucket.stop());

  it('leaves the catalogue with all that is beside it', async () => {
    await writePoint(siteOf());
    await withdraw(deps, siteOf(), first, 'acme/backup/1');
    expect([...bucket.objects.keys()]).toEqual([]);
    await withdraw(deps, siteOf(), first, 'acme/backup/1');
  });

  it('is marked as bad where nobody may delete', async () => {
    bucket.mayDelete = false;
    const site = siteOf();
    const catalogue = await openCatalogue(deps, site);
    await catalogue.write(pointOf(first));
    await withdraw(deps, site, first, 'acme/backup/1');
    expect((await catalogue.state(first)).bad).toMatchObject({
      by: 'acme/backup/1',
      findings: ['half-finished'],
    });
    catalogue.close();
  });
});

describe('a bucket without object lock', () => {
  beforeEach(async () => {
    bucket = await startAmazonBucket({ lock: false });
  });
  afterEach(() => bucket.stop());

  it('takes the same without a lock', async () => {
    expect(await objectLockOf(siteOf())).toBe(false);
    await writePoint(siteOf());
    expect(lockedUntil()).toBeNull();
  });
});
