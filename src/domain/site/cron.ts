/** Numbers that each field of a cron expression allows, ascending. Sunday is 0. */
export interface CronTimes {
  minutes: number[];
  hours: number[];
  daysOfMonth: number[];
  months: number[];
  daysOfWeek: number[];
}

interface Field {
  name: string;
  from: number;
  to: number;
  /** Names that stand for `from`, `from + 1`, … */
  words: string[];
}

const fields = [
  { name: 'minute', from: 0, to: 59, words: [] },
  { name: 'hour', from: 0, to: 23, words: [] },
  { name: 'day of the month', from: 1, to: 31, words: [] },
  {
    name: 'month',
    from: 1,
    to: 12,
    words: 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' '),
  },
  { name: 'day of the week', from: 0, to: 7, words: 'SUN MON TUE WED THU FRI SAT'.split(' ') },
] as const satisfies Field[];

function numberOf(text: string, { name, from, to, words }: Field): number {
  const word = words.indexOf(text.toUpperCase());
  const number = word >= 0 ? from + word : /^\d{1,2}$/.test(text) ? Number(text) : NaN;
  if (number >= from && number <= to) return number;
  throw new RangeError(`the ${name} ${JSON.stringify(text)}, which is not from ${from} to ${to}`);
}

/** The numbers of one item of a list: `*`, `5`, `1-5`, any of them with a step such as `0-59/15`. */
function numbersOf(item: string, field: Field): number[] {
  const [range = '', step, ...more] = item.split('/');
  const [first = '', last, ...others] = range.split('-');
  if (more.length > 0 || others.length > 0 || (step !== undefined && !/^[1-9]\d?$/.test(step))) {
    throw new RangeError(`the ${field.name} ${JSON.stringify(item)}`);
  }
  const from = first === '*' ? field.from : numberOf(first, field);
  // A step after one number goes on to the end of the field.
  const openEnd = first === '*' || step !== undefined ? field.to : from;
  const to = last === undefined ? openEnd : numberOf(last, field);
  if (to < from || (first === '*' && last !== undefined)) {
    throw new RangeError(`the ${field.name} ${JSON.stringify(item)}`);
  }
  const every = Number(step ?? 1);
  return Array.from({ length: Math.floor((to - from) / every) + 1 }, (_, n) => from + n * every);
}

const ascending = (numbers: number[]) => [...new Set(numbers)].sort((a, b) => a - b);

/**
 * The times of a cron expression of five fields: minute, hour, day of the month, month, day of the week.
 *
 * @throws RangeError that says in words what stands there and is not allowed
 */
export function parseCron(expression: string): CronTimes {
  const texts = expression.trim().split(/\s+/);
  if (texts.length !== fields.length) {
    throw new RangeError(`${texts.length} fields`);
  }
  const [minutes = [], hours = [], daysOfMonth = [], months = [], weekdays = []] = fields.map(
    (field, index) =>
      ascending((texts[index] ?? '').split(',').flatMap((item) => numbersOf(item, field))),
  );
  const daysOfWeek = ascending(weekdays.map((day) => day % 7));
  // Some programs start on either of the two days, Temporal only where both hold: a person may mean the one or the other.
  if (daysOfMonth.length < 31 && daysOfWeek.length < 7) {
    throw new RangeError('both a day of the month and a day of the week');
  }
  return { minutes, hours, daysOfMonth, months, daysOfWeek };
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
/** After 28 years every date is on the same day of the week again. */
const CYCLE_DAYS = 28 * 365 + 7;

/** Days of 28 years on which it is time at all. */
function daysOf({ daysOfMonth, months, daysOfWeek }: CronTimes): number[] {
  const start = Date.UTC(2024, 0, 1);
  return Array.from({ length: CYCLE_DAYS }, (_, day) => day).filter((day) => {
    const date = new Date(start + day * DAY_MINUTES * MINUTE_MS);
    return (
      months.includes(date.getUTCMonth() + 1) &&
      daysOfMonth.includes(date.getUTCDate()) &&
      daysOfWeek.includes(date.getUTCDay())
    );
  });
}

/**
 * The shortest and the longest time between two firings, in milliseconds of a clock without summer time; null when it never
 * fires (30 February).
 */
export function cronGaps(times: CronTimes): { shortestMs: number; longestMs: number } | null {
  const days = daysOf(times);
  const inDay = times.hours.flatMap((hour) => times.minutes.map((minute) => hour * 60 + minute));
  const [firstDay] = days;
  const [first] = inDay;
  const last = inDay.at(-1);
  if (firstDay === undefined || first === undefined || last === undefined) return null;
  const within = inDay.slice(1).map((minute, index) => minute - (inDay[index] ?? 0));
  const across = days.map((day, index) => {
    const next = days[index + 1] ?? firstDay + CYCLE_DAYS;
    return (next - day) * DAY_MINUTES + first - last;
  });
  const gaps = [...within, ...across];
  // Not as arguments of Math.min: there may be more than a call can take.
  const shortest = gaps.reduce((a, b) => Math.min(a, b));
  const longest = gaps.reduce((a, b) => Math.max(a, b));
  return { shortestMs: shortest * MINUTE_MS, longestMs: longest * MINUTE_MS };
}

const fieldText = (numbers: number[], all: number) => {
  const sorted = ascending(numbers);
  return sorted.length === all ? '*' : sorted.join(',');
};

/** Times as a cron expression in one form: the same times give the same text, however they were written. */
export function cronText({ minutes, hours, daysOfMonth, months, daysOfWeek }: CronTimes): string {
  return [
    fieldText(minutes, 60),
    fieldText(hours, 24),
    fieldText(daysOfMonth, 31),
    fieldText(months, 12),
    fieldText(daysOfWeek, 7),
  ].join(' ');
}
