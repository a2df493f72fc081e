import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { durationMs } from '../domain/durations.ts';
import { scheduleIds, TASK_QUEUE } from '../domain/identifiers.ts';
import { scheduleNames, type ScheduleName } from '../domain/schedules.ts';
import { searchAttributes } from '../domain/search-attributes.ts';
import type { Site } from '../domain/site/schema.ts';
import {
  calendarOf,
  changesBetween,
  foundFacts,
  wantedFacts,
  type FactChange,
} from './schedule-facts.ts';

const idOf: Record<ScheduleName, (site: string) => string> = {
  backup: scheduleIds.backup,
  drill: scheduleIds.drill,
  'backup-watch': scheduleIds.backupWatch,
};

/** One schedule as the site file wants it. */
export interface WantedSchedule {
  name: ScheduleName;
  id: string;
  site: string;
  /** Five fields. */
  cron: string;
  timeZone: string;
  jitterMs: number;
  overlap: 'SKIP' | 'BUFFER_ONE';
  catchUpMs: number;
  workflowType: string;
  /** Temporal appends `-<time>`. */
  workflowId: string;
  taskQueue: string;
  input: Record<string, string>;
}

/** A schedule that a site does not get, and why. */
export interface LeftOut {
  name: ScheduleName;
  id: string;
  why: string;
}

/**
 * What fits each: one backup that is due while another runs follows it, for the newer copy is what counts; a drill or a look
 * at the age would only repeat itself. After an outage a backup is taken up to an hour late, later it would meet the day's
 * visitors; a drill disturbs nobody; the next look is at most an hour away. Jitter keeps many sites from starting in the
 * same second, and is below the shortest time that the site file allows between two.
 */
const manners = {
  backup: { overlap: 'BUFFER_ONE', catchUp: 'PT1H', jitter: 'PT5M' },
  drill: { overlap: 'SKIP', catchUp: 'PT6H', jitter: 'PT10M' },
  'backup-watch': { overlap: 'SKIP', catchUp: 'PT10M', jitter: 'PT5M' },
} as const;

const EVERY_HOUR = '0 * * * *';

/** The schedules of a site, from its file. Pure. */
export function wantedSchedules(site: Site): { wanted: WantedSchedule[]; leftOut: LeftOut[] } {
  const schedule = (
    name: ScheduleName,
    cron: string,
    workflowType: string,
    input: Record<string, string>,
  ): WantedSchedule => {
    const id = idOf[name](site.name);
    const { overlap, catchUp, jitter } = manners[name];
    return {
      name,
      id,
      site: site.name,
      cron,
      timeZone: site.backup.timeZone,
      jitterMs: durationMs(jitter),
      overlap,
      catchUpMs: durationMs(catchUp),
      workflowType,
      workflowId: `${id}/scheduled`,
      taskQueue: TASK_QUEUE,
      input: { site: site.name, ...input },
    };
  };
  const all = [
    schedule('backup', site.backup.schedule, 'backup', {
      reason: 'scheduled',
      requestedBy: 'schedule',
    }),
    schedule('drill', site.drill.schedule, 'restoreDrill', { requestedBy: 'schedule' }),
    schedule('backup-watch', EVERY_HOUR, 'backupWatch', {}),
  ];
  const reasonAgainst = (name: ScheduleName) => {
    if (site.backup.password === undefined) {
      return 'backup.password is not set, so no copy can leave the cluster';
    }
    return name === 'drill' && site.database.adminCredentials === undefined
      ? 'database.adminCredentials is not set, so a drill has no database to restore into'
      : null;
  };
  const judged = all.map((one) => ({ one, why: reasonAgainst(one.name) }));
  return {
    wanted: judged.flatMap(({ one, why }) => (why === null ? [one] : [])),
    leftOut: judged.flatMap(({ one: { name, id }, why }) =>
      why === null ? [] : [{ name, id, why }],
    ),
  };
}

/** What Temporal is given. */
function optionsOf(wanted: WantedSchedule) {
  const attributes = new TypedSearchAttributes([
    { key: searchAttributes.site, value: wanted.site },
    { key: searchAttributes.operation, value: wanted.workflowType },
  ]);
  return {
    spec: {
      calendars: [calendarOf(wanted.cron)],
      timezone: wanted.timeZone,
      jitter: wanted.jitterMs,
    },
    action: {
      type: 'startWorkflow',
      workflowType: wanted.workflowType,
      workflowId: wanted.workflowId,
      taskQueue: wanted.taskQueue,
      args: [wanted.input],
      typedSearchAttributes: attributes,
      memo: { schedule: wanted.id },
    },
    policies: {
      overlap: wanted.overlap,
      catchupWindow: wanted.catchUpMs,
      // One failed night must not be the end of all backups: people are told, and the next one is tried.
      pauseOnFailure: false,
    },
    typedSearchAttributes: attributes,
  } satisfies Partial<ScheduleOptions>;
}

/** What was done about one schedule. */
export interface Reconciled {
  name: ScheduleName;
  id: string;
  did: 'created' | 'updated' | 'unchanged' | 'deleted' | 'left out';
  changes: FactChange[];
  /** Why it was left out or deleted. */
  why: string | null;
  paused: boolean;
}

/**
 * Makes the schedules in Temporal what the site file wants, and nothing else: what is as it should be is not written, a
 * pause stays a pause. Again and again it ends the same.
 */
export async function applySchedules(client: Client, site: Site): Promise<Reconciled[]> {
  const { wanted, leftOut } = wantedSchedules(site);
  const done: Reconciled[] = [];
  for (const one of wanted) done.push(await reconcile(client, one));
  for (const { name, id, why } of leftOut) {
    const there = (await describeSchedule(client, id)) !== null;
    if (there) await client.schedule.getHandle(id).delete();
    done.push({ name, id, did: there ? 'deleted' : 'left out', changes: [], why, paused: false });
  }
  return done;
}

async function reconcile(client: Client, wanted: WantedSchedule): Promise<Reconciled> {
  const { name, id } = wanted;
  const result = { name, id, changes: [] as FactChange[], why: null, paused: false };
  let found = await describeSchedule(client, id);
  if (found === null) {
    try {
      await client.schedule.create({
        scheduleId: id,
        ...optionsOf(wanted),
        memo: { presslift: `Made from the site file ${wanted.site} by \`presslift schedules\`.` },
      });
      return { ...result, did: 'created' };
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      // Somebody else was quicker; theirs may be another one.
      found = await client.schedule.getHandle(id).describe();
    }
  }
  const changes = changesBetween(foundFacts(found), wantedFacts(wanted));
  const { paused } = found.state;
  if (changes.length === 0) return { ...result, did: 'unchanged', paused };
  await client.schedule.getHandle(id).update(({ state }) => ({
    ...optionsOf(wanted),
    state: { paused: state.paused, ...(state.note === undefined ? {} : { note: state.note }) },
  }));
  return { ...result, did: 'updated', changes, paused };
}

/** A schedule as Temporal has it, or null where there is none of that id. */
export async function describeSchedule(
  client: Client,
  id: string,
): Promise<ScheduleDescription | null> {
  try {
    return await client.schedule.getHandle(id).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}

/** One schedule of a site as a person wants to see it. Times are ISO 8601. */
export interface ScheduleView {
  name: ScheduleName;
  id: string;
  exists: boolean;
  cron: string | null;
  timeZone: string | null;
  paused: boolean;
  /** Why it is paused, or what was said when it went on. */
  note: string | null;
  next: string[];
  /** Newest last. */
  recent: { at: string; workflowId: string; runId: string }[];
  running: string[];
  missed: number;
  skipped: number;
  /** Where it is not as the site file wants it; `apply` changes that. */
  differences: FactChange[];
  /** Why the site gets none. */
  leftOut: string | null;
}

/** The schedules of a site, and where they are not as its file wants them. */
export async function viewSchedules(client: Client, site: Site): Promise<ScheduleView[]> {
  const { wanted, leftOut } = wantedSchedules(site);
  return Promise.all(
    scheduleNames.map(async (name) => {
      const id = idOf[name](site.name);
      const found = await describeSchedule(client, id);
      const mine = wanted.find((one) => one.name === name);
      return {
        name,
        id,
        ...(found === null ? nothing : viewOf(found)),
        differences:
          found === null || mine === undefined
            ? []
            : changesBetween(foundFacts(found), wantedFacts(mine)),
        leftOut: leftOut.find((one) => one.name === name)?.why ?? null,
      };
    }),
  );
}

const nothing = {
  exists: false,
  cron: null,
  timeZone: null,
  paused: false,
  note: null,
  next: [],
  recent: [],
  running: [],
  missed: 0,
  skipped: 0,
};

function viewOf(found: ScheduleDescription) {
  const { state, info } = found;
  const facts = foundFacts(found);
  return {
    exists: true,
    cron: facts.times ?? null,
    timeZone: facts['time zone'] ?? null,
    paused: state.paused,
    note: state.note === undefined || state.note === '' ? null : state.note,
    next: info.nextActionTimes.slice(0, 3).map((time) => time.toISOString()),
    recent: info.recentActions.map(({ takenAt, action }) => ({
      at: takenAt.toISOString(),
      workflowId: action.workflow.workflowId,
      runId: action.workflow.firstExecutionRunId,
    })),
    running: info.runningActions.map(({ workflow }) => workflow.workflowId),
    missed: info.numActionsMissedCatchupWindow,
    skipped: info.numActionsSkippedOverlap,
  };
}

/** The schedules of a site that there are, of those named or of all. */
export async function existingSchedules(
  client: Client,
  site: string,
  name: ScheduleName | undefined,
): Promise<{ name: ScheduleName; id: string; description: ScheduleDescription }[]> {
  const names = name === undefined ? scheduleNames : [name];
  const found = await Promise.all(
    names.map(async (one) => {
      const id = idOf[one](site);
      const description = await describeSchedule(client, id);
      return description === null ? [] : [{ name: one, id, description }];
    }),
  );
  return found.flat();
}
