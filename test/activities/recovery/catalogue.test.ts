// Proves, on a real bucket and with real restic: a document is what was written or it is refused, whatever was done to it;
// what became known later changes without losing what somebody else wrote at the same time; lists tell what cannot be
// trusted.
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStorage } from '../../../src/activities/object-storage/client.ts';
import {
  choosePoint,
  openCatalogue,
  resolvePoint,
  type Catalogue,
} from '../../../src/activities/recovery/catalogue.ts';
import { createSecretResolver } from '../../../src/activities/secrets/index.ts';
import type { DrillReport, RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import {
  first,
  keyOf,
  openLabCatalogue,
  putObject,
  second,
  third,
} from '../../support/catalogue-lab.ts';
import { pointOf, startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
let storage: ObjectStorage;
let catalogue: Catalogue;
let Bucket = '';
let site: Site;

beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
});
afterAll(() => lab?.stop());

beforeEach(async () => {
  const opened = await openLabCatalogue(lab);
  ({ Bucket, site, storage, catalogue } = opened);
  return opened.close;
});

const textOf = async (key: string) =>
  (await (
    await storage.client.send(new GetObjectCommand({ Bucket, Key: key }))
  ).Body?.transformToString()) ?? '';
const put = (key: string, text: string) => putObject(storage, Bucket, key, text);

describe('a document', () => {
  it('is read as it was written, and written once', async () => {
    const point = pointOf(first);
    const { digest } = await catalogue.write(point);
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await catalogue.write(point)).toEqual({ digest });
    expect(await catalogue.read(first)).toEqual(point);
    await expect(catalogue.write(pointOf(first, { missing: [] }))).rejects.toMatchObject({
      type: 'Conflict',
    });
    const document = JSON.parse(await textOf(keyOf(first))) as Record<string, unknown>;
    expect(Object.keys(document).sort()).toEqual(['digest', 'point', 'schema', 'signature']);
  });

  const changes: [string, (text: string) => string][] = [
    ['a changed value', (text) => text.replace('everything', 'nothing')],
    [
      'a changed value with its digest made anew',
      (text) => {
        const document = JSON.parse(text) as { point: RecoveryPoint; digest: string };
        document.digest = `sha256:${'0'.repeat(64)}`;
        return JSON.stringify(document);
      },
    ],
    [
      'a signature of zeros',
      (text) => text.replace(/"signature":"[^"]*"/, `"signature":"${'0'.repeat(64)}"`),
    ],
    ['no signature', (text) => text.replace(/,"signature":"[^"]*"/, '')],
    ['half of it', (text) => text.slice(0, text.length / 2)],
    ['null', () => 'null'],
    ['another JSON document', () => '{"schema":1}'],
    ['nothing', () => ''],
  ];
  it.each(changes)('with %s is refused', async (_, change) => {
    await catalogue.write(pointOf(first));
    await put(keyOf(first), change(await textOf(keyOf(first))));
    await expect(catalogue.read(first)).rejects.toMatchObject({
      type: 'CatalogueTampered',
      nonRetryable: true,
    });
  });

  it('of an older point in the place of a newer one is refused', async () => {
    await catalogue.write(pointOf(first));
    await put(keyOf(third), await textOf(keyOf(first)));
    await expect(catalogue.read(third)).rejects.toMatchObject({ type: 'CatalogueTampered' });
  });

  it('of another site is told as such', async () => {
    const id = '20261123T030000Z-acme-backup';
    const other = { ...site, name: 'other' };
    const theirs = await openCatalogue(lab.deps, other);
    await theirs.write(pointOf(id, { site: 'other' }));
    theirs.close();
    await put(keyOf(id), await textOf(`presslift/other/recovery-points/${id}/point.json`));
    await expect(catalogue.read(id)).rejects.toMatchObject({
      type: 'InvalidInput',
      message: expect.stringContaining('site other') as string,
    });
    await expect(catalogue.read('20261123T030000Z-other-backup')).rejects.toMatchObject({
      type: 'InvalidInput',
    });
  });

  it('that was written with another password is refused', async () => {
    await catalogue.write(pointOf(first));
    const secrets = createSecretResolver({ env: { ...lab.env, PASSWORD: '{"password":"other"}' } });
    const wrong = await openCatalogue({ ...lab.deps, secrets }, site);
    await expect(wrong.read(first)).rejects.toMatchObject({ type: 'CatalogueTampered' });
    // Not as if there were no recovery point: it is the password that has to be put right.
    await expect(resolvePoint(wrong, null)).rejects.toMatchObject({
      type: 'RepositoryRefused',
      message: expect.stringContaining("signed with this repository's password") as string,
    });
    await wrong.write(pointOf(second));
    expect((await resolvePoint(wrong, null)).id).toBe(second);
    wrong.close();
  });

  it.each(['nonsense', '../../acme/x', '20261123T030000Z-acme/../x', ''])(
    'by the name %j is no recovery point',
    async (id) => {
      await expect(catalogue.read(id)).rejects.toMatchObject({ type: 'InvalidInput' });
    },
  );

  it('that is not there is NotFound, and so is a bucket that is gone', async () => {
    await expect(catalogue.read(first)).rejects.toMatchObject({ type: 'NotFound' });
    const gone = structuredClone(site);
    gone.storage.objects.bucket = 'no-such-bucket';
    const elsewhere = await openCatalogue(lab.deps, gone);
    await expect(elsewhere.read(first)).rejects.toMatchObject({
      type: 'NotFound',
      message: expect.stringContaining('NoSuchBucket') as string,
    });
    await expect(elsewhere.list()).rejects.toMatchObject({ type: 'NotFound' });
    elsewhere.close();
  });
});

describe('the newest sound point', () => {
  it('passes over those that are bad or cannot be trusted', async () => {
    await expect(resolvePoint(catalogue, null)).rejects.toMatchObject({ type: 'NotFound' });
    for (const id of [first, second, third]) await catalogue.write(pointOf(id));
    expect((await resolvePoint(catalogue, null)).id).toBe(third);
    await put(keyOf(third), 'tampered');
    expect((await resolvePoint(catalogue, null)).id).toBe(second);
    const bad = { at: '2026-11-23T05:00:00Z', by: 'acme/drill/1', findings: ['rows'] };
    await catalogue.setState(second, { bad });
    expect((await resolvePoint(catalogue, null)).id).toBe(first);
    expect((await resolvePoint(catalogue, second)).id).toBe(second);
  });

  it('is not the one that a rollback took of the broken site, unless it is named', async () => {
    const broken = { reason: 'before-change' as const };
    await catalogue.write(pointOf(first));
    const own = ['20261124T030000Z-acme-rollback', '20261124T040000Z-acme-rollback-2'];
    for (const id of own) await catalogue.write(pointOf(id, broken));
    const chosen = await choosePoint(catalogue, null);
    expect(chosen.point.id).toBe(first);
    expect(chosen.passedOver).toEqual(
      own.toReversed().map((id) => `${id} was taken by a rollback of what it was about to change`),
    );
    expect((await resolvePoint(catalogue, own[0]!)).id).toBe(own[0]);
    // What phase 1 takes before it begins is of a site that works.
    await catalogue.write(pointOf('20261124T050000Z-acme-hybridStorage', broken));
    expect((await resolvePoint(catalogue, null)).id).toContain('hybridStorage');
  });
});

describe('what becomes known later', () => {
  const pinned = { by: 'alice', at: '2026-11-23T04:00:00Z', reason: null };
  const proved = { at: '2026-11-23T05:00:00Z', drill: 'd', rtoMs: 1 };

  it('is kept beside the document, each member by itself', async () => {
    await catalogue.write(pointOf(first));
    expect(await catalogue.state(first)).toEqual({ pinned: null, bad: null, proved: null });
    await catalogue.setState(first, { pinned });
    await catalogue.setState(first, { proved });
    expect(await catalogue.state(first)).toEqual({ pinned, bad: null, proved });
    await catalogue.setState(first, { pinned: null });
    expect(await catalogue.state(first)).toEqual({ pinned: null, bad: null, proved });
  });

  it('loses nothing when two write at once', async () => {
    await catalogue.write(pointOf(first));
    const bad = { at: '2026-11-23T05:00:00Z', by: 'x', findings: [] };
    await Promise.all([
      catalogue.setState(first, { pinned }),
      catalogue.setState(first, { proved }),
      catalogue.setState(first, { bad }),
    ]);
    expect(await catalogue.state(first)).toEqual({ pinned, bad, proved });
  });

  it('is refused when somebody changed it, or took it from another point', async () => {
    await catalogue.write(pointOf(first));
    await catalogue.write(pointOf(second));
    const bad = { at: '2026-11-23T05:00:00Z', by: 'x', findings: [] };
    await catalogue.setState(first, { bad });
    await catalogue.setState(second, { pinned });
    await put(keyOf(first, 'state.json'), await textOf(keyOf(second, 'state.json')));
    await expect(catalogue.state(first)).rejects.toMatchObject({ type: 'CatalogueTampered' });
    await expect(resolvePoint(catalogue, first)).resolves.toMatchObject({ id: first });
    await expect(catalogue.setState(first, { pinned })).rejects.toMatchObject({
      type: 'CatalogueTampered',
    });
  });
});

describe('reports of drills', () => {
  const report = (drill: string, startedAt: string): DrillReport => ({
    schema: 1,
    site: 'acme',
    drill,
    point: first,
    pass: true,
    startedAt,
    endedAt: startedAt,
    rtoMs: 1,
    rpoMs: 2,
    targets: { rtoMs: 3, rpoMs: 4 },
    stages: [],
    criteria: [],
    trend: [],
  });

  it('are listed oldest first, without those that nobody signed', async () => {
    await catalogue.write(pointOf(first));
    for (const [name, time, point] of [
      ['b', '2026-11-22T00:00:00Z', first],
      ['a', '2026-11-21T00:00:00Z', first],
      ['c', '2026-11-23T00:00:00Z', null],
    ] as const) {
      await catalogue.putReport(
        point,
        `${name}.json`,
        catalogue.sealReport(report(name, time)),
        'application/json',
      );
    }
    await catalogue.putReport(first, 'b.html', '<p>', 'text/html');
    await put(
      keyOf(first, 'drills/forged.json'),
      JSON.stringify({ schema: 1, report: report('f', '2026-11-24T00:00:00Z') }),
    );
    expect((await catalogue.reports(10)).map(({ drill }) => drill)).toEqual(['a', 'b', 'c']);
    expect(await catalogue.list()).toEqual([first]);
  });
});

describe('removal', () => {
  it('leaves nothing of a point, older versions included, and all of the others', async () => {
    await storage.client.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
    await catalogue.write(pointOf(first));
    await catalogue.write(pointOf(second));
    for (const by of ['alice', 'bob']) {
      await catalogue.setState(first, { pinned: { by, at: 'now', reason: null } });
    }
    await catalogue.putReport(first, 'x.md', '#', 'text/markdown');
    await catalogue.remove(first);
    await catalogue.remove(first);
    expect(await catalogue.list()).toEqual([second]);
    await expect(catalogue.read(first)).rejects.toMatchObject({ type: 'NotFound' });
    const { Versions = [] } = await storage.client.send(new ListObjectVersionsCommand({ Bucket }));
    expect(Versions.map(({ Key }) => Key)).toEqual([keyOf(second)]);
  });

  it('keeps a version under object lock, out of sight', async () => {
    const locked = 'locked-bucket';
    await storage.client.send(
      new CreateBucketCommand({ Bucket: locked, ObjectLockEnabledForBucket: true }),
    );
    const there = structuredClone(site);
    there.storage.objects.bucket = locked;
    const guarded = await openCatalogue(lab.deps, there);
    await guarded.write(pointOf(first));
    await guarded.remove(first);
    await expect(guarded.read(first)).rejects.toMatchObject({ type: 'NotFound' });
    const { Versions = [] } = await storage.client.send(
      new ListObjectVersionsCommand({ Bucket: locked }),
    );
    expect(Versions.map(({ Key }) => Key)).toEqual([keyOf(first)]);
    await expect(
      storage.client.send(
        new DeleteObjectCommand({
          Bucket: locked,
          Key: keyOf(first),
          VersionId: Versions[0]?.VersionId,
        }),
      ),
    ).rejects.toThrow();
    guarded.close();
  });
});
