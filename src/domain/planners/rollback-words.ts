import { takenByRollback, type RecoveryPointReason } from '../recovery/point.ts';
import type { Losses, RollbackFacts } from './rollback-facts.ts';
import type { RollbackSituation } from './rollback-situation.ts';

/** `12.3 s` or `4 min 10 s`. */
export function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** `3 days`, `5 h` or `12 min`, rounded down. */
export function age(from: string, to: string): string {
  const minutes = Math.max(0, Math.floor((Date.parse(to) - Date.parse(from)) / 60_000));
  if (minutes < 60) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}

const takenFor: Record<RecoveryPointReason, string> = {
  scheduled: 'by the schedule',
  manual: 'by hand',
  drill: 'for a drill',
  'before-change': 'before an operation changed the site',
};

/** Which point goes back, how old it is, who took it, and whether a drill proved it. */
export function pointSentence({ facts }: RollbackSituation): string | null {
  const { point, state, observedAt } = facts;
  if (point === null) return null;
  const by = takenByRollback(point)
    ? `by the rollback ${point.operationId}, of what it was about to change`
    : takenFor[point.reason];
  const proved = state?.proved ?? null;
  return [
    `The recovery point ${point.id} was taken ${age(point.takenAt, observedAt)} ago (${point.takenAt}) ${by}.`,
    proved === null
      ? 'No drill has proved it.'
      : `A drill proved it on ${proved.at} (${proved.drill}).`,
  ].join(' ');
}

/** One sentence with every count; what is nought is not named. */
export function lossSentence(losses: Losses): string {
  const { since, posts, orders, comments, users, uncounted } = losses;
  const parts = [
    counted(orders.made, 'order'),
    orders.changed > 0 ? `changes of ${counted(orders.changed, 'order') ?? ''}` : null,
    ...Object.entries(posts).flatMap(([type, { made, changed }]) => [
      made > 0 ? `${made} of type ${type}` : null,
      changed > 0 ? `changes of ${changed} of type ${type}` : null,
    ]),
    counted(comments, 'comment'),
    counted(users, 'user'),
  ].filter((part) => part !== null);
  if (uncounted.length > 0) {
    const some = parts.length === 0 ? '' : ` What was counted: ${parts.join(', ')}.`;
    return `What was made or changed since ${since} could not be counted as a whole, because there is no table ${uncounted.join(', ')}.${some}`;
  }
  return parts.length === 0
    ? `Nothing that is counted (orders, posts, comments, users) was made or changed since ${since}.`
    : `Lost to the site, made or changed since ${since}: ${parts.join(', ')}.`;
}

function counted(count: number, word: string): string | null {
  return count === 0 ? null : `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** A point holds the ConfigMap of phase 1 alone, and names those that its pods read besides. */
function configMapsThatStay({ point, app }: RollbackFacts): string[] {
  const held = app.objects?.configMap?.metadata?.name;
  const stay = (point?.app?.configMaps ?? []).filter((name) => name !== held);
  return stay.length === 0
    ? []
    : [
        `ConfigMaps that the pods read stay as they are now: ${stay.join(', ')}. A pod that does not start because of one needs that mended by hand.`,
      ];
}

/** What a rollback of these layers leaves as it is, as sentences. */
export function notComingBack({ facts, layers, request, site }: RollbackSituation): string[] {
  const { point } = facts;
  const database = layers.includes('database');
  const managed = site.database.managed !== undefined;
  return [
    ...(database
      ? [
          'Mails that were sent, payments that were taken and what other services were told since then stay as they are.',
          ...(request.databaseTime === undefined
            ? []
            : [
                'The old database cluster goes on costing money until it is deleted at the provider.',
              ]),
        ]
      : [
          'Posts, orders, settings and everything else in the database stay as they are now.',
          ...(managed ? ['The database alone can go back to a second with --database-time.'] : []),
        ]),
    'Uploaded media stay as they are; what was deleted there is in the recovery point and at the bucket, and is not put back.',
    ...(layers.includes('plugins-themes')
      ? [
          'Changes to plugins and themes since then are in the kept trees; must-use plugins and drop-ins are not touched.',
        ]
      : []),
    ...(layers.includes('app')
      ? ['Values of Secrets stay as they are now.', ...configMapsThatStay(facts)]
      : []),
    ...(point?.missing ?? []).map((sentence) => `The point does not hold: ${sentence}`),
  ];
}
