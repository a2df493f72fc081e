import { describeDuration } from '../durations.ts';
import { isUnmeasured } from './drill-criteria.ts';
import { exact, text } from './drill-markdown.ts';
import type { DrillReport } from './point.ts';

/** The report as one HTML page without anything from elsewhere: styles and charts are in it. */
export function drillHtml(report: DrillReport): string {
  const title = `Restore drill of ${report.site}: ${report.pass ? 'passed' : 'failed'}`;
  const failed = report.criteria.filter(({ pass }) => !pass);
  const rows = (lines: string[][]) =>
    lines.map((cells) => `<tr>${cells.map((one) => `<td>${one}</td>`).join('')}</tr>`).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${styles}</style>
</head>
<body>
<h1>${escape(title)}</h1>
<p>Drill <code>${escape(report.drill)}</code> restored recovery point <code>${escape(report.point || 'none')}</code>,
from ${escape(report.startedAt)} to ${escape(report.endedAt)}.</p>
<div class="charts">
${chart('Recovery time (RTO)', report.trend, 'rtoMs', report.targets.rtoMs)}
${chart('Recovery point (RPO)', report.trend, 'rpoMs', report.targets.rpoMs)}
</div>
${
  failed.length === 0
    ? '<p class="pass">Every criterion passed.</p>'
    : `<h2>What is wrong</h2>\n<ul>${failed
        .map(
          (one) =>
            `<li class="${isUnmeasured(one) ? 'unmeasured' : 'fail'}"><strong>${escape(one.id)}</strong>: ${escape(one.title)}.
            <small>${escape(text(one.evidence))}</small></li>`,
        )
        .join('\n')}</ul>`
}
<h2>Criteria</h2>
<table>
<tr><th></th><th>criterion</th><th>measured</th><th>target</th></tr>
${rows(
  report.criteria.map((one) => [
    one.pass ? '<span class="pass">pass</span>' : '<span class="fail">FAIL</span>',
    `${escape(one.title)} <code>${escape(one.id)}</code>`,
    escape(text(one.measured)),
    escape(text(one.target)),
  ]),
)}
</table>
<h2>Stages</h2>
<table>
<tr><th>stage</th><th>began</th><th>took</th><th>counts for RTO</th></tr>
${rows(
  report.stages.map((stage) => [
    escape(stage.title),
    escape(stage.startedAt.slice(11, 19)),
    exact(stage.ms),
    stage.countsForRto ? 'yes' : 'no',
  ]),
)}
</table>
</body>
</html>
`;
}

const size = { width: 460, height: 190, left: 62, right: 12, top: 28, bottom: 34 } as const;

/** Values of the last drills as points on a line, failed ones hollow, with the target as a dashed line. */
export function chart(
  title: string,
  trend: DrillReport['trend'],
  member: 'rtoMs' | 'rpoMs',
  targetMs: number,
): string {
  const values = trend.map((one) => one[member]);
  const highest = Math.max(...values, 1);
  // A target far above everything would press the line flat against the floor.
  const showsTarget = targetMs <= highest * 5;
  const top = (showsTarget ? Math.max(highest, targetMs) : highest) * 1.1;
  const inner = {
    width: size.width - size.left - size.right,
    height: size.height - size.top - size.bottom,
  };
  const x = (at: number) =>
    size.left + (trend.length < 2 ? inner.width / 2 : (at * inner.width) / (trend.length - 1));
  const y = (value: number) => size.top + inner.height * (1 - value / top);
  const points = trend.map((one, at) => ({ ...one, cx: round(x(at)), cy: round(y(one[member])) }));
  const line = points.map(({ cx, cy }) => `${cx},${cy}`).join(' ');
  const label = `${title}: ${values.map(exact).join(', ')}; target ${describeDuration(targetMs)}`;
  const floor = round(y(0));
  return `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escape(label)}">
<text x="${size.left}" y="16" class="title">${escape(title)}, target ${escape(describeDuration(targetMs))}</text>
<line x1="${size.left}" y1="${floor}" x2="${size.width - size.right}" y2="${floor}" class="axis"/>
<text x="${size.left - 6}" y="${round(y(highest)) + 4}" class="value">${escape(exact(highest))}</text>
<text x="${size.left - 6}" y="${floor}" class="value">0</text>
${
  showsTarget
    ? `<line x1="${size.left}" y1="${round(y(targetMs))}" x2="${size.width - size.right}" y2="${round(y(targetMs))}" class="target"/>`
    : ''
}
${points.length > 1 ? `<polyline points="${line}" class="line"/>` : ''}
${points
  .map(
    ({ cx, cy, pass, drill, at, [member]: value }) =>
      `<circle cx="${cx}" cy="${cy}" r="4" class="${pass ? 'good' : 'bad'}"><title>${escape(`${drill}, ${at}: ${exact(value)}, ${pass ? 'passed' : 'failed'}`)}</title></circle>`,
  )
  .join('\n')}
${dates(points.map(({ at, cx }) => ({ at, cx })))}
</svg>`;
}

/** The first and the last day; those between stand in the points' titles. */
function dates(points: { at: string; cx: number }[]): string {
  const shown = points.length > 1 ? [points[0], points.at(-1)] : points;
  return shown
    .map((point, at) => {
      const anchor = points.length === 1 ? 'middle' : at === 0 ? 'start' : 'end';
      return `<text x="${point?.cx ?? 0}" y="${size.height - 12}" class="date" text-anchor="${anchor}">${escape((point?.at ?? '').slice(0, 10))}</text>`;
    })
    .join('\n');
}

const round = (value: number) => Math.round(value * 10) / 10;

function escape(value: string): string {
  return value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const styles = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1d2327; background: #fff; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #dcdcde; vertical-align: top; overflow-wrap: anywhere; }
code { font-size: .9em; background: #f6f7f7; padding: 0 .2em; } small { color: #50575e; }
.pass { color: #00691e; } .fail { color: #b32d2e; font-weight: 600; } .unmeasured { color: #996800; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } svg { flex: 1 1 20rem; border: 1px solid #dcdcde; }
svg text { font: 11px system-ui, sans-serif; fill: #50575e; } svg .title { font-size: 13px; fill: #1d2327; } svg .value { text-anchor: end; }
svg .axis { stroke: #8c8f94; } svg .target { stroke: #b32d2e; stroke-dasharray: 5 4; } svg .line { fill: none; stroke: #2271b1; stroke-width: 2; }
svg .good { fill: #2271b1; } svg .bad { fill: #fff; stroke: #b32d2e; stroke-width: 2; }
`;
