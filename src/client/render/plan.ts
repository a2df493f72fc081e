import { structuredPatch } from 'diff';
import { stringify } from 'yaml';
import type { Json } from '../../domain/json.ts';
import type { Change, DigestedPlan, Finding, Risk } from '../../domain/plan.ts';
import { indent, printable, type Paint, type Style } from '../terminal.ts';

const riskStyle: Record<Risk, Style> = { low: 'green', medium: 'yellow', high: 'red' };

const levelStyle: Record<Finding['level'], Style> = {
  info: 'dim',
  warning: 'yellow',
  error: 'red',
};

/** A value as YAML with sorted keys, so that only what differs shows in a diff; nothing for null. */
function asYaml(value: Json): string {
  if (value === null) return '';
  return stringify(value, { sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false });
}

/** Lines of a hunk as unified diffs write them: an empty side begins at the line before it. */
const range = (start: number, lines: number) => `${lines === 0 ? start - 1 : start},${lines}`;

/** What a change does to its target, as a unified diff of YAML without header. */
export function renderDiff(before: Json, after: Json, paint: Paint): string {
  const { hunks } = structuredPatch('', '', asYaml(before), asYaml(after), '', '', { context: 3 });
  if (hunks.length === 0) return paint('dim', '(no difference)');
  const lines = hunks.flatMap((hunk) => [
    paint(
      'cyan',
      `@@ -${range(hunk.oldStart, hunk.oldLines)} +${range(hunk.newStart, hunk.newLines)} @@`,
    ),
    ...hunk.lines
      .filter((line) => !line.startsWith('\\'))
      .map((line) => {
        const shown = printable(line);
        if (line.startsWith('+')) return paint('green', shown);
        return line.startsWith('-') ? paint('red', shown) : shown;
      }),
  ]);
  return lines.join('\n');
}

function renderChange(change: Change, number: number, paint: Paint): string {
  const { title, target, before, after, risk, riskReason, undo } = change;
  const what = before === null ? 'create' : after === null ? 'delete' : 'change';
  const back = undo.possible
    ? `undo: ${printable(undo.how)}`
    : paint('red', `cannot be undone: ${printable(undo.why)}`);
  const head = [
    `${what} ${printable(target)}`,
    `risk ${paint(riskStyle[risk], risk)}: ${printable(riskReason)}`,
    back,
    renderDiff(before, after, paint),
  ];
  return `${paint('bold', `${number}. ${printable(title)}`)}\n${indent(head.join('\n'), 3)}`;
}

/** Sentences in what a finding has seen: a list of them, or lists under names. Numbers and mere names are in its message. */
function sentencesOf(evidence: Json): string[] {
  const lists: Json[][] = Array.isArray(evidence)
    ? [evidence]
    : typeof evidence === 'object' && evidence !== null
      ? Object.values(evidence).filter((value) => Array.isArray(value))
      : [];
  return lists
    .flat()
    .filter((item) => typeof item === 'string')
    .filter((item) => item.includes(' '));
}

const MOST_SENTENCES = 20;

export function renderFinding({ level, message, advice, evidence }: Finding, paint: Paint): string {
  const sentences = sentencesOf(evidence);
  const more = sentences.length - MOST_SENTENCES;
  return [
    `${paint(levelStyle[level], `${level}:`)} ${printable(message)}`,
    ...sentences.slice(0, MOST_SENTENCES).map((sentence) => `  - ${printable(sentence)}`),
    ...(more > 0 ? [`  - and ${more} more`] : []),
    ...(advice === null ? [] : [indent(printable(advice), 2)]),
  ].join('\n');
}

/** A whole plan as a person reads it at a gate. */
export function renderPlan({ plan, digest }: DigestedPlan, paint: Paint): string {
  const { changes, findings } = plan;
  const count = changes.length === 1 ? '1 change' : `${changes.length || 'no'} changes`;
  return [
    `${paint('bold', `${plan.operation} of ${plan.site}`)}: ${count}\ndigest ${digest}`,
    ...(findings.length === 0
      ? []
      : [findings.map((finding) => renderFinding(finding, paint)).join('\n')]),
    ...changes.map((change, index) => renderChange(change, index + 1, paint)),
  ].join('\n\n');
}
