/** A site behind the activities' interfaces: everything succeeds at once unless a test says otherwise. */
import { setTimeout as delay } from 'node:timers/promises';
import { Context, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { expect } from 'vitest';
import type {
  AllActivities,
  Notification,
  VisitorReport,
  WatchedVisitors,
} from '../../src/activities/contracts.ts';
import type { CriterionResult } from '../../src/domain/criterion.ts';
import { digestOf } from '../../src/domain/digest.ts';
import type { FailureType } from '../../src/domain/failures.ts';
import type { Change, DigestedPlan, Drift, Observation, Plan } from '../../src/domain/plan.ts';
import { activityProfiles } from '../../src/domain/retry-profiles.ts';
import type { Site } from '../../src/domain/site/schema.ts';
import { FakeRecovery } from './fake-recovery.ts';

export type ActivityName = keyof AllActivities;

type Behaviour = (input: never) => Promise<unknown>;

/**
 * Activities that happen beside the walk or before it; `FakeSite.walk` leaves them out. Of the recovery point it shows
 * `takeRecoveryPoint` alone, which is part of each.
 */
const beside = new Set<ActivityName>([
  'loadSite',
  'backupReadiness',
  'openRepository',
  'holdPluginUpdates',
  'writeSentinel',
  'describeWordPress',
  'describeApp',
  'describeCdn',
  'describeObjectStorage',
  'snapshotVolumes',
  'backUpFiles',
  'backUpDatabase',
  'recordRecoveryPoint',
  'releasePluginUpdates',
  'discardRecoveryPoint',
  'requestLock',
  'isHolderAlive',
  'notify',
  'detectDrift',
  'watchVisitors',
]);

type Gates = Site['approvals']['gates'];

/** Approvals of a fake site; what is left out is as in `fakeSite`. */
export interface FakeApprovals {
  approvers?: string[];
  deputies?: string[];
  gates?: Partial<Gates>;
}

/** A site with the approvers alice and bob and the deputy carol; each gate needs one of them. */
export function fakeSite(name: string, { gates, ...people }: FakeApprovals = {}): Site {
  const policy = { quorum: 1, twoPerson: false, deadline: 'P3D', remindEvery: 'P1D' };
  return {
    name,
    hosts: { names: [`${name}.example.com`] },
    cluster: { namespace: name, deployment: 'wordpress', service: 'wordpress', container: 'php' },
    approvals: {
      approvers: ['alice', 'bob'],
      deputies: ['carol'],
      ...people,
      gates: { apply: policy, 'go-no-go': policy, ...gates },
    },
    backup: { maxAge: 'PT26H' },
    drill: { timeout: 'PT4H' },
    // The walk reads nothing else of a site; activities get it whole.
  } as unknown as Site;
}

export function fakeChange(id: string, extra: Partial<Change> = {}): Change {
  return {
    id,
    title: `Do ${id}`,
    target: `Thing ${id}`,
    before: null,
    after: { made: id },
    risk: 'low',
    riskReason: 'Nothing depends on it yet.',
    undo: { possible: true, how: `Remove ${id}.` },
    touches: [],
    params: {},
    ...extra,
  };
}

export function fakeObservation(key: string, digest = 'sha256:then'): Observation {
  return { key, title: `the ${key}`, digest };
}

export function driftOf(key: string): Drift {
  return { key, title: `the ${key}`, approved: 'sha256:then', found: 'sha256:now' };
}

export function criterion(id: string, pass = true): CriterionResult {
  return { id, title: `Criterion ${id}`, measured: pass, target: true, pass, evidence: 'seen' };
}

const usualChanges: Record<string, Change[]> = {
  prerequisites: [fakeChange('create-bucket')],
  hybridStorage: [
    fakeChange('create-shared-claim'),
    fakeChange('copy-extensions'),
    fakeChange('keep-salts'),
    fakeChange('scale-out', { touches: ['deployment'] }),
  ],
  rollback: ['stage-extensions', 'switch-extensions', 'restore-options'].map((id) =>
    fakeChange(id),
  ),
};

/** Controllable behaviour and a record of what was asked for one site. */
export class FakeSite {
  readonly site: Site;
  /** Every activity in the order of its attempts. */
  readonly calls: ActivityName[] = [];
  readonly notifications: Notification[] = [];
  readonly inputs: { name: ActivityName; input: unknown }[] = [];
  /** What the planners plan; null means a few changes of the phase's own. */
  changes: Change[] | null = null;
  observations: Observation[] = [fakeObservation('deployment'), fakeObservation('service')];
  findings: Plan['findings'] = [];
  readonly recovery = new FakeRecovery();
  readonly #behaviours = new Map<ActivityName, Behaviour>();

  constructor(site: Site) {
    this.site = site;
  }

  /** The activities of the walk in the order in which they ran, without what runs beside it. */
  get walk(): ActivityName[] {
    return this.calls.filter((name) => !beside.has(name));
  }

  /** Replaces what an activity does. */
  when<Name extends ActivityName>(
    name: Name,
    behaviour: (input: Parameters<AllActivities[Name]>[0]) => Promise<unknown>,
  ): void {
    this.#behaviours.set(name, behaviour);
  }

  /** What an activity does now. */
  behaviourOf(name: ActivityName): (input: unknown) => Promise<unknown> {
    const behaviour = this.#behaviours.get(name) ?? ((input) => this.#usual(name, input));
    return (input) => behaviour(input as never);
  }

  /** Lets the next `times` attempts of an activity fail with a type; then it succeeds again. */
  fail(name: ActivityName, type: FailureType, times = Infinity): void {
    let left = times;
    this.when(name, async (input) => {
      if (left <= 0) return this.#usual(name, input);
      left -= 1;
      throw ApplicationFailure.create({ type, message: `${name} said no.` });
    });
  }

  /**
   * The same for one that runs beside others, which are in the middle of their work then and go on until they are cancelled: the
   * time-skipping server cannot cancel what is just starting or ending.
   */
  failBeside(
    name: ActivityName,
    others: ActivityName | ActivityName[],
    type: FailureType,
    times = Infinity,
  ): void {
    this.fail(name, type, times);
    const all = [others].flat();
    const rounds = (called: ActivityName) => this.calls.filter((call) => call === called).length;
    const answer = this.behaviourOf(name);
    this.when(name, async (input) => {
      while (all.some((other) => rounds(other) < rounds(name))) await delay(10);
      return answer(input);
    });
    for (const other of all) {
      this.when(other, (input) =>
        rounds(other) <= times ? untilCancelled() : this.#usual(other, input),
      );
    }
  }

  /** Lets an activity wait until the returned function is called. */
  hold(name: ActivityName): () => void {
    const gate = Promise.withResolvers<void>();
    this.when(name, async (input) => {
      await gate.promise;
      return this.#usual(name, input);
    });
    return () => gate.resolve();
  }

  /** Lets an activity beat until it is cancelled, as long work does. */
  workUntilCancelled(name: ActivityName): void {
    this.when(name, untilCancelled);
  }

  async untilCalled(name: ActivityName): Promise<void> {
    await expect.poll(() => this.calls.includes(name)).toBe(true);
  }

  async run(name: ActivityName, input: unknown): Promise<unknown> {
    this.calls.push(name);
    this.inputs.push({ name, input });
    if (name === 'notify') {
      this.notifications.push((input as { notification: Notification }).notification);
    }
    const behaviour = this.#behaviours.get(name);
    return behaviour === undefined ? this.#usual(name, input) : behaviour(input as never);
  }

  plan(operation: string): DigestedPlan {
    const plan: Plan = {
      schema: 1,
      site: this.site.name,
      operation,
      siteDigest: 'sha256:site',
      changes: this.changes ?? usualChanges[operation] ?? [],
      observations: this.observations,
      findings: this.findings,
    };
    return { plan, digest: digestOf(plan) };
  }

  async #usual(name: ActivityName, input: unknown): Promise<unknown> {
    switch (name) {
      case 'loadSite':
        return { site: this.site, digest: 'sha256:site' };
      case 'planPrerequisites':
        return this.plan('prerequisites');
      case 'planHybridStorage':
        return this.plan('hybridStorage');
      case 'detectDrift':
        return [];
      case 'measureBaseline':
        return visitorReport(100);
      case 'watchVisitors':
        return watch(input as { seen: WatchedVisitors | null });
      case 'planRollback':
        return this.plan('rollback');
      case 'notify':
        return undefined;
      default: {
        const known = this.recovery.answer(name, input);
        if (known !== undefined) return known;
        return name.startsWith('verify') ? [criterion(`${name}-holds`)] : { did: name };
      }
    }
  }
}

export function visitorReport(requests: number): VisitorReport {
  const at = '2026-11-23T18:00:00.000Z';
  return { requests, failed: 0, p95Ms: 80, from: at, to: at, failures: [] };
}

export function watchedVisitors(requests: number): WatchedVisitors {
  return { ...visitorReport(requests), histogram: { '90': requests } };
}

async function untilCancelled(): Promise<never> {
  const beat = setInterval(() => heartbeat(), 20);
  try {
    return await Context.current().cancelled;
  } finally {
    clearInterval(beat);
  }
}

/** Counts on until it is cancelled or its worker ends, and then reports. */
async function watch({ seen }: { seen: WatchedVisitors | null }): Promise<WatchedVisitors> {
  let requests = seen?.requests ?? 0;
  const beat = setInterval(() => heartbeat(watchedVisitors((requests += 1))), 20);
  try {
    return await Context.current().cancelled;
  } catch {
    return watchedVisitors(requests);
  } finally {
    clearInterval(beat);
  }
}

export const activityNames = Object.keys(activityProfiles) as ActivityName[];
