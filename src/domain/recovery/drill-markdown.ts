import type { CriterionResult } from '../criterion.ts';
import { describeDuration } from '../durations.ts';
import type { Json } from '../json.ts';
import { isUnmeasured } from './drill-criteria.ts';
import type { DrillReport } from './point.ts';

/** The report as Markdown: what failed first, then everything with its numbers. */
export function drillMarkdown(report: DrillReport): string {
  const failed = report.criteria.filter(({ pass }) => !pass);
  const seen = failed.filter((criterion) => !isUnmeasured(criterion));
  const unmeasured = failed.filter(isUnmeasured);
  return [
    `# Restore drill of ${report.site}: ${report.pass ? 'passed' : 'failed'}`,
    '',
    `Drill \`${report.drill}\` restored recovery point \`${report.point || 'none'}\`, from ${report.startedAt} to ${report.endedAt}.`,
    '',
    table(
      ['', 'measured', 'target'],
      [
        [
          'Recovery time (RTO)',
          exact(report.rtoMs),
          `at most ${describeDuration(report.targets.rtoMs)}`,
        ],
        [
          'Recovery point (RPO)',
          exact(report.rpoMs),
          `at most ${describeDuration(report.targets.rpoMs)}`,
        ],
        [
          'Criteria passed',
          String(report.criteria.length - failed.length),
          String(report.criteria.length),
        ],
      ],
    ),
    ...(seen.length === 0
      ? []
      : [
          '## What is wrong',
          '',
          ...seen.flatMap((one) => [`- **${one.id}**: ${cell(one.title)}. ${said(one)}`]),
          '',
        ]),
    ...(unmeasured.length === 0
      ? []
      : [
          '## What could not be measured, and so has failed',
          '',
          ...unmeasured.map((one) => `- **${one.id}**: ${cell(text(one.evidence))}`),
          '',
        ]),
    '## Stages',
    '',
    table(
      ['stage', 'began', 'took', 'counts for RTO'],
      report.stages.map(({ title, startedAt, ms, countsForRto }) => [
        title,
        startedAt.slice(11, 19),
        exact(ms),
        countsForRto ? 'yes' : 'no',
      ]),
    ),
    '## Criteria',
    '',
    table(
      ['', 'criterion', 'measured', 'target'],
      report.criteria.map((one) => [
        one.pass ? 'pass' : '**FAIL**',
        `${one.title} (\`${one.id}\`)`,
        text(one.measured),
        text(one.target),
      ]),
    ),
    '## Trend',
    '',
    table(
      ['drill', 'ended', 'outcome', 'RTO', 'RPO'],
      report.trend.map(({ drill, at, pass, rtoMs, rpoMs }) => [
        drill,
        at,
        pass ? 'passed' : 'failed',
        exact(rtoMs),
        exact(rpoMs),
      ]),
    ),
  ].join('\n');
}

function said({ measured, target, evidence }: CriterionResult): string {
  const more = evidence === null ? '' : ` ${cell(text(evidence))}`;
  return `Measured ${cell(text(measured))}, target ${cell(text(target))}.${more}`;
}

/** A value in a sentence or a cell: at most 300 characters. */
export function text(value: Json): string {
  const whole = typeof value === 'string' ? value : JSON.stringify(value);
  return whole.length > 300 ? `${whole.slice(0, 299)}…` : whole;
}

/** Below a minute to a tenth of a second: drills of small sites are compared by them. */
export function exact(ms: number): string {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : describeDuration(ms);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}

/** What comes from outside must not end a cell, begin a line or become markup. */
function cell(value: string): string {
  return value
    .replace(/[\r\n]+/g, ' ')
    .replace(/\|/g, '\\|')
    .replace(/</g, '&lt;');
}
