import {
  type CalendarSpec,
  type CalendarSpecDescription,
  type ScheduleDescription,
  type ScheduleSpec,
} from '@temporalio/client';
import { canonicalJson } from '../domain/json.ts';
import { searchAttributes } from '../domain/search-attributes.ts';
import { cronText, parseCron } from '../domain/site/cron.ts';
import type { WantedSchedule } from './schedules.ts';

const months = [
  'JANUARY',
  'FEBRUARY',
  'MARCH',
  'APRIL',
  'MAY',
  'JUNE',
  'JULY',
  'AUGUST',
  'SEPTEMBER',
  'OCTOBER',
  'NOVEMBER',
  'DECEMBER',
] as const;

const days = [
  'SUNDAY',
  'MONDAY',
  'TUESDAY',
  'WEDNESDAY',
  'THURSDAY',
  'FRIDAY',
  'SATURDAY',
] as const;

/**
 * The times of a cron expression as Temporal's calendar. Written out rather than handed over as text: the server would
 * turn a text into a calendar of its own, and nobody could tell later whether both mean the same.
 */
export function calendarOf(cron: string): CalendarSpec {
  const times = parseCron(cron);
  return {
    minute: times.minutes,
    hour: times.hours,
    dayOfMonth: times.daysOfMonth,
    month: times.months.map((month) => months[month - 1] ?? 'JANUARY'),
    dayOfWeek: times.daysOfWeek.map((day) => days[day] ?? 'SUNDAY'),
    comment: cron,
  };
}

interface Range<Unit> {
  start: Unit;
  end: Unit;
  step: number;
}

const numbersOf = (ranges: Range<number>[]) =>
  ranges.flatMap(({ start, end, step }) =>
    Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, n) => start + n * step),
  );

/** A calendar of the server as a cron expression, with what such an expression cannot say behind it. */
function calendarText(calendar: CalendarSpecDescription): string {
  const { second, minute, hour, dayOfMonth, month, dayOfWeek, year } = calendar;
  const indexed = <Name extends string>(names: readonly Name[], ranges: Range<Name>[]) =>
    numbersOf(
      ranges.map(({ start, end, step }) => ({
        start: names.indexOf(start),
        end: names.indexOf(end),
        step,
      })),
    );
  const text = cronText({
    minutes: numbersOf(minute),
    hours: numbersOf(hour),
    daysOfMonth: numbersOf(dayOfMonth),
    months: indexed(months, month).map((index) => index + 1),
    daysOfWeek: indexed(days, dayOfWeek),
  });
  const seconds = numbersOf(second);
  const more = [
    ...(seconds.length === 1 && seconds[0] === 0 ? [] : [`seconds ${seconds.join(',')}`]),
    ...(year.length === 0 ? [] : [`years ${numbersOf(year).join(',')}`]),
  ];
  return [text, ...more].join(' ');
}

/** What matters of a schedule, each as one text under the name that a person reads. */
export type ScheduleFacts = Record<string, string>;

const seconds = (ms: number) => `${ms / 1_000} s`;

/** The facts that a schedule should have. */
export function wantedFacts(wanted: WantedSchedule): ScheduleFacts {
  return {
    times: cronText(parseCron(wanted.cron)),
    'other times': 'none',
    'time zone': wanted.timeZone,
    jitter: seconds(wanted.jitterMs),
    overlap: wanted.overlap,
    'catch-up window': seconds(wanted.catchUpMs),
    'pause on failure': 'no',
    limit: 'none',
    workflow: wanted.workflowType,
    'workflow id': wanted.workflowId,
    'task queue': wanted.taskQueue,
    input: canonicalJson([wanted.input]),
    'search attributes': attributesText(wanted.site, wanted.workflowType),
    timeouts: 'none',
  };
}

/** The facts of a schedule as Temporal has it. */
export function foundFacts({
  spec,
  policies,
  action,
  state,
  typedSearchAttributes,
}: ScheduleDescription): ScheduleFacts {
  return {
    times: (spec.calendars ?? []).map((calendar) => calendarText(calendar)).join(' and '),
    'other times': otherTimes(spec),
    'time zone': spec.timezone === undefined || spec.timezone === '' ? 'UTC' : spec.timezone,
    jitter: seconds(spec.jitter ?? 0),
    overlap: policies.overlap ?? 'SKIP',
    'catch-up window': seconds(policies.catchupWindow),
    'pause on failure': policies.pauseOnFailure ? 'yes' : 'no',
    limit: state.remainingActions === undefined ? 'none' : `${state.remainingActions} left`,
    workflow: action.workflowType,
    'workflow id': action.workflowId ?? '',
    'task queue': action.taskQueue,
    input: canonicalJson(action.args ?? []),
    'search attributes': attributesText(
      typedSearchAttributes.get(searchAttributes.site) ?? '',
      typedSearchAttributes.get(searchAttributes.operation) ?? '',
    ),
    timeouts: [
      action.workflowExecutionTimeout,
      action.workflowRunTimeout,
      action.retry?.maximumAttempts,
    ].every((value) => value === undefined || value === 0)
      ? 'none'
      : 'some',
  };
}

const attributesText = (site: string, operation: string) => `${site}, ${operation}`;

function otherTimes({
  intervals,
  skip,
  startAt,
  endAt,
}: Pick<ScheduleSpec, 'startAt' | 'endAt'> & { intervals?: unknown[]; skip?: unknown[] }): string {
  const parts = [
    ...((intervals ?? []).length > 0 ? ['intervals'] : []),
    ...((skip ?? []).length > 0 ? ['exceptions'] : []),
    ...(startAt === undefined ? [] : [`from ${startAt.toISOString()}`]),
    ...(endAt === undefined ? [] : [`until ${endAt.toISOString()}`]),
  ];
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** One fact that is not as it should be. */
export interface FactChange {
  what: string;
  from: string;
  to: string;
}

/** What differs, in the order of the wanted facts. */
export function changesBetween(found: ScheduleFacts, wanted: ScheduleFacts): FactChange[] {
  return Object.entries(wanted).flatMap(([what, to]) => {
    const from = found[what] ?? '';
    return from === to ? [] : [{ what, from, to }];
  });
}
