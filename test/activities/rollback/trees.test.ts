import { execFile, execFileSync } from 'node:child_process';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  compareTrees,
  deleteTrees,
  exchangeTrees,
  keptTrees,
  placesOf,
  type PointTree,
} from '../../../src/activities/rollback/trees.ts';
import { restoreFiles, sameFiles } from '../../../src/activities/recovery/restore.ts';
import { targetsOf } from '../../../src/activities/rollback/extensions.ts';
import type { RollbackDeps } from '../../../src/activities/rollback/deps.ts';
import { rollbackFolder } from '../../../src/domain/planners/rollback-names.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import { startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';
import { recoveryPoint } from '../../support/rollback-facts.ts';

/**
 * The scripts that compare, exchange and let go of trees, really run in the toolbox image on real folders: what stands where
 * afterwards, also when an earlier attempt was interrupted between any two of its renames. That running pods go on with the
 * folder that they mounted is Kubernetes's, and proved on the sandbox.
 */

let lab: RecoveryLab;
let deps: RollbackDeps;

beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  const none = () => Promise.reject(new Error('not needed here'));
  deps = { ...lab.deps, describeCdn: none, compareCdnRules: none, openAdmin: none };
});
afterAll(() => lab?.stop());

let count = 0;
let operationId = '';
let claim = '';
let volume = '';
let folder = '';
let tree: PointTree;

beforeEach(async () => {
  count += 1;
  operationId = `acme/rollback/test-${count}`;
  claim = `content-${count}`;
  volume = await lab.node.claim(claim);
  folder = rollbackFolder(operationId);
  tree = {
    folder: 'wp-content/plugins',
    claim,
    path: 'site/wp-content/plugins',
    mounted: false,
    pointClaim: 'content',
    pointFolder: 'wp-content/plugins',
  };
});

const put = async (path: string, text: string) => {
  await mkdir(dirname(join(volume, path)), { recursive: true });
  await writeFile(join(volume, path), text);
};
const has = async (path: string) =>
  readFile(join(volume, path, 'name'), 'utf8').catch(() => 'nothing');
const exchange = (mode: 'note' | 'switch' | 'back') =>
  exchangeTrees(deps, lab.site, { operationId, folder, trees: [tree], mode });
const where = async () => {
  const { path, staged, kept } = placesOf(folder, tree);
  return { live: await has(path), staged: await has(staged), kept: await has(kept) };
};
const prepare = async () => {
  const { path, staged } = placesOf(folder, tree);
  await put(`${path}/name`, 'old');
  await put(`${staged}/name`, 'new');
  return placesOf(folder, tree);
};
/** What `note` writes down before the first rename, of what was restored to `staged`. */
const inodes = async (...names: string[]) => {
  const { path, staged } = placesOf(folder, tree);
  const records = ['', ...names].slice(names.length === 0 ? 0 : 1).map(async (name) => {
    const found = await stat(join(volume, staged, name)).catch(() => null);
    return `${join(path, name)}\0${found?.ino ?? 'none'}\0`;
  });
  await put(`${folder}/inodes`, (await Promise.all(records)).join(''));
};
const swap = async (a: string, b: string) => {
  const between = join(volume, 'between');
  await rename(join(volume, a), between);
  await rename(join(volume, b), join(volume, a));
  await rename(between, join(volume, b));
};

describe('exchanging trees', () => {
  it('puts the restored one in place in one step, keeps the old one, and comes back', async () => {
    await prepare();
    expect(await exchange('switch')).toMatchObject([{ path: tree.path, how: 'exchange' }]);
    expect(await where()).toEqual({ live: 'new', staged: 'nothing', kept: 'old' });
    expect(await exchange('switch')).toMatchObject([{ how: 'done-before' }]);
    expect(await where()).toEqual({ live: 'new', staged: 'nothing', kept: 'old' });
    // Only root comes to what is kept: it may stand below a document root.
    expect((await stat(join(volume, folder))).mode & 0o777).toBe(0o700);

    expect(await exchange('back')).toMatchObject([{ how: 'exchange' }]);
    expect(await where()).toEqual({ live: 'old', staged: 'new', kept: 'nothing' });
    await exchange('back');
    expect(await where()).toEqual({ live: 'old', staged: 'new', kept: 'nothing' });
  });

  it('goes on after an interruption between the exchange and the keeping, both ways', async () => {
    const { path, staged, kept } = await prepare();
    await inodes();
    await swap(path, staged);
    expect(await where()).toEqual({ live: 'new', staged: 'old', kept: 'nothing' });
    await exchange('switch');
    expect(await where()).toEqual({ live: 'new', staged: 'nothing', kept: 'old' });

    await swap(path, kept);
    await exchange('back');
    expect(await where()).toEqual({ live: 'old', staged: 'new', kept: 'nothing' });
  });

  it('goes on after an interruption between two renames, both ways', async () => {
    const { path, staged, kept } = await prepare();
    await inodes();
    await mkdir(dirname(join(volume, kept)), { recursive: true });
    await rename(join(volume, path), join(volume, kept));
    // A pod that starts in between makes the folder anew.
    await mkdir(join(volume, path));
    expect(await exchange('switch')).toMatchObject([{ how: 'one-rename' }]);
    expect(await where()).toEqual({ live: 'new', staged: 'nothing', kept: 'old' });

    await mkdir(dirname(join(volume, staged)), { recursive: true });
    await rename(join(volume, path), join(volume, staged));
    expect(await exchange('back')).toMatchObject([{ how: 'one-rename' }]);
    expect(await where()).toEqual({ live: 'old', staged: 'new', kept: 'nothing' });
  });

  it('brings a deleted folder back, and takes it away again', async () => {
    const { path } = await prepare();
    await rm(join(volume, path), { recursive: true });
    expect(await exchange('switch')).toMatchObject([{ how: 'one-rename' }]);
    expect(await where()).toEqual({ live: 'new', staged: 'nothing', kept: 'nothing' });
    await exchange('back');
    expect(await where()).toEqual({ live: 'nothing', staged: 'new', kept: 'nothing' });
  });

  it('refuses to exchange with nothing, and has nothing to take back then', async () => {
    const { path } = placesOf(folder, tree);
    await put(`${path}/name`, 'old');
    await expect(exchange('switch')).rejects.toMatchObject({ type: 'PreconditionFailed' });
    expect(await exchange('back')).toEqual([]);
    expect(await has(path)).toBe('old');
  });
});

describe('exchanging what is in a tree that pods mount', () => {
  /** What is in live, staged and kept: names and what they hold. */
  const all = async () => {
    const { path, staged, kept } = placesOf(folder, tree);
    const content = async (at: string) => {
      const names = await readdir(join(volume, at)).catch(() => []);
      const found = names.map(async (name) => {
        const file = join(volume, at, name);
        const text = await readFile(file, 'utf8').catch(() =>
          readFile(join(file, 'a.php'), 'utf8'),
        );
        return [name, text] as const;
      });
      return Object.fromEntries(await Promise.all(found));
    };
    return { live: await content(path), staged: await content(staged), kept: await content(kept) };
  };
  const old = { akismet: 'old', 'hello.php': 'old', 'was there since': 'old' };
  const restored = { akismet: 'new', 'hello.php': 'new', 'gone\nsince': 'new' };
  const names = [...new Set([...Object.keys(old), ...Object.keys(restored)])];
  const before = { live: old, staged: restored, kept: {} };
  const after = { live: restored, staged: {}, kept: old };

  beforeEach(async () => {
    tree = { ...tree, mounted: true };
    const { path, staged } = placesOf(folder, tree);
    const fill = async (at: string, entries: Record<string, string>) => {
      for (const [name, text] of Object.entries(entries)) {
        await put(name.endsWith('.php') ? `${at}/${name}` : `${at}/${name}/a.php`, text);
      }
    };
    await fill(path, old);
    await fill(staged, restored);
  });
  const place = (at: 'path' | 'staged' | 'kept', name: string) =>
    join(placesOf(folder, tree)[at], name);
  const to = async (from: string, target: string) => {
    await mkdir(dirname(join(volume, target)), { recursive: true });
    await rename(join(volume, from), join(volume, target));
  };

  it('leaves the folder itself where it is, and comes back', async () => {
    const folderBefore = await stat(join(volume, tree.path));
    expect(await exchange('switch')).toMatchObject([
      { path: tree.path, as: 'entries', how: 'exchange', entries: names.length },
    ]);
    expect(await all()).toEqual(after);
    expect((await stat(join(volume, tree.path))).ino).toBe(folderBefore.ino);
    expect(await exchange('switch')).toMatchObject([{ how: 'done-before' }]);
    expect(await all()).toEqual(after);

    expect(await exchange('back')).toMatchObject([{ as: 'entries', how: 'exchange' }]);
    expect(await all()).toEqual(before);
    expect(await exchange('back')).toMatchObject([{ how: 'done-before' }]);
    expect(await all()).toEqual(before);
    expect((await stat(join(volume, tree.path))).ino).toBe(folderBefore.ino);
  });

  it('works where a volume is nothing but the folder', async () => {
    tree = { ...tree, path: '' };
    await rename(join(volume, 'site/wp-content/plugins'), join(volume, 'plugins'));
    await rm(join(volume, 'site'), { recursive: true });
    for (const name of await readdir(join(volume, 'plugins'))) {
      await rename(join(volume, 'plugins', name), join(volume, name));
    }
    await rm(join(volume, 'plugins'), { recursive: true });
    await exchange('switch');
    expect(Object.keys(restored).toSorted()).toEqual(
      (await readdir(volume)).filter((name) => name !== '.presslift').toSorted(),
    );
    await exchange('back');
    expect(Object.keys(old).toSorted()).toEqual(
      (await readdir(volume)).filter((name) => name !== '.presslift').toSorted(),
    );
  });

  it.each([
    ['after the first exchange', ['exchanged']],
    ['before the old ones are kept', ['exchanged', 'exchanged', 'kept']],
    ['while old ones are kept', ['done', 'exchanged', 'kept']],
    ['between two renames', ['kept']],
    ['between two renames of the last', ['done', 'kept', 'kept']],
  ])('goes on after an interruption %s', async (_, states) => {
    const order = ['akismet', 'hello.php', 'was there since'];
    await inodes(...names);
    for (const [at, state] of states.entries()) {
      const name = order[at] ?? '';
      if (state !== 'kept') await swap(place('path', name), place('staged', name));
      if (state === 'done') await to(place('staged', name), place('kept', name));
      if (state === 'kept') await to(place('path', name), place('kept', name));
    }
    await exchange('switch');
    expect(await all()).toEqual(after);
  });

  it.each([
    ['after the first exchange', ['exchanged']],
    ['while restored ones are put away', ['done', 'exchanged']],
    ['between two renames', ['away']],
  ])('goes on with the way back after an interruption %s', async (_, states) => {
    await exchange('switch');
    for (const [at, state] of states.entries()) {
      const name = ['akismet', 'hello.php'][at] ?? '';
      if (state === 'away') await to(place('path', name), place('staged', name));
      else await swap(place('path', name), place('kept', name));
      if (state === 'done') await to(place('kept', name), place('staged', name));
    }
    await exchange('back');
    expect(await all()).toEqual(before);
  });

  it('renames nothing when one of them is not as it was restored', async () => {
    await inodes(...names);
    await rm(join(volume, place('staged', 'hello.php')));
    await put(place('staged', 'hello.php'), 'somebody else was here');
    await put('occupied', 'keeps the inode from being used again');
    const found = await all();
    const { ino } = await stat(join(volume, place('staged', 'hello.php')));
    const noted = await readFile(join(volume, folder, 'inodes'), 'utf8');
    if (noted.includes(`hello.php\0${ino}\0`)) {
      await writeFile(
        join(volume, folder, 'inodes'),
        noted.replace(`hello.php\0${ino}\0`, 'hello.php\x001\0'),
      );
    }
    await expect(exchange('switch')).rejects.toMatchObject({
      type: 'PreconditionFailed',
      message: expect.stringContaining('hello.php') as string,
    });
    expect(await all()).toEqual(found);
  });

  it('takes back also what was updated in the meantime, and does not throw that away', async () => {
    await exchange('switch');
    await rm(join(volume, place('path', 'akismet')), { recursive: true });
    await put(`${place('path', 'akismet')}/a.php`, 'newer');
    await exchange('back');
    expect(await all()).toEqual({ ...before, staged: { ...restored, akismet: 'newer' } });
    const { deleted } = await deleteTrees(deps, lab.site, {
      operationId,
      claim,
      folder,
      mode: 'discard',
    });
    expect(deleted).toBe(false);
  });

  it('puts the whole folder back where it is gone', async () => {
    await rm(join(volume, tree.path), { recursive: true });
    expect(await exchange('switch')).toMatchObject([{ as: 'whole', how: 'one-rename' }]);
    expect(await all()).toEqual({ live: restored, staged: {}, kept: {} });
    expect(await exchange('switch')).toMatchObject([{ as: 'whole', how: 'done-before' }]);
    await exchange('back');
    expect(await all()).toEqual({ live: {}, staged: restored, kept: {} });
  });

  describe.each([
    ['where the file system can exchange two names', true, 'exchange'],
    ['where it cannot, as NFS', false, 'two-renames'],
  ])('%s', (_, exchanges, how) => {
    let tools: string;

    beforeAll(async () => {
      tools = await mkdtemp(join(tmpdir(), 'presslift-renames-'));
      // Ends the script before one of its renames, as a pod that is killed; status 9 tells it from a refusal.
      await writeFile(
        join(tools, 'Interrupted.pm'),
        `package Interrupted;
         my $left = $ENV{RENAMES} // 1e9;
         sub count { exit 9 if $left-- <= 0 }
         BEGIN {
           *CORE::GLOBAL::rename = sub { count(); CORE::rename($_[0], $_[1]) };
           *CORE::GLOBAL::syscall = sub {
             return -1 unless $ENV{EXCHANGES};
             count();
             CORE::syscall($_[0], $_[1], $_[2], $_[3], $_[4], $_[5]);
           };
         }
         1;`,
      );
    });
    afterAll(() => rm(tools, { recursive: true }));

    /** Runs it as the Job does; false when it was interrupted before its rename number `until`. */
    const renames = (mode: 'switch' | 'back', until?: number): string | false => {
      const { path, staged, kept } = placesOf(folder, tree);
      const script = new URL(
        '../../../src/activities/rollback/scripts/exchange.pl',
        import.meta.url,
      );
      try {
        return execFileSync('perl', [`-I${tools}`, '-MInterrupted', fileURLToPath(script), mode], {
          input: [path, staged, kept, 'true', ''].join('\0'),
          env: {
            ...{
              PATH: process.env['PATH'] ?? '',
              VOLUME: volume,
              INODES: join(volume, folder, 'inodes'),
            },
            ...(exchanges && { EXCHANGES: 'yes' }),
            ...(until !== undefined && { RENAMES: String(until) }),
          },
          encoding: 'utf8',
          stdio: ['pipe', 'pipe', 'pipe'],
        });
      } catch (error) {
        const { status, stderr } = error as { status: number; stderr: string };
        if (status !== 9) throw new Error(stderr, { cause: error });
        return false;
      }
    };
    /** Tries an interruption before every rename, until there is none left to be interrupted. */
    const interrupted = async (
      run: (until: number) => string | false,
      then: () => Promise<void>,
    ): Promise<number> => {
      for (let until = 0; ; until += 1) {
        const finished = run(until);
        await then();
        if (finished !== false) return until;
      }
    };

    beforeEach(() => inodes(...names));

    it('is done, and taken back', async () => {
      expect(renames('switch')).toMatch(new RegExp(`^${how}\tentries\t4\t`));
      expect(await all()).toEqual(after);
      expect(renames('back')).toMatch(new RegExp(`^${how}\tentries\t4\t`));
      expect(await all()).toEqual(before);
    });

    it('goes on after an interruption before any of its renames', async () => {
      const count = await interrupted(
        (until) => renames('switch', until),
        async () => {
          renames('switch');
          expect(await all()).toEqual(after);
          renames('back');
        },
      );
      expect(count).toBeGreaterThan(5);
    });

    it('is taken back after an interruption before any of its renames', async () => {
      await interrupted(
        (until) => renames('switch', until),
        async () => {
          renames('back');
          expect(await all()).toEqual(before);
          renames('back');
          expect(await all()).toEqual(before);
        },
      );
    });

    it('goes on with the way back after an interruption before any of its renames', async () => {
      renames('switch');
      const count = await interrupted(
        (until) => renames('back', until),
        async () => {
          renames('back');
          expect(await all()).toEqual(before);
          renames('switch');
        },
      );
      expect(count).toBeGreaterThan(5);
    });

    it('goes on with the way back of a switch that was interrupted, after another interruption', async () => {
      for (let first = 0; renames('switch', first) === false; first += 1) {
        await interrupted(
          (until) => {
            // Each time from the same half-done switch.
            renames('back');
            renames('switch', first);
            return renames('back', until);
          },
          async () => {
            renames('back');
            expect({ first, ...(await all()) }).toEqual({ first, ...before });
          },
        );
      }
    });

    it('takes back what was updated in between, after an interruption before any rename', async () => {
      const update = async () => {
        await rm(join(volume, place('path', 'akismet')), { recursive: true });
        await put(`${place('path', 'akismet')}/a.php`, 'newer');
      };
      const updated = { ...before, staged: { ...restored, akismet: 'newer' } };
      for (let until = 0, finished: string | false = false; finished === false; until += 1) {
        renames('switch');
        await update();
        finished = renames('back', until);
        renames('back');
        expect(await all()).toEqual(updated);
        renames('back');
        expect(await all()).toEqual(updated);
        // As it was restored, for the next round.
        await rm(join(volume, place('staged', 'akismet')), { recursive: true });
        await put(`${place('staged', 'akismet')}/a.php`, 'new');
        await inodes(...names);
      }
    });
  });

  it('is not thrown away when an old tree stands where the restored one was', async () => {
    await inodes(...names);
    await swap(place('path', 'akismet'), place('staged', 'akismet'));
    // Made before the other one goes, or it might get that one's inode.
    await put(`${place('path', 'update')}/a.php`, 'updated before anybody looked');
    await rm(join(volume, place('path', 'akismet')), { recursive: true });
    await rename(join(volume, place('path', 'update')), join(volume, place('path', 'akismet')));
    const { deleted } = await deleteTrees(deps, lab.site, {
      ...{ operationId, claim, folder, mode: 'discard' },
    });
    expect({ deleted, staged: (await all()).staged }).toMatchObject({
      ...{ deleted: false, staged: { akismet: 'old' } },
    });
  });
});

describe('what is kept', () => {
  const discard = () =>
    deleteTrees(deps, lab.site, { operationId, claim, folder, mode: 'discard' });

  it('is listed, and deleted when it is let go', async () => {
    await prepare();
    await exchange('switch');
    expect(await keptTrees(deps, lab.site, { operationId, claims: [claim] })).toMatchObject([
      { kind: 'tree', claim, folder },
    ]);
    await deleteTrees(deps, lab.site, { operationId, claim, folder, mode: 'delete' });
    expect(await where()).toEqual({ live: 'new', staged: 'nothing', kept: 'nothing' });
    expect(await readdir(volume)).toEqual(['site']);
  });

  it('is never discarded while it is the only copy of the old tree', async () => {
    await prepare();
    await exchange('switch');
    await expect(discard()).rejects.toMatchObject({ type: 'PreconditionFailed' });
    expect(await where()).toMatchObject({ kept: 'old' });
  });

  it('goes after the way back, unless somebody changed it while it was in use', async () => {
    const { path } = await prepare();
    await exchange('switch');
    await put(`${path}/added-by-an-administrator.php`, 'theirs');
    await exchange('back');
    expect(await discard()).toMatchObject({ deleted: false });
    expect(await where()).toMatchObject({ live: 'old', staged: 'new' });

    await rm(join(volume, folder), { recursive: true });
    const { staged } = placesOf(folder, tree);
    await put(`${staged}/name`, 'new');
    await exchange('switch');
    await exchange('back');
    expect(await discard()).toMatchObject({ deleted: true });
    expect(await where()).toEqual({ live: 'old', staged: 'nothing', kept: 'nothing' });
  });

  it('is nothing but folders of rollbacks', async () => {
    await put('site/name', 'precious');
    for (const wrong of ['site', '.presslift', '../x', '.presslift/rollback-../../site']) {
      await expect(
        deleteTrees(deps, lab.site, { operationId, claim, folder: wrong, mode: 'delete' }),
      ).rejects.toMatchObject({ type: 'InvalidInput' });
    }
    expect(await has('site')).toBe('precious');
  });
});

describe('comparing with a point', () => {
  const oddName = 'tab\there, back\\slash';
  let point: RecoveryPoint;

  it('names what is missing, changed and too much, and restores beside the live tree', async () => {
    const live = 'site/wp-content/plugins';
    const files = { 'a.php': 'a', 'b/b.php': 'b', 'c.php': 'c', [oddName]: 'odd' };
    for (const [name, text] of Object.entries(files)) await put(`${live}/${name}`, text);
    await symlink('a.php', join(volume, live, 'link.php'));
    const taken = await lab.script<{ snapshot: string; digest: string }>(
      `restic_run init > /dev/null
       mkdir -p /presslift/point; m=/presslift/point/files.tsv
       file_manifest_begin; file_manifest_add /presslift/volumes/content content/; file_manifest_end $m
       restic_run backup --json /presslift/volumes/content /presslift/point > $work/out
       say "$(jq -cn --arg digest "$(manifest_digest $m)" --arg snapshot \
         "$(jq -r 'select(.message_type == "summary").snapshot_id' $work/out)" '{$snapshot, $digest}')"`,
      { volumes: [{ claim, mountPath: '/presslift/volumes/content', subPath: 'site' }] },
    );
    const { files: part } = recoveryPoint();
    if (part === null) throw new Error('The fixture has files');
    point = recoveryPoint({
      files: {
        ...part,
        snapshotId: taken.snapshot,
        manifestDigest: taken.digest,
        volumes: [{ ...part.volumes[0]!, claim: 'content', subPath: 'site', provides: [''] }],
      },
    });
    const compare = () => compareTrees(deps, lab.site, { operationId, point, trees: [tree] });

    const [same] = await compare();
    expect(same).toMatchObject({
      folder: 'wp-content/plugins',
      missing: { count: 0 },
      changed: { count: 0 },
      extra: { count: 0 },
      permissions: 0,
    });
    expect(same?.point).toEqual(same?.live);
    expect(same?.point.files).toBe(4);

    await rm(join(volume, live, 'b'), { recursive: true });
    await put(`${live}/c.php`, 'C');
    await put(`${live}/new.php`, 'new');
    await promisify(execFile)('chmod', ['600', join(volume, live, 'a.php')]);
    expect((await compare())[0]).toMatchObject({
      missing: { count: 2, first: ['b', 'b/b.php'] },
      changed: { count: 1, first: ['c.php'] },
      extra: { count: 1, first: ['new.php'] },
      permissions: 1,
    });

    const restored = await restoreFiles(deps, lab.site, {
      name: `restore-${count}`,
      operationId,
      point,
      targets: targetsOf([tree], folder),
    });
    expect(sameFiles(restored)).toBe(true);
    await exchange('switch');
    const [after] = await compare();
    expect(after?.live).toEqual(after?.point);
    expect(after).toMatchObject({ extra: { count: 0 }, permissions: 0 });

    await rm(join(volume, live), { recursive: true });
    expect((await compare())[0]?.live).toBeNull();
    const forged = { ...point.files!, manifestDigest: `sha256:${'0'.repeat(64)}` };
    point = { ...point, files: forged };
    await expect(compare()).rejects.toMatchObject({ type: 'CatalogueTampered' });
  });
});
