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
  pointLabels,
  roles,
} from '../../../src/activities/backup/names.ts';
import { digestOfTree } from '../../../src/activities/backup/record.ts';
import { requirePod } from '../../../src/activities/backup/deps.ts';
import type { BackupActivities } from '../../../src/activities/contracts.ts';
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
  run: async () => hashes(),
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
  ])('%s is told', async (_, change, expected) => {
    const site = structuredClone(lab.site);
    change(site);
    const { ready, missing } = await backup.backupReadiness({ site });
    expect(ready).toBe(false);
    expect(missing).toEqual([expect.stringMatching(expected)]);
  });

  it('is not there while pods use another database than the site file names', async () => {
    const { apps } = lab.plane.admin;
    const { deployment: name, namespace } = lab.site.cluster;
    const { host, port } = lab.site.database;
    const withHost = (value: string) => ({
      metadata: { name },
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
    await apps.createNamespacedDeployment({ namespace, body: withHost('fork.example:25060') });
    try {
      expect((await backup.backupReadiness({ site: lab.site })).missing).toEqual([
        expect.stringMatching(/pods use the database fork\.example:25060.*127\.0\.0\.1/),
      ]);
      await apps.replaceNamespacedDeployment({
        name,
        namespace,
        body: withHost(`${host}:${port}`),
      });
      expect((await backup.backupReadiness({ site: lab.site })).ready).toBe(true);
    } finally {
      await apps.deleteNamespacedDeployment({ name, namespace });
    }
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
      ...{ provider: 'spaces', bucket: 'acme-media', versioning: false, asOf: now.toISOString() },
    });
  });
});

describe('preparing', () => {
  const id = idAt('2026-11-23T03:00:00Z');

  it('makes the repository once', async () => {
    const first = await backup.prepareBackup(inputOf(id));
    expect(first).toEqual({
      repository: `s3:${lab.storage.endpoint}/acme-media/presslift/acme/restic`,
      created: true,
    });
    expect((await backup.prepareBackup(inputOf(id))).created).toBe(false);
  });

  it('refuses a repository of another password', async () => {
    const earlier = lab.env['PASSWORD'] ?? '';
    lab.env['PASSWORD'] = JSON.stringify({ password: 'another' });
    expect(await failureOf(backup.prepareBackup(inputOf(id)))).toBe('RepositoryRefused');
    lab.env['PASSWORD'] = earlier;
  });

  it('removes Jobs, claims and locks of a point that nobody takes any more, and leaves others alone', async () => {
    const dead = idAt('2026-11-22T03:00:00Z');
    await tools.claim(copyClaimName(dead, 'wp-content'), pointLabels(lab.site, roles.copy, dead));
    await tools.claim('wp-content', {});
    const holder = (seconds: number) =>
      `run restic backup --stdin-from-command -- bash -c 'for i in {1..${seconds}}; do echo $i; sleep 1; done' > /dev/null; say '{}'`;
    const deadJob = lab.script(holder(600), { name: jobName('files', dead) });
    deadJob.catch(() => undefined);
    const others = lab.script(holder(30), { name: 'restore-of-a-drill' });
    await tools.untilLocks(2);
    // As after the death of a node: the pod is gone, its lock is not.
    await tools.kill(jobName('files', dead));
    await backup.prepareBackup(inputOf(id));
    expect(await tools.names('jobs')).not.toContain(jobName('files', dead));
    expect(await tools.names('jobs')).toContain('restore-of-a-drill');
    expect(await tools.names('claims')).toEqual(['wp-content']);
    await others;
    await backup.prepareBackup(inputOf(id));
    expect(await tools.lockCount()).toBe(0);
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
  it('removes its Jobs, claims, Secret and snapshots, and no other', async () => {
    const id = idAt('2026-11-24T03:00:00Z');
    await tools.snapshotOf(id, 'files');
    const before = await tools.taggedPoints();
    await tools.claim(copyClaimName(id, 'wp-content'), pointLabels(lab.site, roles.copy, id));
    await backup.discardRecoveryPoint(inputOf(id));
    const { [id]: gone, ...others } = await tools.taggedPoints();
    expect(before[id]).toBe(1);
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
