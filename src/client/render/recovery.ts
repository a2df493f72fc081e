import type { OperationStatus } from '../../domain/operation.ts';
import type {
  RecoveryPoint,
  RecoveryPointState,
  RecoveryPointSummary,
  DrillReport,
} from '../../domain/recovery/point.ts';
import { indent, printable, type Paint } from '../terminal.ts';
import { renderDrill } from './drill.ts';
import { countText, sizeText } from './size.ts';
import { renderTable } from './table.ts';
import { elapsed, timeText } from './time.ts';

/** The newest backup, drill and rollback of a site, one line each. */
export function renderRecovery(statuses: OperationStatus[], paint: Paint): string {
  const rows = statuses.map((status) => {
    const failed = status.criteria.filter(({ pass }) => !pass).length;
    return [
      status.operation,
      status.state,
      timeText(status.startedAt),
      status.workflowId,
      failed > 0
        ? `${failed} of ${status.criteria.length} criteria not met`
        : status.recoveryPoint === null
          ? ''
          : `recovery point ${status.recoveryPoint.id}`,
    ];
  });
  return `${paint('bold', 'Recovery, newest of each')}\n${indent(renderTable(rows), 2)}`;
}

/** The same for a person who has just changed it. */
export const renderState = (state: RecoveryPointState) =>
  printable(stateText(state) || 'nothing is known of it; it may be removed when its time has come');

/** What became known of a point: `pinned by alice (before the sale); proved 2026-… in 12 s`. */
function stateText({ pinned, bad, proved }: RecoveryPointState): string {
  const why = (reason: string | null) => (reason === null ? '' : ` (${reason})`);
  return [
    ...(bad === null ? [] : [`BAD since ${timeText(bad.at)}: ${bad.findings.join('; ')}`]),
    ...(pinned === null ? [] : [`pinned by ${pinned.by}${why(pinned.reason)}`]),
    ...(proved === null ? [] : [`restored in ${elapsed(proved.rtoMs)} on ${timeText(proved.at)}`]),
  ].join('; ');
}

const orUnknown = (value: number | null, text: (known: number) => string) =>
  value === null ? '-' : text(value);

/** All recovery points of a site, newest first, as a table. */
export function renderPoints(points: RecoveryPointSummary[], now: Date, paint: Paint): string {
  if (points.length === 0) {
    return 'There is no recovery point. `presslift backup <site>` takes one.';
  }
  const header = ['id', 'age', 'why', 'files', 'size', 'tables', 'rows', 'state'];
  const rows = points.map((point) => [
    point.id,
    elapsed(now.getTime() - new Date(point.takenAt).getTime()),
    point.reason,
    orUnknown(point.files, countText),
    orUnknown(point.bytes, sizeText),
    orUnknown(point.tables, countText),
    orUnknown(point.rows, countText),
    [
      ...(point.error === null ? [] : [`NOT USABLE: ${point.error}`]),
      stateText(point.state),
      ...point.missing.map((what) => `does not hold: ${what}`),
    ]
      .filter((part) => part !== '')
      .join('; '),
  ]);
  const [first = '', ...others] = renderTable([header, ...rows]).split('\n');
  const coloured = others.map((line, index) => {
    const point = points[index];
    return point !== undefined && (point.error !== null || point.state.bad !== null)
      ? paint('red', line)
      : line;
  });
  return [paint('bold', first), ...coloured].join('\n');
}

/** One recovery point: what it holds, where, what it does not hold, what became known of it. */
export function renderPoint(
  {
    point,
    state,
    drills,
  }: {
    point: RecoveryPoint;
    state: RecoveryPointState;
    drills: DrillReport[];
  },
  paint: Paint,
): string {
  const { wordpress, files, database, app, cdn, objectStorage, sentinel } = point;
  const rows: string[][] = [
    ['taken', `${timeText(point.takenAt)} by ${point.operationId} (${point.reason})`],
    ...(wordpress === null
      ? []
      : [
          [
            'wordpress',
            `${wordpress.version}, ${wordpress.plugins.length} plugins (${wordpress.plugins.filter(({ active }) => active).length} active), PHP ${wordpress.php}`,
          ],
        ]),
    ...(files === null
      ? []
      : [
          [
            'files',
            `${countText(files.files)}, ${sizeText(files.bytes)}, of ${files.volumes.map(({ claim }) => claim).join(', ')}`,
          ],
          ['', `restic snapshot ${files.snapshotId} in ${files.repository}`],
          ...files.localSnapshots.map(({ claim, kind, name }) => [
            '',
            name === null
              ? `${claim}: no snapshot of the volume`
              : `${claim}: ${kind} snapshot ${name}`,
          ]),
        ]),
    ...(database === null
      ? []
      : [
          [
            'database',
            `${database.manifest.tables.length} tables, ${countText(database.manifest.tables.reduce((sum, { rows: count }) => sum + count, 0))} rows, dump of ${sizeText(database.bytes)}`,
          ],
          ['', `restic snapshot ${database.snapshotId} in ${database.repository}`],
          ...(database.gtid === null ? [] : [['', `binary log ${database.gtid}`]]),
          ...(database.managedBackups.length === 0
            ? []
            : [
                [
                  '',
                  `${database.managedBackups.length} backups at the provider, newest ${timeText(database.managedBackups[0] ?? '')}`,
                ],
              ]),
        ]),
    ...(app === null
      ? []
      : [
          ['app', `${app.deployment}, ${app.replicas} replicas`],
          ...Object.entries(app.images).map(([container, image]) => ['', `${container}: ${image}`]),
        ]),
    ...(cdn === null
      ? []
      : cdn.rulesets.map(({ phase, version, rules }, index) => [
          index === 0 ? 'cdn' : '',
          `${phase} version ${version}, ${rules} rules`,
        ])),
    ...(objectStorage === null
      ? []
      : [
          [
            'bucket',
            `${objectStorage.bucket}, ${objectStorage.versioning ? `versions as of ${timeText(objectStorage.asOf)}` : 'without versions'}`,
          ],
        ]),
    ...(sentinel === null ? [] : [['sentinel', `written ${timeText(sentinel.writtenAt)}`]]),
    ...point.missing.map((what, index) => [index === 0 ? 'not in it' : '', what]),
  ];
  const known = stateText(state);
  const newest = drills.at(-1);
  return [
    paint('bold', printable(point.id)),
    indent(renderTable(rows), 2),
    ...(known === '' ? [] : [`  ${paint(state.bad === null ? 'green' : 'red', printable(known))}`]),
    ...(newest === undefined ? [] : ['', renderDrill(newest, paint)]),
  ].join('\n');
}
