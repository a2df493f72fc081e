import type { CriterionResult } from '../../domain/criterion.ts';
import { pageRequests, sameText, type PageRequest } from '../../domain/recovery/drill-pages.ts';
import type { WordPressPart } from '../../domain/recovery/point.ts';
import type { Plan } from '../../domain/plan.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { VerifyInput, VisitorReport } from '../contracts.ts';
import { failure } from '../failure.ts';
import { criterion, type Measurement } from '../hybrid-storage/verify/criteria.ts';
import { measureVisitors } from '../hybrid-storage/verify/admin-and-visitors.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster } from '../recovery/deps.ts';
import { isFatal } from '../wordpress-admin/pages.ts';
import type { RollbackDeps } from './deps.ts';
import { pageReader } from './observe.ts';
import { onePhpPod } from '../kubernetes/php-pods.ts';

const titles: Record<string, string> = {
  'front-page': 'The front page answers with the site',
  post: 'A post answers with its title',
  search: 'The search finds a post',
  login: 'The login page has its form',
  'wp-admin': 'An administrator gets into wp-admin',
};

type Reader = { get(path: string): Promise<{ status: number; html: string }> };

/** The live site as visitors and administrators meet it, by the same pages as a drill asks for. */
export async function verifyRolledBackSite(
  deps: RollbackDeps,
  input: VerifyInput,
): Promise<CriterionResult[]> {
  const { site, plan, visitors } = input;
  const results: CriterionResult[] = [];
  let expected: WordPressPart | null = null;
  const reader = pageReader(deps, site);
  try {
    results.push(
      await criterion(
        'wordpress-answers',
        'WordPress starts and knows its site',
        'it does',
        async () => {
          expected = await expectedSite(deps, site, plan);
          return {
            measured: expected.version,
            pass: expected.siteUrl !== '',
            evidence: { siteUrl: expected.siteUrl },
          };
        },
      ),
    );
    for (const page of expected === null ? [] : pageRequests(expected, [])) {
      results.push(
        await criterion(page.id, titles[page.id] ?? page.id, 200, () =>
          page.id === 'wp-admin'
            ? measureAdmin(deps, site, page)
            : measurePage(reader, page, titleOf(page, expected as unknown as WordPressPart)),
        ),
      );
    }
    if (expected !== null) results.push(await measureMedia(reader, () => mediaPaths(deps, site)));
    const met =
      visitors !== null && changesDatabase(plan)
        ? await withoutAnnouncedLosses(reader, visitors)
        : visitors;
    results.push(...(await measureRequests(plan, met)));
  } finally {
    await reader.close();
  }
  return results;
}

const changesDatabase = (plan: Plan): boolean =>
  plan.changes.some(({ id }) => id === 'switch-database' || id === 'move-to-forked-database');

/**
 * A page that was written after the recovery point is not found any more once the database went back; the gate has counted
 * it as lost. Visitors who asked for it met what was approved, so these answers are no failures: 404 then, and still 404 now.
 */
async function withoutAnnouncedLosses(
  reader: Reader,
  visitors: VisitorReport,
): Promise<VisitorReport> {
  const suspects = new Set(
    visitors.failures.filter(({ seen }) => seen === 'status 404').map(({ path }) => path),
  );
  const gone = new Set<string>();
  for (const path of suspects) {
    if ((await reader.get(path)).status === 404) gone.add(path);
  }
  const failures = visitors.failures.filter(
    ({ path, seen }) => seen !== 'status 404' || !gone.has(path),
  );
  const announced = visitors.failures.length - failures.length;
  return { ...visitors, failed: visitors.failed - announced, failures };
}

/** What pages must show: the point's own post where the database went back, else the live site's. */
async function expectedSite(deps: RollbackDeps, site: Site, plan: Plan): Promise<WordPressPart> {
  const change = plan.changes.find(({ id }) => id === 'switch-database');
  const point = change?.params['point'];
  if (typeof point === 'string') {
    const catalogue = await openCatalogue(deps, site);
    try {
      const { wordpress } = await catalogue.read(point);
      if (wordpress !== null) return wordpress;
    } finally {
      catalogue.close();
    }
  }
  const pod = await onePhpPod(siteCluster(deps, site), site);
  return (await deps.agent.run(site, pod, 'describe-site')) as unknown as WordPressPart;
}

function titleOf({ id }: PageRequest, { samples }: WordPressPart): string | null {
  if (id === 'front-page') return samples.frontPageTitle;
  return id === 'post' ? (samples.post?.title ?? null) : null;
}

async function measurePage(
  reader: Reader,
  page: PageRequest,
  title: string | null,
): Promise<Measurement> {
  const { status, html } = await reader.get(page.path);
  const found = page.expected.map((text) => html.includes(text));
  const shown = /<title[^>]*>([\s\S]*?)<\/title>/i.exec(html)?.[1] ?? '';
  const titled = title === null || sameText(shown, title);
  return {
    measured: status,
    pass:
      status === 200 &&
      found.every(Boolean) &&
      titled &&
      !isFatal({ path: page.path, status, html }),
    evidence: {
      path: page.path,
      title: shown.slice(0, 120),
      contentFound: found.every(Boolean),
      titled,
    },
  };
}

/** Files of the media library that the site itself serves are there for visitors. */
export async function measureMedia(
  reader: Reader,
  pathsOf: () => Promise<string[]>,
): Promise<CriterionResult> {
  return criterion('media', 'Files of the media library are served', 'all', async () => {
    const paths = await pathsOf();
    const wrong: { path: string; status: number }[] = [];
    for (const path of paths) {
      const { status } = await reader.get(path);
      if (status !== 200) wrong.push({ path, status });
    }
    return {
      measured: `${paths.length - wrong.length} of ${paths.length}`,
      pass: wrong.length === 0,
      evidence: { wrong: wrong.slice(0, 20) },
    };
  });
}

async function mediaPaths(deps: RollbackDeps, site: Site): Promise<string[]> {
  const pod = await onePhpPod(siteCluster(deps, site), site);
  const sample = { sample: site.drill.mediaSample };
  return (await deps.agent.run(site, pod, 'media-sample', sample)) as unknown as string[];
}

async function measureAdmin(
  deps: RollbackDeps,
  site: Site,
  page: PageRequest,
): Promise<Measurement> {
  const session = await deps.openAdmin(site);
  try {
    const answer = await session.get(page.path);
    if (isFatal(answer)) throw failure('SiteBroken', `wp-admin died with status ${answer.status}`);
    const found = page.expected.every((text) => answer.html.includes(text));
    return {
      measured: answer.status,
      pass: answer.status === 200 && found,
      evidence: { path: page.path, contentFound: found },
    };
  } finally {
    await session.close();
  }
}

/**
 * No request may have failed, unless maintenance mode was asked for or the site was broken before: then it is told how many
 * did, and some must have got through. What nobody watched has failed; where only kept things are deleted it does not matter.
 */
export async function measureRequests(
  plan: Plan,
  visitors: VisitorReport | null,
): Promise<CriterionResult[]> {
  if (visitors === null) {
    return plan.changes.every(({ id }) => id.startsWith('delete-kept-')) ? [] : [unwatched];
  }
  return [await measureWatched(plan, visitors)];
}

const unwatched: CriterionResult = {
  id: 'no-failed-visitor-request',
  title: "No visitor's request failed",
  target: 0,
  measured: null,
  pass: false,
  evidence: { why: 'the watch over visitors gave no report' },
};

async function measureWatched(plan: Plan, visitors: VisitorReport): Promise<CriterionResult> {
  const maintenance = plan.changes.some(({ id }) => id === 'begin-maintenance');
  const broken = plan.findings.some(({ id }) => id === 'site-broken-now');
  if (!maintenance && !broken) {
    return criterion('no-failed-visitor-request', "No visitor's request failed", 0, async () =>
      measureVisitors(visitors),
    );
  }
  const why = maintenance ? 'maintenance mode was asked for' : 'the site was broken before';
  return criterion(
    'downtime-measured',
    `Requests failed (${why}) and get through again`,
    'some succeed',
    async () => {
      const { requests, failed, from, to } = visitors;
      const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
      const { evidence } = measureVisitors(visitors);
      return {
        measured: {
          failed,
          requests,
          downtimeSeconds:
            requests === 0 ? null : Math.round((seconds * failed * 10) / requests) / 10,
        },
        pass: requests > 0 && failed < requests,
        evidence,
      };
    },
  );
}
