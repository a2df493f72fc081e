/**
 * Real damage to a site at phase 1, and the way back from the newest recovery point, layer by layer. Visitors are counted
 * throughout: where a layer can go back without them noticing, none of their requests may fail.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sandboxCredentials } from '../../../deploy/sandbox/credentials.ts';
import { cloudflareZoneId, endpoints, hostNames } from '../../../deploy/sandbox/settings.ts';
import {
  documentRoot,
  eventually,
  extensionHashes,
  inPod,
  kubectl,
  readyPods,
  runningImages,
  startWorker,
  wpContent,
  type WorkerProcess,
} from '../support/platform.ts';
import {
  checksums,
  closeWorkbench,
  ensurePhaseOne,
  holdOnUpdates,
  leftovers,
  openWorkbench,
  rollBack,
  setBadImage,
  sql,
  takePoint,
  untilSiteAnswers,
  visit,
} from '../support/recovery.ts';
import { startVisitors } from '../support/visitors.ts';

let worker: WorkerProcess;
let point = '';
let extensions: string[] = [];
let podName = '';

beforeAll(async () => {
  worker = await startWorker();
  await ensurePhaseOne();
  await openWorkbench();
  point = await takePoint();
});

beforeEach(async () => {
  podName = (await readyPods())[0]?.metadata.name ?? '';
  extensions = await extensionHashes(podName);
});

afterAll(async () => {
  await closeWorkbench();
  await worker.stop();
});

/** Asks for the front page again and again; `downMs` is from its first bad answer to the first good one after the last. */
function watchFrontPage() {
  let on = true;
  let answers = 0;
  let firstBad: number | undefined;
  let goodAgain: number | undefined;
  const watching = (async () => {
    while (on) {
      const good = (await visit('/').catch(() => 0)) === 200;
      answers += 1;
      if (!good) {
        firstBad ??= Date.now();
        goodAgain = undefined;
      } else if (firstBad !== undefined) goodAgain ??= Date.now();
      await sleep(100);
    }
  })();
  return {
    async end() {
      on = false;
      await watching;
      const downMs = firstBad === undefined ? 0 : (goodAgain ?? Date.now()) - firstBad;
      return { downMs, answers };
    },
  };
}

test('a deleted plugin tree comes back, and no visitor notices', async () => {
  // A plugin that pages do not need, or visitors would have met the damage already.
  await inPod(podName, ['rm', '-r', `${wpContent}/plugins/akismet`]);
  const visitors = await startVisitors({ name: 'rollback-plugins', perSecond: 10, seconds: 300 });
  await rollBack('deleted-tree', { point, layers: ['plugins-themes'] });
  const seen = await visitors.finish();
  expect(seen.requests).toBeGreaterThan(50);
  expect(seen.failed).toBe(0);
  for (const pod of await readyPods()) {
    expect(await extensionHashes(pod.metadata.name)).toEqual(extensions);
  }
});

test('a plugin that breaks every page is put back; the downtime is measured', async () => {
  const file = `${wpContent}/plugins/acme-catalog/acme-catalog.php`;
  const watch = watchFrontPage();
  // On the shared volume, so every pod has it.
  await inPod(podName, ['sh', '-c', `echo 'throw new Error("broken by an update");' >> ${file}`]);
  await kubectl(['rollout', 'restart', 'deployment/wordpress', '-n', 'acme']);
  await eventually('the damage', async () => ((await visit('/')) === 500 ? true : undefined));
  await rollBack('broken-plugin', { point, layers: ['plugins-themes'] });
  await untilSiteAnswers();
  const { downMs } = await watch.end();
  expect(downMs).toBeGreaterThan(0);
  console.log(`broken plugin: the front page was bad for ${Math.round(downMs / 1_000)} s in all`);
  for (const pod of await readyPods()) {
    expect(await extensionHashes(pod.metadata.name)).toEqual(extensions);
  }
});

test('a bad image is rolled back, and no visitor notices', async () => {
  const images = await runningImages();
  const visitors = await startVisitors({ name: 'rollback-app', perSecond: 10, seconds: 300 });
  await setBadImage();
  await eventually('a pod that cannot pull its image', async () => {
    const pods = await kubectl(['get', 'pods', '-n', 'acme']);
    return /ImagePull|ErrImage/.test(pods) ? true : undefined;
  });
  await rollBack('bad-image', { point, layers: ['app'] });
  const seen = await visitors.finish();
  expect(seen.requests).toBeGreaterThan(50);
  expect(seen.failed).toBe(0);
  expect(await kubectl(['get', 'pods', '-n', 'acme'])).not.toMatch(/ImagePull|ErrImage/);
  expect(await runningImages()).toEqual(images);
});

test('a deleted Deployment is made again; the downtime is measured', async () => {
  const images = await runningImages();
  const watch = watchFrontPage();
  await kubectl(['delete', 'deployment/wordpress', '-n', 'acme']);
  const isDown = async () => ((await visit('/').catch(() => 0)) === 200 ? undefined : true);
  await eventually('the damage', isDown);
  const { report } = await rollBack('deleted-deployment', { point, layers: ['app'] });
  await untilSiteAnswers();
  const { downMs } = await watch.end();
  expect(downMs).toBeGreaterThan(0);
  console.log(`deleted Deployment: no front page for ${Math.round(downMs / 1_000)} s in all`);
  expect(report.recoveryPoint?.missing.join()).toContain('the database');
  expect(await runningImages()).toEqual(images);
  for (const pod of await readyPods()) {
    expect(await extensionHashes(pod.metadata.name)).toEqual(extensions);
  }
});

test('a dropped table comes back, what came since is counted, and the rollback can be rolled back', async () => {
  const before = await sql('SELECT COUNT(*) FROM wp_comments');
  const contents = await checksums();
  await sql(
    "INSERT INTO wp_comments (comment_post_ID, comment_author, comment_content, comment_date, comment_date_gmt, comment_approved, comment_author_email, comment_author_url, comment_author_IP, comment_agent, comment_type) VALUES (1, 'late', 'after the point', NOW(), UTC_TIMESTAMP(), '1', '', '', '', '', 'comment')",
  );
  await sql('DROP TABLE wp_term_relationships');
  expect(await checksums()).not.toBe(contents);
  const watch = watchFrontPage();
  const { report } = await rollBack('dropped-table', { point, layers: ['database'] });
  const { downMs, answers } = await watch.end();
  console.log(`dropped table: the front page was bad for ${downMs} ms of ${answers} answers`);
  expect(await checksums()).toBe(contents);
  expect(await sql('SELECT COUNT(*) FROM wp_comments')).toBe(before);
  expect(Number(await sql('SELECT COUNT(*) FROM wp_term_relationships'))).toBeGreaterThan(0);
  // The dump was taken while plugin updates were held.
  expect(await holdOnUpdates()).toBe('');
  const lost = report.findings.find(({ id }) => id === 'losses-since-point');
  expect(JSON.stringify(lost?.evidence)).toMatch(/"comments":1/);
  await untilSiteAnswers();

  // Back to just before: its own recovery point holds the late comment and lacks the table.
  const taken = report.recoveryPoint?.id;
  const again = await rollBack('back-again', { point: taken, layers: ['database'] });
  expect(again.report.planDigest).not.toBe(report.planDigest);
  expect(await sql("SELECT COUNT(*) FROM wp_comments WHERE comment_author = 'late'")).toBe('1\n');
  await rollBack('and-forth', { point, layers: ['database'] });
  expect(await sql('SELECT COUNT(*) FROM wp_comments')).toBe(before);
});

test('visitors meet maintenance mode while the database goes back, when that was asked for', async () => {
  const met = new Map<number, number>();
  const watch = { on: true };
  const watching = (async () => {
    while (watch.on) {
      const answered = await visit('/');
      met.set(answered, (met.get(answered) ?? 0) + 1);
    }
  })();
  try {
    await rollBack('in-maintenance', { point, layers: ['database'], maintenance: true });
  } finally {
    watch.on = false;
    await watching;
  }
  console.log(`in maintenance: answers by status ${JSON.stringify([...met])}`);
  expect([...met.keys()].sort()).toEqual([200, 503]);
  expect(await visit('/')).toBe(200);
  for (const pod of await readyPods()) {
    expect(await inPod(pod.metadata.name, ['ls', '-A', documentRoot])).not.toContain(
      '.maintenance',
    );
  }
});

test('a wrong cache rule and a deleted ruleset are taken back and the cache purged', async () => {
  const { cloudflareToken } = await sandboxCredentials();
  const rulesets = `/client/v4/zones/${cloudflareZoneId}/rulesets`;
  const ask = (method: string, path: string, body?: object) =>
    fetch(`${endpoints.cloudflare}${path}`, {
      method,
      headers: { authorization: `Bearer ${cloudflareToken}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  const call = async (method: string, body?: object) => {
    const path = `${rulesets}/phases/http_request_cache_settings/entrypoint`;
    const { result } = (await (await ask(method, path, body)).json()) as {
      result: { id: string; version: string; rules: unknown[] };
    };
    return result;
  };
  const purges = async () => {
    const { result } = (await (await ask('GET', '/stand-in/purges')).json()) as {
      result: { by: string; items: unknown[] }[];
    };
    return result;
  };
  const digest = (rules: unknown[]) =>
    createHash('sha256')
      .update(
        JSON.stringify(
          rules.map((rule) => ({
            ...(rule as object),
            version: undefined,
            last_updated: undefined,
            id: undefined,
          })),
        ),
      )
      .digest('hex');
  const good = await call('GET');
  const wrong = await call('PUT', {
    rules: [
      {
        action: 'set_cache_settings',
        expression: 'true',
        action_parameters: { cache: true },
        description: 'caches logins',
      },
    ],
  });
  expect(digest(wrong.rules)).not.toBe(digest(good.rules));
  const purgedBefore = (await purges()).length;
  await rollBack('cache-rule', { point, layers: ['cdn'] });
  const back = await call('GET');
  expect(digest(back.rules)).toBe(digest(good.rules));
  expect(Number(back.version)).toBeGreaterThan(Number(wrong.version));
  const purged = await purges();
  expect(purged).toHaveLength(purgedBefore + 1);
  expect(purged.at(-1)).toMatchObject({ by: 'hosts', items: [hostNames.acme] });

  // With a ruleset all its versions go at the provider; the recovery point still has its rules.
  expect((await ask('DELETE', `${rulesets}/${back.id}`)).status).toBe(204);
  await rollBack('deleted-ruleset', { point, layers: ['cdn'] });
  const again = await call('GET');
  expect(digest(again.rules)).toBe(digest(good.rules));
  expect(again.id).not.toBe(back.id);
});

test('what rollbacks kept is deleted when told, and not before', async () => {
  expect(await sql('SHOW DATABASES', 'defaultdb')).toContain('presslift_kept_');
  await rollBack('release', { release: true });
  expect(await sql('SHOW DATABASES', 'defaultdb')).not.toContain('presslift_kept_');
  expect(await leftovers()).toEqual([]);
});
