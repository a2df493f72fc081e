import type { CriterionResult } from '../../../domain/criterion.ts';
import type { Site } from '../../../domain/site/schema.ts';
import type { VerifyInput, VisitorReport } from '../../contracts.ts';
import { newestRecovery } from '../../recovery/index.ts';
import { isLoggedIn } from '../../wordpress-admin/session.ts';
import { clusterOf } from '../deps.ts';
import { criterion, type Measurement } from './criteria.ts';
import { factsOfEveryPod, fromEveryPod, type VerificationDeps } from './deps.ts';

/** Requests through the front door with one login; with two pods each is met, but for one run in thousands. */
const adminRequests = 12;

/** Login valid on every pod, file editor gone, core does not update itself, no visitor's request failed. */
export async function verifyAdminAndVisitors(
  deps: VerificationDeps,
  input: VerifyInput,
): Promise<CriterionResult[]> {
  const { site, visitors } = input;
  const results = [
    await criterion(
      'login-valid-on-every-pod',
      'A login from before is valid on every pod',
      'all pods, every page',
      () => measureLogin(deps, input),
    ),
    await criterion(
      'file-editor-gone',
      'WP Admin refuses the file editor for plugins and themes',
      'refused',
      () => measureEditor(deps, site),
    ),
    await criterion(
      'core-does-not-update-itself',
      'WordPress would install neither a minor nor a major version of core by itself',
      { minor: false, major: false },
      async () => {
        const facts = await factsOfEveryPod(deps, site);
        const seen = Object.fromEntries(
          Object.entries(facts).map(([pod, { coreUpdates }]) => [pod, coreUpdates]),
        );
        const updating = Object.values(seen).filter(({ minor, major }) => minor || major).length;
        return {
          measured: {
            minor: Object.values(seen).some(({ minor }) => minor),
            major: Object.values(seen).some(({ major }) => major),
          },
          pass: updating === 0,
          evidence: seen,
        };
      },
    ),
  ];
  // Where nothing was applied nobody watched: then there is nothing to say, rather than a pass.
  if (visitors !== null) {
    results.push(
      await criterion('no-failed-visitor-request', "No visitor's request failed", 0, async () =>
        measureVisitors(visitors),
      ),
    );
  }
  return results;
}

export function measureVisitors(report: VisitorReport): Measurement {
  return {
    measured: report.failed,
    // Nobody who asked is no proof that everybody was answered.
    pass: report.failed === 0 && report.requests > 0,
    evidence: {
      requests: report.requests,
      p95Ms: report.p95Ms,
      from: report.from,
      to: report.to,
      failures: report.failures.slice(0, 10),
    },
  };
}

async function measureLogin(deps: VerificationDeps, input: VerifyInput): Promise<Measurement> {
  const { site, operationId, plan } = input;
  const old =
    plan.changes.length === 0
      ? null
      : ((await newestRecovery(clusterOf(deps, site), site, operationId))?.session ?? null);
  const cookies = old ?? (await freshCookies(deps, site));
  // Each pod's own keys judge the cookie; the balancer in front could leave a pod out.
  const values = cookies
    .filter((cookie) => cookie.startsWith('wordpress_logged_in_'))
    .map((cookie) => decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1)));
  const valid = await fromEveryPod(deps, site, async (pod) => {
    return (await deps.agent.run(site, pod, 'validate-cookies', { cookies: values })) === true;
  });
  const session = deps.resumeAdmin(site, cookies);
  let opened = 0;
  try {
    for (let request = 0; request < adminRequests; request += 1) {
      const page = await session.get('/wp-admin/');
      if (page.status === 200 && isLoggedIn(page)) opened += 1;
    }
  } finally {
    await session.close();
  }
  const accepting = Object.values(valid).filter(Boolean).length;
  const pods = Object.keys(valid).length;
  return {
    measured: `${accepting} of ${pods} pods, ${opened} of ${adminRequests} pages`,
    pass: values.length > 0 && pods > 0 && accepting === pods && opened === adminRequests,
    evidence: { pods: valid, login: old === null ? 'made now' : 'from the recovery point' },
  };
}

async function freshCookies(deps: VerificationDeps, site: Site): Promise<string[]> {
  const session = await deps.openAdmin(site);
  try {
    return session.cookies.header('/wp-admin/').split('; ');
  } finally {
    await session.close();
  }
}

async function measureEditor(deps: VerificationDeps, site: Site): Promise<Measurement> {
  const session = await deps.openAdmin(site);
  try {
    const seen: Record<string, { status: number; editor: boolean }> = {};
    for (const path of ['/wp-admin/plugin-editor.php', '/wp-admin/theme-editor.php']) {
      const { status, html } = await session.get(path);
      seen[path] = { status, editor: /name=["']newcontent["']/.test(html) };
    }
    const menu = await session.get('/wp-admin/plugins.php');
    const linked = /href=["'][^"']*plugin-editor\.php/.test(menu.html);
    const refused = Object.values(seen).every(({ status, editor }) => status !== 200 && !editor);
    // The page of plugins shows that this session may do the rest: a refusal for want of a login proves nothing.
    const pass = refused && !linked && menu.status === 200 && isLoggedIn(menu);
    return { measured: pass ? 'refused' : 'open', pass, evidence: { pages: seen, linked } };
  } finally {
    await session.close();
  }
}
