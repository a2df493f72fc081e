import { setTimeout as delay } from 'node:timers/promises';
import { asyncLocalStorage } from '@temporalio/activity';
import type { Site } from '../../domain/site/schema.ts';
import type { VisitorActivities, VisitorReport, WatchedVisitors } from '../contracts.ts';
import type { ConnectTo } from '../wordpress-admin/browser.ts';
import { percentile, record } from './histogram.ts';
import { frontPage, openVisitor, type Visitor, type VisitorPath } from './visitor.ts';

export interface VisitorDeps {
  /** Default: the system's clock. */
  now?: () => Date;
  /** For tests: where the site is, and whom to trust. */
  connectTo?: ConnectTo;
  ca?: string;
}

/** Requests a second, constant: a slow answer does not slow the next request down. */
const RATE = 2;
const BASELINE_REQUESTS = 40;
const BASELINE_RATE = 8;
/** One run watches this long at most; the workflow starts another when it still needs one. */
const LONGEST_MS = 6 * 3_600_000;
/** Failures that are kept in full; more are only counted. */
const KEPT_FAILURES = 100;
/** Requests under way at once; a site that hangs must not collect them without end. */
const MOST_UNDER_WAY = 40;

/** What is counted as it comes; the rest of a report follows from it. */
type Counters = Pick<WatchedVisitors, 'requests' | 'failed' | 'from' | 'failures' | 'histogram'>;

/** Activities that look at the site as anonymous visitors do. */
export function createVisitorActivities(deps: VisitorDeps = {}): VisitorActivities {
  const now = () => (deps.now?.() ?? new Date()).toISOString();
  const fresh = (): Counters => ({
    requests: 0,
    failed: 0,
    from: now(),
    failures: [],
    histogram: {},
  });

  function visitorOf(site: Site): Visitor {
    const host = site.hosts.names.find((name) => !name.startsWith('*.')) ?? site.hosts.names[0];
    return openVisitor({ baseUrl: `https://${host}`, connectTo: deps.connectTo, ca: deps.ca });
  }

  async function visitOnce(visitor: Visitor, path: VisitorPath, counters: Counters): Promise<void> {
    const at = now();
    const { milliseconds, problem } = await visitor.visit(path);
    counters.requests += 1;
    record(counters.histogram, milliseconds);
    if (problem === null) return;
    counters.failed += 1;
    if (counters.failures.length < KEPT_FAILURES) {
      counters.failures.push({ at, path: path.path, seen: problem });
    }
  }

  /**
   * Starts requests at a constant rate until `enough`, one at least; waits for those under way. Until the site has told what
   * else there is they are for the front page: changes may take less time than that.
   */
  async function atRate(
    visitor: Visitor,
    counters: Counters,
    perSecond: number,
    signal: AbortSignal | undefined,
    enough: (started: number) => boolean,
    tick: () => void,
  ): Promise<void> {
    let paths: VisitorPath[] = [frontPage];
    void visitor.paths().then((found) => (paths = found));
    const underWay = new Set<Promise<void>>();
    const begin = performance.now();
    const goesOn = (started: number) => !enough(started) && !signal?.aborted;
    for (let started = 0; started === 0 || goesOn(started); started += 1) {
      const path = paths[started % paths.length];
      if (path && underWay.size < MOST_UNDER_WAY) {
        const visit: Promise<void> = visitOnce(visitor, path, counters).finally(() =>
          underWay.delete(visit),
        );
        underWay.add(visit);
      } else if (path) {
        counters.requests += 1;
        counters.failed += 1;
        if (counters.failures.length < KEPT_FAILURES) {
          counters.failures.push({
            at: now(),
            path: path.path,
            seen: 'too many unanswered requests',
          });
        }
      }
      tick();
      const next = begin + ((started + 1) * 1000) / perSecond;
      await delay(Math.max(0, next - performance.now()), undefined, { signal }).catch(
        () => undefined,
      );
    }
    await Promise.all(underWay);
  }

  return {
    async measureBaseline({ site }) {
      const context = asyncLocalStorage.getStore();
      const visitor = visitorOf(site);
      const counters = fresh();
      try {
        await atRate(
          visitor,
          counters,
          BASELINE_RATE,
          context?.cancellationSignal,
          (started) => started >= BASELINE_REQUESTS,
          () => context?.heartbeat(),
        );
      } finally {
        await visitor.close();
      }
      context?.cancellationSignal.throwIfAborted();
      return reportOf(counters, now());
    },

    async watchVisitors({ site, seen }) {
      const context = asyncLocalStorage.getStore();
      const visitor = visitorOf(site);
      const counters: Counters = seen ? structuredClone(seen) : fresh();
      const until = Date.parse(now()) + LONGEST_MS;
      const watched = () => ({ ...reportOf(counters, now()), histogram: counters.histogram });
      // All of the answer, so that it can stand for it when the worker dies.
      const beat = () => context?.heartbeat(watched());
      beat();
      // Requests that hang must not keep the heartbeat waiting.
      const timer = setInterval(beat, 1_000);
      try {
        await atRate(
          visitor,
          counters,
          RATE,
          context?.cancellationSignal,
          () => Date.parse(now()) >= until,
          () => undefined,
        );
      } finally {
        clearInterval(timer);
        await visitor.close();
      }
      return watched();
    },
  };
}

function reportOf(counters: Counters, to: string): VisitorReport {
  const { requests, failed, from, failures, histogram } = counters;
  return { requests, failed, from, to, failures, p95Ms: percentile(histogram, 0.95) };
}
