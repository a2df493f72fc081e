/**
 * The database goes back to a second: what was written before it is kept, what came after it is gone, and the site runs on a new
 * database cluster that the provider made from its backup and log.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resetAcme } from '../../../deploy/sandbox/acme/reset.ts';
import { sandboxCredentials } from '../../../deploy/sandbox/credentials.ts';
import { databaseClusterId, endpoints } from '../../../deploy/sandbox/settings.ts';
import type { OperationReport } from '../../../src/domain/operation.ts';
import {
  approve,
  openGateDigest,
  resultOf,
  startWithTemporal,
  untilClosed,
} from '../support/operations.ts';
import { kubectlJson, startWorker, type WorkerProcess } from '../support/platform.ts';
import { closeWorkbench, ensurePhaseOne, openWorkbench, sql, visit } from '../support/recovery.ts';

let worker: WorkerProcess;

interface Clusters {
  databases: { id: string; name: string; connection: { host: string } }[];
}

async function provider(method: 'GET' | 'DELETE', path: string): Promise<unknown> {
  const { digitaloceanToken } = await sandboxCredentials();
  const response = await fetch(`${endpoints.digitalocean}${path}`, {
    method,
    headers: { authorization: `Bearer ${digitaloceanToken}` },
  });
  return response.status === 204 ? null : response.json();
}

const clusters = async () => ((await provider('GET', '/v2/databases')) as Clusters).databases;

beforeAll(async () => {
  worker = await startWorker();
  await ensurePhaseOne();
  await openWorkbench();
});

afterAll(async () => {
  await closeWorkbench();
  await worker.stop();
  for (const { id } of await clusters()) {
    if (id !== databaseClusterId) await provider('DELETE', `/v2/databases/${id}`);
  }
  await resetAcme();
});

const post = (title: string) =>
  sql(
    `INSERT INTO wp_posts (post_author, post_date, post_date_gmt, post_content, post_title, post_excerpt, post_status, comment_status, ping_status, post_password, post_name, to_ping, pinged, post_modified, post_modified_gmt, post_content_filtered, post_parent, guid, menu_order, post_type, post_mime_type, comment_count)
     VALUES (1, NOW(), UTC_TIMESTAMP(), 'x', '${title}', '', 'publish', 'open', 'open', '', '${title}', '', '', NOW(), UTC_TIMESTAMP(), '', 0, '', 0, 'post', '', 0); SELECT LAST_INSERT_ID()`,
  ).then((id) => id.trim());

test('rows before the second are kept, rows after it are gone', async () => {
  const kept = await post('before-the-disaster');
  await sleep(2_000);
  const second = new Date(Math.floor(Date.now() / 1_000) * 1_000).toISOString();
  await sleep(1_500);
  const gone = await post('after-the-moment');
  await sql('DROP TABLE wp_commentmeta');
  expect(await visit(`/?p=${gone}`)).not.toBe(404);

  const id = 'acme/rollback/e2e-point-in-time';
  const began = Date.now();
  await startWithTemporal('rollback', id, {
    site: 'acme',
    layers: ['database'],
    databaseTime: second,
  });
  await approve(id, await openGateDigest(id));
  expect(await untilClosed(id, 900_000)).toBe('COMPLETED');
  console.log(
    `point in time: ${Math.round((Date.now() - began) / 1_000)} s from the start to the end`,
  );
  const report = await resultOf<OperationReport>(id);
  expect(report.outcome).toBe('done');
  expect(report.criteria.filter(({ pass }) => !pass)).toEqual([]);
  expect(report.findings.map((finding) => finding.id)).toContain('site-file-lines');

  // From outside: a visitor finds the one and not the other.
  expect([200, 301]).toContain(await visit(`/?p=${kept}`));
  expect(await visit(`/?p=${gone}`)).toBe(404);

  // The pods use the new cluster, and the old one, which lacks the table, takes no writes from WordPress any more.
  const fork = (await clusters()).find((cluster) => cluster.id !== databaseClusterId);
  if (fork === undefined) throw new Error('no new cluster');
  const { spec } = await kubectlJson<{ spec: { template: unknown } }>([
    'get',
    'deployment',
    'wordpress',
    '-n',
    'acme',
  ]);
  expect(JSON.stringify(spec.template)).toContain(fork.connection.host);
  expect(await sql("SHOW GRANTS FOR 'wordpress'@'%'", 'defaultdb')).not.toMatch(
    /INSERT|ALL PRIVILEGES/,
  );
  expect(await sql("SHOW TABLES LIKE 'wp_commentmeta'")).toBe('');
});
