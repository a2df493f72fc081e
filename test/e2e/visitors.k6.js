/**
 * Visitors at a constant rate: anonymous pages, static files, and an administrator who is logged in. A request counts as
 * failed when a visitor would say so: another status than 200, a page that is cut off, a WP Admin page without its bar
 * (which is how a lost session looks).
 */
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';

const base = __ENV.BASE_URL;
const failed = new Counter('visitor_failed');
const total = new Counter('visitor_requests');
const sessionLost = new Counter('visitor_session_lost');
const duration = new Trend('visitor_duration', true);

export const options = {
  scenarios: {
    visitors: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE),
      timeUnit: '1s',
      duration: __ENV.DURATION,
      preAllocatedVUs: 40,
      maxVUs: 150,
      gracefulStop: '30s',
    },
  },
  noCookiesReset: true,
  summaryTrendStats: ['avg', 'p(95)', 'p(99)', 'max'],
};

export function setup() {
  http.get(`${base}/wp-login.php`);
  const answer = http.post(
    `${base}/wp-login.php`,
    {
      log: 'admin',
      pwd: __ENV.ADMIN_PASSWORD,
      'wp-submit': 'Log In',
      testcookie: '1',
      redirect_to: `${base}/wp-admin/`,
    },
    { redirects: 0, cookies: { wordpress_test_cookie: 'WP Cookie check' } },
  );
  const session = {};
  for (const [name, values] of Object.entries(answer.cookies)) {
    if (values.length > 0) session[name] = values[values.length - 1].value;
  }
  if (!Object.keys(session).some((name) => name.startsWith('wordpress_logged_in'))) {
    throw new Error(`login failed with status ${answer.status}`);
  }
  const home = http.get(`${base}/`).body;
  const posts = http
    .get(`${base}/wp-json/wp/v2/posts?per_page=20`)
    .json()
    .map((post) => post.link);
  const media = http
    .get(`${base}/wp-json/wp/v2/media?per_page=20`)
    .json()
    .map((item) => item.source_url);
  if (posts.length < 5 || media.length < 5 || home.indexOf('</html>') < 0) {
    throw new Error('the site has no posts or media to visit');
  }
  return { session, posts, media };
}

const adminPages = ['/wp-admin/', '/wp-admin/edit.php', '/wp-admin/plugins.php'];

let turn = 0;

export default function (shared) {
  turn += 1;
  const pick = (list) => list[(turn * 7 + __VU * 3) % list.length];
  const dice = (turn * 31 + __VU * 17) % 20;
  const visit =
    dice < 9
      ? { kind: 'page', url: dice < 3 ? `${base}/` : pick(shared.posts) }
      : dice < 17
        ? { kind: 'static', url: pick(shared.media) }
        : { kind: 'admin', url: base + pick(adminPages) };
  const cookies = {};
  if (visit.kind === 'admin') {
    for (const name in shared.session)
      cookies[name] = { value: shared.session[name], replace: true };
  }
  const answer = http.get(visit.url, { redirects: 0, timeout: '30s', cookies });
  total.add(1);
  duration.add(answer.timings.duration);
  const body = typeof answer.body === 'string' ? answer.body : '';
  const good =
    answer.status === 200 &&
    (visit.kind !== 'page' || body.indexOf('</html>') >= 0) &&
    (visit.kind !== 'admin' || body.indexOf('wpadminbar') >= 0);
  if (good) return;
  failed.add(1);
  if (visit.kind === 'admin' && answer.status === 302) sessionLost.add(1);
  console.error(
    `FAILED ${new Date().toISOString()} ${visit.kind} ${visit.url} status=${answer.status} ` +
      `error=${answer.error_code} pod=${answer.headers['X-Pod'] || ''}`,
  );
}

export function handleSummary(data) {
  const count = (name) => (data.metrics[name] ? data.metrics[name].values.count : 0);
  const times = data.metrics.visitor_duration ? data.metrics.visitor_duration.values : {};
  return {
    [__ENV.SUMMARY]: JSON.stringify({
      requests: count('visitor_requests'),
      failed: count('visitor_failed'),
      sessionLost: count('visitor_session_lost'),
      dropped: count('dropped_iterations'),
      p95Ms: times['p(95)'] === undefined ? null : times['p(95)'],
      p99Ms: times['p(99)'] === undefined ? null : times['p(99)'],
    }),
  };
}
