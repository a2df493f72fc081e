import type { DrillReport } from '../../domain/recovery/point.ts';
import { indent, printable, type Paint } from '../terminal.ts';
import { renderCriteria } from './status.ts';
import { renderTable } from './table.ts';
import { elapsed, timeText } from './time.ts';

function objective(what: string, ms: number, targetMs: number, paint: Paint): string {
  const good = ms <= targetMs;
  return `${what} ${paint(good ? 'green' : 'red', elapsed(ms))} (target ${elapsed(targetMs)})`;
}

/** A drill as a person reads it: passed or not, both times against their targets, what took how long, what was not met. */
export function renderDrill(report: DrillReport, paint: Paint): string {
  const { targets, stages, criteria, trend } = report;
  const verdict = report.pass ? paint('green', 'passed') : paint('red', 'failed');
  const failed = criteria.filter(({ pass }) => !pass);
  const met = criteria.length - failed.length;
  return [
    `Drill ${printable(report.drill)} of ${printable(report.point)} ${verdict}, ${timeText(report.endedAt)}`,
    `  ${objective('recovery time', report.rtoMs, targets.rtoMs, paint)}`,
    `  ${objective('age of the copy', report.rpoMs, targets.rpoMs, paint)}`,
    indent(
      renderTable(
        stages.map(({ title, ms, countsForRto }) => [
          title,
          elapsed(ms),
          countsForRto ? '' : 'not part of the recovery time',
        ]),
      ),
      2,
    ),
    `  ${met} of ${criteria.length} criteria met`,
    ...(failed.length === 0 ? [] : [indent(renderCriteria(failed, paint), 2)]),
    ...(trend.length < 2
      ? []
      : [
          '  the last drills',
          indent(
            renderTable(
              trend.map(({ at, pass, rtoMs, rpoMs }) => [
                timeText(at),
                pass ? 'passed' : 'failed',
                `recovery time ${elapsed(rtoMs)}`,
                `age ${elapsed(rpoMs)}`,
              ]),
            ),
            4,
          ),
        ]),
  ]
    .filter((line) => line !== '')
    .join('\n');
}
