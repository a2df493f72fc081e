import type { Reconciled, ScheduleView } from '../schedules.ts';
import type { FactChange } from '../schedule-facts.ts';
import { indent, printable, type Paint, type Style } from '../terminal.ts';
import { timeText } from './time.ts';

const changeText = ({ what, from, to }: FactChange) => `${what}: ${from} → ${to}`;

const didStyle: Record<Reconciled['did'], Style> = {
  created: 'green',
  updated: 'yellow',
  unchanged: 'dim',
  deleted: 'red',
  'left out': 'yellow',
};

/** What `apply` did, one schedule a paragraph. */
export function renderReconciled(done: Reconciled[], paint: Paint): string {
  return done
    .map(({ id, did, changes, why, paused }) =>
      [
        `${id} ${paint(didStyle[did], did)}${why === null ? '' : `: ${why}`}`,
        ...changes.map((change) => `  ${printable(changeText(change))}`),
        ...(paused ? [`  ${paint('yellow', 'it is paused')}, and stays so`] : []),
      ].join('\n'),
    )
    .join('\n');
}

/** The schedules of a site as Temporal has them. */
export function renderSchedules(site: string, views: ScheduleView[], paint: Paint): string {
  return views.map((view) => renderView(site, view, paint)).join('\n\n');
}

function renderView(site: string, view: ScheduleView, paint: Paint): string {
  const { id, exists, leftOut, paused, note, next, recent, running, differences } = view;
  const head = paint('bold', id);
  if (!exists) {
    const why = leftOut ?? `not made yet; \`presslift schedules ${site} apply\` makes it`;
    return `${head} ${paint('yellow', 'is not there')}: ${why}`;
  }
  const because = note === null ? '' : ` (${printable(note)})`;
  const lines = [
    ...(paused ? [`${paint('yellow', 'paused')}${because}`] : []),
    ...(paused || next.length === 0 ? [] : [`next ${next.map((at) => timeText(at)).join(', ')}`]),
    ...running.map((workflowId) => `runs now: ${printable(workflowId)}`),
    ...recent
      .slice(-3)
      .toReversed()
      .map(({ at, workflowId }) => `started ${timeText(at)} ${printable(workflowId)}`),
    ...(view.missed > 0 ? [`${view.missed} missed while Temporal was away`] : []),
    ...(view.skipped > 0 ? [`${view.skipped} left out because one ran still`] : []),
    ...(leftOut === null ? [] : [paint('yellow', `the site file wants none: ${leftOut}`)]),
    ...(differences.length === 0
      ? []
      : [
          paint('yellow', 'not as the site file wants it; `apply` changes'),
          indent(differences.map((change) => printable(changeText(change))).join('\n'), 2),
        ]),
  ];
  return `${head} ${view.cron ?? ''} ${view.timeZone ?? ''}\n${indent(lines.join('\n'), 2)}`;
}
