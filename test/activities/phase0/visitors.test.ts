import { setTimeout as delay } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type {
  VisitorActivities,
  VisitorReport,
  WatchedVisitors,
} from '../../../src/activities/contracts.ts';
import { createVisitorActivities } from '../../../src/activities/visitors/index.ts';
import { testSite } from '../../support/phase0.ts';
import { startWeb, type TestWeb } from '../../support/web.ts';

/**
 * The watch over visitors against an HTTPS server that a test can break. It proves what counts as a failure, the rate,
 * and that counts outlive an attempt; it does not prove WordPress's own pages.
 */

const site = testSite();
const whole = '<html><head><link rel="stylesheet" href="/wp-includes/a.css"></head></html>';
let web: TestWeb;
let asked: string[] = [];
let answer: (path: string) => { status: number; body: string } | 'hang';

const healthy = (path: string) => {
  if (path.startsWith('/wp-json/')) {
    return { status: 200, body: '[{"link":"https://acme.test/hello/"}]' };
  }
  return { status: 200, body: path === '/wp-includes/a.css' ? 'a{}' : `${whole}\n<!-- cached -->` };
};

beforeAll(async () => {
  web = await startWeb('acme.test', ({ url = '/' }, response) => {
    asked.push(url);
    const given = answer(url);
    if (given === 'hang') return;
    response.writeHead(given.status, { location: '/elsewhere' }).end(given.body);
  });
});
afterAll(async () => web?.stop());
beforeEach(() => {
  asked = [];
  answer = healthy;
});

const activities = () =>
  createVisitorActivities({ ca: web.ca, connectTo: { address: '127.0.0.1', port: web.port } });

const watch = (
  env: MockActivityEnvironment,
  from: VisitorActivities,
  seen: WatchedVisitors | null = null,
): Promise<WatchedVisitors> =>
  env.run<[], WatchedVisitors, () => Promise<WatchedVisitors>>(() =>
    from.watchVisitors({ site, operationId: 'acme/x', seen }),
  );

/** Runs the watch for a while, then cancels it as a workflow does. */
async function watchFor(ms: number, seen: WatchedVisitors | null = null): Promise<WatchedVisitors> {
  const env = new MockActivityEnvironment();
  const watching = watch(env, activities(), seen);
  await delay(ms);
  env.cancel('CANCELLED');
  return await watching;
}

describe('the baseline', () => {
  it('is forty requests to front page, post and file', async () => {
    const env = new MockActivityEnvironment();
    const report = await env.run<[], VisitorReport, () => Promise<VisitorReport>>(() =>
      activities().measureBaseline({ site }),
    );
    expect(report).toMatchObject({ requests: 40, failed: 0, failures: [] });
    expect(report.p95Ms).toBeGreaterThan(0);
    const counted = (path: string) => asked.filter((seen) => seen === path).length;
    expect([counted('/hello/'), counted('/wp-includes/a.css')]).toEqual([13, 13]);
  });
});

describe('the watch', () => {
  it('asks twice a second until it is cancelled, and then reports', async () => {
    const report = await watchFor(2_200);
    expect(report.failed).toBe(0);
    expect(report.requests).toBeGreaterThanOrEqual(4);
    expect(report.requests).toBeLessThanOrEqual(6);
  });

  it('has seen the front page when it is ended before the site told what else there is', async () => {
    answer = (path) => (path.startsWith('/wp-json/') ? 'hang' : healthy(path));
    const { requests, failed } = await watchFor(100);
    expect([requests, failed, asked.includes('/')]).toEqual([1, 0, true]);
    expect((await watchFor(0)).requests).toBe(1);
  });

  it.each([
    ['a status', { status: 503, body: whole }, 'status 503'],
    ['a redirect', { status: 302, body: whole }, 'status 302'],
    [
      'a page cut short',
      { status: 200, body: '<html><body>' },
      'the page breaks off before </html>',
    ],
    ['an empty answer', { status: 200, body: '' }, 'an empty answer'],
  ])('counts %s as a failure', async (_name, given, seen) => {
    answer = (path) => (path === '/hello/' ? given : healthy(path));
    const report = await watchFor(1_300);
    expect(report.failed).toBe(1);
    expect(report.failures[0]).toMatchObject({ path: '/hello/', seen });
  });

  it('keeps its rate while the site hangs', async () => {
    const watching = watchFor(2_200);
    await delay(300);
    answer = () => 'hang';
    const asking = asked.length;
    await delay(1_700);
    expect(asked.length - asking).toBeGreaterThanOrEqual(3);
    answer = healthy;
    await web.stop();
    const report = await watching;
    expect(report.failed).toBeGreaterThanOrEqual(3);
    web = await startWeb('acme.test', ({ url = '/' }, response) => {
      const given = answer(url);
      if (given !== 'hang') response.writeHead(given.status).end(given.body);
    });
  });

  it('counts on from what the watch before it saw, by its answer or its last heartbeat', async () => {
    const env = new MockActivityEnvironment();
    let last: unknown;
    env.on('heartbeat', (details: unknown) => {
      last = structuredClone(details);
    });
    answer = () => ({ status: 500, body: '' });
    const watching = watch(env, activities());
    await delay(1_300);
    env.cancel('WORKER_SHUTDOWN');
    const first = await watching;
    expect(first.requests).toBeGreaterThanOrEqual(2);
    expect(Object.keys(last as WatchedVisitors)).toEqual(Object.keys(first));

    answer = healthy;
    const second = await watchFor(1_100, first);
    expect(second.from).toBe(first.from);
    expect(second.requests).toBeGreaterThan(first.requests);
    expect(second.failed).toBe(first.requests);
    const counted = Object.values(second.histogram).reduce((sum, count) => sum + count, 0);
    expect(counted).toBe(second.requests);
  });

  it('fails a site whose certificate is not trusted', async () => {
    const strangers = createVisitorActivities({
      connectTo: { address: '127.0.0.1', port: web.port },
    });
    const env = new MockActivityEnvironment();
    const watching = watch(env, strangers);
    await delay(700);
    env.cancel('CANCELLED');
    const report = await watching;
    expect(report.failed).toBe(report.requests);
    expect(report.failures[0]?.seen).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });
});
