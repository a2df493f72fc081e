// Proves, with real restic, object storage and API server: what a backup needs is told before it begins; what an earlier one left
// is removed and what lives is not; only what is whole is recorded; retention removes documents, data and snapshots of points
// past their time and nothing else; damage of the repository is found and marks the points that it hits.
import { createHash } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackupActivities } from '../../../src/activities/backup/index.ts';
import {
  copyClaimName,
  jobName,
  lockHolders,
  pointLabels,
  roles,
} from '../../../src/activities/backup/names.ts';
import { digestOfTree } from '../../../src/activities/backup/record.ts';
import { requirePod } from '../../../src/activities/backup/deps.ts';
import type { BackupActivities } from '../../../src/activities/contracts.ts';
import { failure } from '../../../src/activities/failure.ts';
import { openCatalogue, type Catalogue } from '../../../src/activities/recovery/catalogue.ts';
import type { WordPressAgent } from '../../../src/activities/wordpress/agent.ts';
import { backupLab, idAt } from '../../support/backup-lab.ts';
import { startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
let backup: BackupActivities;
let catalogue: Catalogue;
let tools: ReturnType<typeof backupLab>;
let now = new Date('2026-11-23T03:05:00Z');

/** Plugins and themes as a pod of the site shows them. */
const plugins: Record<string, string> = {};

/** Stands for PHP in a pod: exec needs a node of its own, so the real agent is proved by the end-to-end tests. */
const agent: WordPressAgent = {
  run: async (_site, _pod, operation) =>
    operation === 'hold-updates' ? { held: true, since: null } : hashes(),
  facts: async () => ({ plugins: [], themes: [] }) as never,
  treeDigests: async (_site, _pod, folders) =>
    Object.fromEntries(
      folders.map((folder) => [
        folder,
        {
          files: 0,
          bytes: 0,
          digest: digestOfTree(folder.endsWith('plugins') ? hashes() : {}, []),
        },
      ]),
    ),
};
const hashes = () =>
  Object.fromEntries(
    Object.entries(plugins).map(([path, text]) => [
      path,
      createHash('sha256').update(text).digest('hex'),
    ]),
  );

beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  lab.site.backup.readDataSubset = '100%';
  backup = createBackupActivities({ ...lab.deps, agent, now: () => now });
  catalogue = await openCatalogue(lab.deps, lab.site);
  tools = backupLab(lab);
});
afterAll(async () => {
  catalogue?.close();
  await lab?.stop();
});

const inputOf = (id: string) => ({ site: lab.site, id, operationId: `acme/backup/${id}` });

async function failureOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'none',
    (error: unknown) => (error as { type?: string }).type ?? String(error),
  );
}

describe('readiness', () => {
  const deployment = (value: string) => ({
    metadata: { name: lab.site.cluster.deployment },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'moved' } },
      template: {
        metadata: { labels: { app: 'moved' } },
        spec: {
          containers: [
            { name: 'php', image: 'wordpress', env: [{ name: 'WORDPRESS_DB_HOST', value }] },
          ],
        },
      },
    },
  });
  const replaceDeployment = (value: string) => {
    const { deployment: name, namespace } = lab.site.cluster;
    const body = deployment(value);
    return lab.plane.admin.apps.replaceNamespacedDeployment({ name, namespace, body });
  };

  beforeAll(async () => {
    const { host, port } = lab.site.database;
    const { namespace } = lab.site.cluster;
    const body = deployment(`${host}:${port}`);
    await lab.plane.admin.apps.createNamespacedDeployment({ namespace, body });
  });
  afterAll(async () => {
    const { deployment: name, namespace } = lab.site.cluster;
    await lab.plane.admin.apps.deleteNamespacedDeployment({ name, namespace });
  });

  it('is there when password, keys and bucket are', async () => {
    expect(await backup.backupReadiness({ site: lab.site })).toEqual({ ready: true, missing: [] });
  });

  it.each([
    [
      'no password in the site file',
      (site: RecoveryLab['site']) => delete site.backup.password,
      /names no backup\.password/,
    ],
    [
      'a password that is not there',
      (site: RecoveryLab['site']) => (site.backup.password = 'env:NOWHERE'),
      /password cannot be read.*NOWHERE/,
    ],
    [
      'keys that are not there yet',
      (site: RecoveryLab['site']) => (site.storage.objects.credentials = 'env:NOT_YET'),
      /acme-media cannot be used yet.*NOT_YET/,
    ],
    [
      'a bucket that is not there yet',
      (site: RecoveryLab['site']) => (site.storage.objects.bucket = 'not-yet'),
      /not-yet cannot be used yet.*404/,
    ],
    [
      'a repository in another bucket that its own keys do not open',
      (site: RecoveryLab['site']) => {
        const { endpoint } = site.storage.objects;
        Object.assign(site.backup, {
          repository: `s3:${endpoint}/elsewhere/restic`,
          credentials: 'env:NOT_YET',
          ca: site.storage.objects.ca,
        });
      },
      /bucket of backup\.repository, elsewhere, cannot be used.*NOT_YET/,
    ],
    [
      'a repository in another bucket that is not there',
      (site: RecoveryLab['site']) => {
        site.backup.repository = `s3:${site.storage.objects.endpoint}/elsewhere/restic`;
      },
      /elsewhere, cannot be used.*404/,
    ],
  ])('%s is told', async (_, change, expected) => {
    const site = structuredClone(lab.site);
    change(site);
    const { ready, missing } = await backup.backupReadiness({ site });
    expect(ready).toBe(false);
    expect(missing).toEqual([expect.stringMatching(expected)]);
  });

  it('is not there while pods use another database than the site file names', async () => {
    await replaceDeployment('fork.example:25060');
    expect((await backup.backupReadiness({ site: lab.site })).missing).toEqual([
      expect.stringMatching(/pods use the database fork\.example:25060.*127\.0\.0\.1/),
    ]);
    const { host, port } = lab.site.database;
    await replaceDeployment(`${host}:${port}`);
    expect((await backup.backupReadiness({ site: lab.site })).ready).toBe(true);
  });

  it('is not there without the Deployment, which says what the volumes are', async () => {
    const site = structuredClone(lab.site);
    site.cluster.deployment = 'gone';
    expect(await backup.backupReadiness({ site })).toEqual({
      ready: false,
      missing: ['there is no Deployment default/gone, which says what the volumes of the site are'],
    });
  });

  it('tells everything at once', async () => {
    const site = structuredClone(lab.site);
    delete site.backup.password;
    site.storage.objects.credentials = 'env:NOT_YET';
    expect((await backup.backupReadiness({ site })).missing).toHaveLength(2);
  });
});

describe('the bucket', () => {
  it('is described with its versioning and the time', async () => {
    expect(await backup.describeObjectStorage({ site: lab.site })).toEqual({
      ...{ provider: 'spaces', bucket: 'acme-media', versioning: false, objectLock: false },
      asOf: now.toISOString(),
    });
  });
});

describe('preparing', () => {
  const id = idAt('2026-11-23T03:00:00Z');

  it('makes the repository once', async () => {
    const first = await backup.openRepository(inputOf(id));
    expect(first).toEqual({
      repository: `s3:${lab.storage.endpoint}/acme-media/presslift/acme/restic`,
      ...{ created: true, lost: null },
    });
    expect((await backup.openRepository(inputOf(id))).created).toBe(false);
  });

  it('holds nothing where PHP runs in no pod, and lets nothing go', async () => {
    expect((await backup.holdPluginUpdates(inputOf(id))).unheld).toBeNull();
    await backup.releasePluginUpdates(inputOf(id));
  });

  it('refuses a repository of another password', async () => {
    const earlier = lab.env['PASSWORD'] ?? '';
    lab.env['PASSWORD'] = JSON.stringify({ password: 'another' });
    expect(await failureOf(backup.openRepository(inputOf(id)))).toBe('RepositoryRefused');
    lab.env['PASSWORD'] = earlier;
  });

  it('removes Jobs and claims of a point that nobody takes any more, and leaves others alone', async () => {
    const dead = idAt('2026-11-22T03:00:00Z');
    await tools.claim(copyClaimName(dead, 'wp-content'), pointLabels(lab.site, roles.copy, dead));
    await tools.claim('wp-content', {});
    const holder = (seconds: number) =>
      `run restic backup --stdin-from-command -- bash -c 'for i in {1..${seconds}}; do echo $i; sleep 1; done' > /dev/null; say '{}'`;
    const deadJob = lab.script(holder(600), { name: jobName('files', dead) });
    deadJob.catch(() => undefined);
    const others = lab.script(holder(30), { name: 'restore-of-a-drill' });
    await tools.untilLocks(2);
    await tools.kill(jobName('files', dead));
    await backup.openRepository(inputOf(id));
    expect(await tools.names('jobs')).not.toContain(jobName('files', dead));
    expect(await tools.names('jobs')).toContain('restore-of-a-drill');
    expect(await tools.names('claims')).toEqual(['wp-content']);
    await others;
  });

  describe('with locks in the repository', () => {
    const dead = jobName('files', idAt('2026-11-22T03:00:00Z'));
    const unlocked = async () => {
      await lab.script(`restic_run unlock --remove-all > /dev/null; say '{}'`);
      expect(await tools.lockCount()).toBe(0);
    };

    it('removes that of a backup of this site that was killed', async () => {
      await tools.leaveLock({ name: dead });
      await backup.openRepository(inputOf(id));
      expect(await tools.lockCount()).toBe(0);
    });

    it('leaves that of a backup of another site in the same repository', async () => {
      const other = structuredClone(lab.site);
      other.name = 'acme-two';
      await tools.leaveLock({ name: dead, site: other });
      await backup.openRepository(inputOf(id));
      expect(await tools.lockCount()).toBe(1);
      // restic removes all of them or none: one of our own stays with it until it is stale.
      await tools.leaveLock({ name: dead });
      await backup.openRepository(inputOf(id));
      expect(await tools.lockCount()).toBe(2);
      await unlocked();
    });

    it.each([
      ['leaves that of another Job of this site that may be at work', '', 1],
      ['removes it when its holder has been silent for long', 'silent_seconds=0; sleep 2', 0],
    ])('%s', async (_, settings, left) => {
      await tools.leaveLock({ name: 'presslift-verify-files' });
      await lab.script(`${settings}\nremove_dead_locks; say '{}'`, { env: lockHolders(lab.site) });
      expect(await tools.lockCount()).toBe(left);
      await unlocked();
    });
  });
});

describe('recording', () => {
  it('refuses what is not whole, naming all of it', async () => {
    const point = { ...(await tools.pointAt('2026-11-23T03:00:00Z')), files: null, database: null };
    await expect(backup.recordRecoveryPoint({ site: lab.site, point })).rejects.toMatchObject({
      type: 'BackupIncomplete',
      message: expect.stringMatching(/no copy of the files; there is no dump/) as string,
    });
    expect(await catalogue.list()).not.toContain(point.id);
  });

  it('refuses a copy of another time', async () => {
    const point = await tools.pointAt('2026-11-23T03:00:00Z');
    const sentinel = {
      nonce: 'fresh',
      writtenAt: '',
      file: 'wp-content/uploads/.presslift-sentinel',
    };
    await expect(
      backup.recordRecoveryPoint({ site: lab.site, point: { ...point, sentinel } }),
    ).rejects.toMatchObject({
      type: 'BackupIncomplete',
      message: expect.stringContaining('just before') as string,
    });
  });

  it('refuses a point of another site', async () => {
    const point = { ...(await tools.pointAt('2026-11-23T03:00:00Z')), site: 'other' };
    expect(await failureOf(backup.recordRecoveryPoint({ site: lab.site, point }))).toBe(
      'InvalidInput',
    );
  });

  describe('while pods run', () => {
    beforeAll(async () => {
      await tools.deployment();
      plugins['shop/shop.php'] = '<?php // 1.0';
      expect(await requirePod({ ...lab.deps, agent }, lab.site)).toBe('wordpress-0');
    });

    it('refuses when somebody changed a plugin since the copy', async () => {
      const point = await tools.pointAt('2026-11-23T03:00:00Z', digestOfTree(hashes(), []));
      plugins['shop/shop.php'] = '<?php // 1.1';
      await expect(backup.recordRecoveryPoint({ site: lab.site, point })).rejects.toMatchObject({
        type: 'BackupIncomplete',
        message: expect.stringContaining('changed wp-content/plugins while') as string,
      });
    });

    it('writes the document once when all is as it was', async () => {
      const point = await tools.pointAt('2026-11-23T03:00:00Z', digestOfTree(hashes(), []));
      const environment = new MockActivityEnvironment();
      const recorded: Awaited<ReturnType<BackupActivities['recordRecoveryPoint']>> =
        await environment.run(() => backup.recordRecoveryPoint({ site: lab.site, point }));
      expect(recorded.ref).toMatchObject({
        id: point.id,
        contains: ['1 files of wp-content', 'database wordpress with 2 tables'],
      });
      expect((await catalogue.read(point.id)).files?.snapshotId).toBe(point.files?.snapshotId);
      expect(await backup.recordRecoveryPoint({ site: lab.site, point })).toEqual(recorded);
      plugins['shop/shop.php'] = '<?php // changed after the first attempt';
      expect(await backup.recordRecoveryPoint({ site: lab.site, point })).toEqual(recorded);
    });

    it('tells why updates could not be held', async () => {
      const run = async () => {
        throw failure('AgentFailed', 'WordPress ended early');
      };
      const broken = createBackupActivities({
        ...lab.deps,
        agent: { ...agent, run },
        now: () => now,
      });
      const id = idAt('2026-11-23T03:00:00Z');
      expect((await broken.holdPluginUpdates(inputOf(id))).unheld).toBe('WordPress ended early');
    });
  });
});

describe('the age of the newest point', () => {
  it('is counted from when it was taken, and late after the limit of the site file', async () => {
    const newest = idAt('2026-11-23T03:00:00Z');
    expect(await backup.measureBackupAge({ site: lab.site })).toEqual({
      newest,
      ageSeconds: 300,
      late: false,
    });
    now = new Date('2026-11-24T05:00:01Z');
    expect(await backup.measureBackupAge({ site: lab.site })).toMatchObject({
      ageSeconds: 93_601,
      late: true,
    });
    now = new Date('2026-11-23T03:05:00Z');
  });

  it('does not count a point that is bad', async () => {
    const newest = idAt('2026-11-23T03:00:00Z');
    await catalogue.setState(newest, { bad: { at: '', by: 'a drill', findings: ['x'] } });
    expect(await backup.measureBackupAge({ site: lab.site })).toEqual({
      newest: null,
      ageSeconds: null,
      late: true,
    });
    await catalogue.setState(newest, { bad: null });
  });
});

describe('retention', () => {
  const keep = (policy: Partial<RecoveryLab['site']['backup']['keep']>) =>
    Object.assign(lab.site.backup.keep, { last: 0, hourly: 0, weekly: 0, monthly: 0 }, policy);

  it('keeps what the rules keep, what is pinned and what cannot be read; forgets the rest with its data', async () => {
    keep({ daily: 2 });
    const days = ['2026-11-22', '2026-11-21', '2026-11-20', '2026-11-19'];
    for (const day of days) await catalogue.write(await tools.pointAt(`${day}T03:00:00Z`));
    const [, , pinned = '', tampered = ''] = days.map((day) => idAt(`${day}T03:00:00Z`));
    await catalogue.setState(pinned, { pinned: { by: 'alice', at: '', reason: null } });
    await tools.withStorage((storage) =>
      storage.client.send(
        new PutObjectCommand({
          Bucket: 'acme-media',
          Key: `presslift/acme/recovery-points/${tampered}/point.json`,
          Body: '{"schema":1}',
        }),
      ),
    );
    // Of an attempt that was cut off, and of a point that was never recorded.
    await tools.snapshotOf(idAt('2026-11-22T03:00:00Z'), 'files');
    await tools.snapshotOf(idAt('2026-11-18T03:00:00Z'), 'files');
    const current = idAt('2026-11-23T03:00:00Z');
    const result = await backup.applyRetention(inputOf(current));
    expect(result).toEqual({
      kept: 3,
      removed: [idAt('2026-11-21T03:00:00Z'), idAt('2026-11-18T03:00:00Z')],
    });
    expect(await catalogue.list()).toEqual(
      ['2026-11-23', '2026-11-22', '2026-11-20', '2026-11-19'].map((day) =>
        idAt(`${day}T03:00:00Z`),
      ),
    );
    const left = await tools.taggedPoints();
    expect(left[idAt('2026-11-21T03:00:00Z')]).toBeUndefined();
    expect(left[idAt('2026-11-18T03:00:00Z')]).toBeUndefined();
    expect(left[idAt('2026-11-22T03:00:00Z')]).toBe(2);
    expect(left[pinned]).toBe(2);
    expect(left[tampered]).toBe(2);
    expect(await backup.applyRetention(inputOf(current))).toMatchObject({ removed: [] });
  });

  it('leaves a point that somebody pins while others are removed', async () => {
    keep({ daily: 1 });
    const pinned = idAt('2026-11-22T03:00:00Z');
    const k = lab.plane.admin;
    const custom: typeof k.custom = Object.create(k.custom) as typeof k.custom;
    // The list of volume snapshots is asked for between the look at the points and their removal.
    custom.listNamespacedCustomObject = async (request) => {
      await catalogue.setState(pinned, { pinned: { by: 'bob', at: '', reason: null } });
      return (await k.custom.listNamespacedCustomObject(request)) as never;
    };
    const kubernetes: typeof k = { ...k, custom, forContext: () => kubernetes };
    const meanwhile = createBackupActivities({ ...lab.deps, agent, kubernetes, now: () => now });
    const { removed } = await meanwhile.applyRetention(inputOf(idAt('2026-11-23T03:00:00Z')));
    expect(removed).toEqual([]);
    expect((await tools.taggedPoints())[pinned]).toBe(2);
    await catalogue.setState(pinned, { pinned: null });
  });

  it('never removes the newest good point, even when newer ones are bad', async () => {
    keep({ daily: 1 });
    for (const day of ['2026-11-23', '2026-11-22']) {
      const bad = { at: '', by: 'a drill', findings: ['x'] };
      await catalogue.setState(idAt(`${day}T03:00:00Z`), { bad });
    }
    await catalogue.setState(idAt('2026-11-20T03:00:00Z'), { pinned: null });
    await backup.applyRetention(inputOf(idAt('2026-11-23T03:00:00Z')));
    expect(await catalogue.list()).toContain(idAt('2026-11-20T03:00:00Z'));
    expect(await catalogue.list()).not.toContain(idAt('2026-11-22T03:00:00Z'));
  });
});

describe('giving a point up', () => {
  it('removes its document, Jobs, claims, Secret and snapshots, and no other', async () => {
    const id = idAt('2026-11-24T03:00:00Z');
    await catalogue.write(await tools.pointAt('2026-11-24T03:00:00Z'));
    const before = await tools.taggedPoints();
    await tools.claim(copyClaimName(id, 'wp-content'), pointLabels(lab.site, roles.copy, id));
    await backup.discardRecoveryPoint(inputOf(id));
    const { [id]: gone, ...others } = await tools.taggedPoints();
    expect(before[id]).toBe(2);
    expect(await catalogue.list()).not.toContain(id);
    expect(gone).toBeUndefined();
    expect(Object.keys(others).length).toBe(Object.keys(before).length - 1);
    expect(await tools.names('claims')).toEqual(['wp-content']);
    await backup.discardRecoveryPoint(inputOf(id));
  });
});

describe('the check of the repository', () => {
  const id = idAt('2026-11-23T03:00:00Z');

  it('passes on good data', async () => {
    expect(await backup.checkRepository(inputOf(id))).toMatchObject([
      { id: 'repository-sound', pass: true, measured: 0 },
    ]);
  });

  it('finds a pack with a changed byte, and marks the points that need it', async () => {
    const point = await tools.pointAt('2026-11-25T03:00:00Z');
    await catalogue.write(point);
    await tools.damageNewestPack();
    const [criterion] = await backup.checkRepository(inputOf(id));
    expect(criterion).toMatchObject({ pass: false, target: 0 });
    expect(criterion?.measured).toBeGreaterThan(0);
    expect(criterion?.evidence).toMatchObject({ points: [point.id] });
    expect((await catalogue.state(point.id)).bad).toMatchObject({ findings: ['repository-sound'] });
    expect((await catalogue.state(id)).bad?.by).toBe('a drill');
  });
});

describe('an emptied bucket', () => {
  it('gets a new repository, and what is lost with the old one is told and marked', async () => {
    const sound = await tools.pointAt('2026-11-25T04:00:00Z');
    const { repository } = await backup.openRepository(inputOf(sound.id));
    for (const part of [sound.files, sound.database]) Object.assign(part ?? {}, { repository });
    await catalogue.write(sound);
    const points = await catalogue.list();
    await tools.emptyRepository();
    const id = idAt('2026-11-26T03:00:00Z');
    const prepared = await backup.openRepository(inputOf(id));
    expect(prepared).toMatchObject({ created: true, lost: { points, localSnapshots: [] } });
    // Told again for as long as nothing is in it, also to an attempt after the one that made it.
    expect(await backup.openRepository(inputOf(id))).toMatchObject({
      created: false,
      lost: { points },
    });
    const named = await Promise.all(points.map(async (one) => repositoryOf(one)));
    const marked = await Promise.all(points.map(async (one) => badOf(one)));
    expect(marked.map((found) => found?.includes('repository-lost') ?? false)).toEqual(
      named.map((repository) => repository === prepared.repository),
    );
    expect(named).toContain(prepared.repository);
    await tools.snapshotOf(id, 'files');
    expect((await backup.openRepository(inputOf(id))).lost).toBeNull();
  });

  const repositoryOf = (id: string) =>
    catalogue.read(id).then(
      ({ files }) => files?.repository,
      () => null,
    );
  const badOf = async (id: string) => (await catalogue.state(id)).bad?.findings;
});
