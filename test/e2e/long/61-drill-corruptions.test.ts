/**
 * Twenty ways in which a backup can be bad, each made by hand from one good recovery point. A drill passes on the good one and must
 * fail on each of the others, with the finding that names what is wrong.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKubernetesClients } from '../../../src/activities/kubernetes/clients.ts';
import { openCatalogue, type Catalogue } from '../../../src/activities/recovery/catalogue.ts';
import { createSecretResolver } from '../../../src/activities/secrets/index.ts';
import { createWordPressAgent } from '../../../src/activities/wordpress/agent.ts';
import { loadSiteFile } from '../../../src/activities/sites/load-site.ts';
import { compactTime } from '../../../src/domain/identifiers.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import { readEnvironment } from '../../../deploy/sandbox/environment.ts';
import { paths } from '../../../deploy/sandbox/settings.ts';
import { startWithTemporal, status, untilClosed } from '../support/operations.ts';
import {
  eventually,
  kubectl,
  kubectlJson,
  startWorker,
  type WorkerProcess,
} from '../support/platform.ts';
import {
  closeWorkbench,
  ensurePhaseOne,
  leftovers,
  lines,
  onWorkbench,
  openWorkbench,
  sql,
  takePoint,
} from '../support/recovery.ts';

let worker: WorkerProcess;
let catalogue: Catalogue;
let good: RecoveryPoint;
let older: RecoveryPoint;
let planted = 0;
const firstPlanted = Date.now();

beforeAll(async () => {
  Object.assign(process.env, readEnvironment());
  worker = await startWorker();
  await ensurePhaseOne();
  await openWorkbench();
  const kubernetes = createKubernetesClients();
  const secrets = createSecretResolver({ kubernetes, env: process.env });
  const site = await loadSiteFile('sites', 'acme');
  catalogue = await openCatalogue(
    { kubernetes, secrets, agent: createWordPressAgent(kubernetes), now: () => new Date() },
    site,
  );
  await removePlanted();
  await sql('DROP TRIGGER IF EXISTS e2e_comment_count');
  await sql(
    'CREATE TRIGGER e2e_comment_count AFTER INSERT ON wp_comments FOR EACH ROW UPDATE wp_options SET option_value = option_value WHERE option_name = NEW.comment_author',
  );
  older = await catalogue.read(await takePoint());
  good = await catalogue.read(await takePoint());
  await onWorkbench(
    'restic restore --retry-lock 5m --quiet "$1" --target /',
    good.files?.snapshotId ?? '',
  );
  await onWorkbench(
    'mkdir -p /bench && restic dump --retry-lock 5m "$1" database.sql > /bench/good.sql',
    good.database?.snapshotId ?? '',
  );
});

afterAll(async () => {
  await sql('DROP TRIGGER IF EXISTS e2e_comment_count').catch(() => undefined);
  await removePlanted();
  catalogue.close();
  await closeWorkbench();
  await worker.stop();
});

/** What this test has planted, now or in a run that was interrupted. A pack of it may be damaged, so it is not looked for. */
async function removePlanted(): Promise<void> {
  for (const id of await catalogue.list()) if (id.includes('-e2e')) await catalogue.remove(id);
  await onWorkbench(
    'restic forget --quiet --tag e2e --unsafe-allow-remove-all && restic prune --quiet',
  );
}

/** Records a changed copy of the good point under an id of its own, signed as a real one is. */
async function plant(name: string, change: (point: RecoveryPoint) => void): Promise<string> {
  const point = structuredClone(good);
  planted += 1;
  // Older than the good one by its id, so that nothing takes it for the newest; and another one in each run, for the sandbox's object
  // storage does not let a deleted object be made once more on condition that there is none.
  const second = (Math.floor(firstPlanted / 1_000) % 80_000) + planted;
  const at = new Date(Date.UTC(2026, 0, 1) + second * 1_000);
  point.id = `${compactTime(at)}-acme-e2e-${name}`;
  change(point);
  await catalogue.write(point);
  return point.id;
}

/** Changes the files below /presslift, backs them up as the product does for a site, and puts the good ones back. */
async function withFiles(script: string, site = 'acme'): Promise<(point: RecoveryPoint) => void> {
  const out = await onWorkbench(
    `cp -a /presslift /keep; cd /presslift/volumes; ${script}
     restic backup --quiet --json --host "presslift-$1" --tag e2e --tag "site:$1" /presslift | tail -n 1
     sha256sum /presslift/point/files.tsv; rm -rf /presslift; mv /keep /presslift`,
    site,
  );
  const [summary = '{}', manifest = ''] = lines(out);
  const { snapshot_id: id } = JSON.parse(summary) as { snapshot_id: string };
  return ({ files }) => {
    if (files === null) throw new Error('the good point has no files');
    files.snapshotId = id;
    files.manifestDigest = `sha256:${manifest.slice(0, 64)}`;
  };
}

/** A dump made by a filter from the good one, backed up as the product does. */
async function withDump(filter: string): Promise<(point: RecoveryPoint) => void> {
  const out = await onWorkbench(
    `${filter} < /bench/good.sql > /bench/database.sql
     restic backup --quiet --json --host presslift-acme --tag e2e --stdin --stdin-filename database.sql < /bench/database.sql | tail -n 1`,
  );
  const { snapshot_id: id } = JSON.parse(out) as { snapshot_id: string };
  return ({ database }) => {
    if (database === null) throw new Error('the good point has no database');
    database.snapshotId = id;
  };
}

const appended = (statement: string) => withDump(`(cat; echo ${JSON.stringify(`${statement};`)})`);

/** Pages and what else WordPress is asked for. */
const site = ['boot', 'front-page', 'post', 'search', 'login', 'wp-admin', 'missing-media'];

/**
 * What is planted, the criterion that has to fail, and those that may fail besides: the table of docs/guides/drills.md. Nothing else
 * may.
 */
const corruptions: Record<
  string,
  { finding: string; also?: string[]; plant: (name: string) => Promise<string> }
> = {
  'missing table': {
    finding: 'missing-table',
    plant: async (name) => plant(name, await appended('DROP TABLE wp_commentmeta')),
  },
  'truncated dump': {
    finding: 'truncated-dump',
    also: ['missing-table', 'rows', 'changed-rows', 'structure', 'triggers', 'wrong-site', ...site],
    plant: async (name) =>
      plant(name, await withDump('head -c "$(( $(stat -c %s /bench/good.sql) * 6 / 10 ))"')),
  },
  'lost rows': {
    finding: 'rows',
    plant: async (name) => plant(name, await appended('DELETE FROM wp_comments LIMIT 5')),
  },
  'changed row': {
    finding: 'changed-rows',
    plant: async (name) =>
      plant(
        name,
        await appended(
          "UPDATE wp_posts SET post_content = CONCAT(post_content, 'x') ORDER BY ID LIMIT 1",
        ),
      ),
  },
  'lost file': {
    finding: 'missing-files',
    also: ['plugin-versions'],
    plant: async (name) => plant(name, await withFiles('rm wp-content/plugins/hello.php;')),
  },
  'changed file': {
    finding: 'changed-files',
    plant: async (name) => plant(name, await withFiles('echo >> wp-content/plugins/hello.php;')),
  },
  'empty volume': {
    finding: 'empty-volume',
    also: ['missing-files', 'plugin-versions', 'sentinel', ...site],
    plant: async (name) => plant(name, await withFiles('find wp-content -mindepth 1 -delete;')),
  },
  'wrong plugin version': {
    finding: 'plugin-versions',
    // The list of files is made anew, as for a point that was taken of another site's plugins: only its version tells.
    plant: async (name) =>
      plant(
        name,
        await withFiles(
          `file=wp-content/plugins/hello.php
           sed -i 's/Version: [0-9.]*/Version: 0.0.1/' "$file"; grep -q 'Version: 0.0.1' "$file"
           awk -F'\\t' -v OFS='\\t' -v file="$file" -v hash="$(sha256sum < "$file" | cut -c1-64)" -v size="$(stat -c %s "$file")" \
             '$5 == file { $1 = hash; $4 = size } { print }' /presslift/point/files.tsv > /bench/files.tsv
           cp /bench/files.tsv /presslift/point/files.tsv;`,
        ),
      ),
  },
  'stale copy': {
    finding: 'sentinel',
    plant: (name) =>
      plant(name, (point) => {
        point.files = older.files;
        point.database = older.database;
      }),
  },
  'missing media': {
    finding: 'missing-media',
    // Uploads are still on the old volume after phase 1. The list of files is made anew too, as if they had never been there.
    plant: async (name) =>
      plant(
        name,
        await withFiles(
          `find wordpress -type f -name '*.jpg' -delete
           grep -v 'wordpress/.*[.]jpg$' /presslift/point/files.tsv > /bench/files.tsv
           cp /bench/files.tsv /presslift/point/files.tsv`,
        ),
      ),
  },
  'broken serialized data': {
    finding: 'serialized-data',
    also: ['changed-rows'],
    plant: async (name) =>
      plant(
        name,
        await appended(
          "UPDATE wp_options SET option_value = REPLACE(option_value, 's:', 's:9') WHERE option_name = 'sidebars_widgets'",
        ),
      ),
  },
  'missing trigger': {
    finding: 'triggers',
    // Where the administrator may act for nobody else, triggers are loaded last: one cannot be dropped within the dump. A comment
    // makes up for its bytes.
    plant: async (name) =>
      plant(
        name,
        await withDump(
          "(sed '/TRIGGER .e2e_comment_count/,/^\\*\\/;;$/d'; printf -- '-- %0400d\\n' 0)",
        ),
      ),
  },
  'wrong charset': {
    finding: 'charset',
    also: ['structure', 'changed-rows', 'front-page', 'post', 'search'],
    plant: async (name) =>
      plant(
        name,
        await appended(
          "SET SESSION sql_mode = ''; ALTER TABLE wp_posts CONVERT TO CHARACTER SET latin1",
        ),
      ),
  },
  'image gone': {
    finding: 'image',
    also: ['boot'],
    plant: async (name) => {
      const gone = `localhost:5000/presslift/wordpress@sha256:${randomBytes(32).toString('hex')}`;
      const withTemplate = await withFiles(
        `sed -i 's#localhost:5000/presslift/wordpress[^"]*#${gone}#g' /presslift/point/objects.json;`,
      );
      return plant(name, (point) => {
        withTemplate(point);
        if (point.app)
          point.app.images = Object.fromEntries(
            Object.keys(point.app.images).map((container) => [container, gone]),
          );
      });
    },
  },
  'lost permissions': {
    finding: 'permissions',
    also: ['plugin-versions', 'sentinel', ...site],
    plant: async (name) =>
      plant(name, await withFiles('chown -R 0:0 wp-content; chmod -R go-rwx wp-content;')),
  },
  'half-finished backup': {
    finding: 'half-finished',
    plant: (name) =>
      plant(name, (point) => {
        point.database = null;
      }),
  },
  'wrong site': {
    finding: 'wrong-site',
    plant: async (name) => plant(name, await withFiles('', 'other')),
  },
};

async function drill(point: string, name: string) {
  const id = `acme/drill/e2e-${name}`;
  await startWithTemporal('restoreDrill', id, { site: 'acme', point });
  const closed = await untilClosed(id, 900_000);
  const { criteria } = await status(id);
  return {
    closed,
    failed: criteria.filter(({ pass }) => !pass).map((criterion) => criterion.id),
    criteria,
    bad: (await catalogue.state(point)).bad?.findings ?? [],
  };
}

const nameOf = (title: string) => title.replaceAll(/[^a-z]+/g, '-');

test('the good point passes', async () => {
  const { closed, failed } = await drill(good.id, 'good');
  expect(failed).toEqual([]);
  expect(closed).toBe('COMPLETED');
});

describe('each corruption is found', { concurrent: true }, () => {
  for (const [title, { finding, also = [], plant: corrupt }] of Object.entries(corruptions)) {
    test.concurrent(title, async () => {
      const point = await onlyOne(() => corrupt(nameOf(title)));
      const { closed, failed, bad } = await drill(point, nameOf(title));
      expect(closed).toBe('FAILED');
      expect(failed).toContain(finding);
      expect(bad).toContain(finding);
      expect(bad.filter((id) => id !== finding && !also.includes(id))).toEqual([]);
    });
  }
});

/** The workbench holds one changed tree at a time. */
let queue: Promise<unknown> = Promise.resolve();
function onlyOne<T>(work: () => Promise<T>): Promise<T> {
  const next = queue.then(work, work);
  queue = next.catch(() => undefined);
  return next;
}

/** Files of the repository's packs, in the object storage's own folder. */
async function packs(): Promise<string[]> {
  const folder = join(paths.state, 'object-storage/buckets/acme-media/presslift/acme/restic/data');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test('a bad pack in the repository is found', async () => {
  const before = new Set(await packs());
  // Random bytes get packs of their own, which no other point needs.
  const point = await plant(
    'bad-pack',
    await withFiles('head -c 3000000 /dev/urandom > wp-content/plugins/random.bin;'),
  );
  const sized = await Promise.all(
    (await packs())
      .filter((file) => !before.has(file))
      .map(async (file) => ({ file, size: (await stat(file)).size })),
  );
  const largest = sized.sort((a, b) => b.size - a.size)[0];
  if (largest === undefined || largest.size < 500_000) throw new Error('no pack of random bytes');
  const handle = await open(largest.file, 'r+');
  await handle.write(Buffer.alloc(64, 0x55), 0, 64, Math.floor(largest.size / 2));
  await handle.close();
  const { closed, bad } = await drill(point, 'bad-pack');
  expect(closed).toBe('FAILED');
  expect(bad).toContain('repository-data');
  const also = ['repository-data', 'missing-files', 'truncated-dump'];
  expect(bad.filter((id) => !also.includes(id))).toEqual([]);
});

test('other salts are found', async () => {
  // Values of Secrets are in no recovery point: the copy gets those of the live namespace, where somebody may have drawn new ones.
  // Pods that run keep what they began with. No other drill may run meanwhile.
  const ref = ['secret', 'wordpress-salts', '-n', 'acme'];
  const { data } = await kubectlJson<{ data: Record<string, string> }>(['get', ...ref]);
  const [key = ''] = Object.keys(data);
  const patch = (value: string) =>
    kubectl(['patch', ...ref, '-p', JSON.stringify({ data: { [key]: value } })]);
  const point = await plant('wrong-salts', () => undefined);
  const drawn = randomBytes(48).toString('base64');
  await patch(Buffer.from(drawn).toString('base64'));
  try {
    const { closed, bad } = await drill(point, 'wrong-salts');
    expect(closed).toBe('FAILED');
    expect(bad).toEqual(['salts']);
  } finally {
    await patch(data[key] ?? '');
  }
});

test('an expired key is found', async () => {
  const secret = await kubectlJson<{ data: Record<string, string> }>([
    'get',
    'secret',
    'object-storage',
    '-n',
    'acme',
  ]);
  const patch = (value: string) =>
    kubectl([
      'patch',
      'secret',
      'object-storage',
      '-n',
      'acme',
      '-p',
      JSON.stringify({ data: { secretAccessKey: value } }),
    ]);
  await patch(Buffer.from('expired').toString('base64'));
  try {
    const { closed, failed } = await drill(good.id, 'expired-key');
    expect(closed).toBe('FAILED');
    expect(failed).toContain('repository-keys');
  } finally {
    await patch(secret.data['secretAccessKey'] ?? '');
  }
  await eventually('the key is good again', async () =>
    (await catalogue.list()).length > 0 ? true : undefined,
  );
});

test('nothing is left of all these drills', async () => {
  expect(await leftovers()).toEqual([]);
});
