import { failures, type FailureType } from '../domain/failures.ts';
import type { OperationReport } from '../domain/operation.ts';
import type { RestoreDrillReport } from '../domain/recovery/request.ts';
import { sentences } from '../domain/sentences.ts';
import type { CommandContext } from './context.ts';
import { CommandError } from './errors.ts';
import { exitOfFailure, type ExitName } from './exit-codes.ts';
import type { Followed } from './follow.ts';
import type { Ending, Started } from './operations.ts';
import { renderDrill } from './render/drill.ts';
import { renderCriteria, renderStatus } from './render/status.ts';
import { indent, printable, type Paint } from './terminal.ts';

/** What `--json` prints of an operation that was followed. */
export function resultOf(started: Started, { ending, statuses }: Followed) {
  const report = ending === null ? null : reportOf(ending);
  return {
    ...started,
    outcome: ending === null ? 'waiting' : (report?.outcome ?? 'failed'),
    report,
    failure: ending?.failure
      ? { type: ending.failure.type, message: ending.failure.message }
      : null,
    statuses,
  };
}

const reportOf = ({ report, failure }: Ending) => report ?? failure.report;

const phasesOf = (report: OperationReport): OperationReport[] =>
  'phases' in report ? (report.phases as OperationReport[]) : [report];

/** Advice for a failure type of the table; null for another one. */
export function adviceFor(type: string | null): string | null {
  return type !== null && Object.hasOwn(failures, type)
    ? failures[type as FailureType].advice
    : null;
}

interface WhyFailed {
  type: string | null;
  message: string;
}

/** `NotFound: There is no …. Check the name …` */
export function failureText({ type, message }: WhyFailed): string {
  const advice = adviceFor(type);
  const before = type === null ? '' : `${type}: `;
  return `${before}${advice === null ? printable(message) : sentences(printable(message), advice)}`;
}

/** The error for a workflow that failed, with the exit for its failure's type; `before` says what failed. */
export function failed(before: string, { type, message }: WhyFailed): CommandError {
  const text = `${before}${failureText({ type, message })}`;
  const details = { type, message: printable(message), advice: adviceFor(type) };
  return new CommandError(exitOfFailure(type), text, { details });
}

/** Says how it ended and returns the exit for it. */
export function conclude(
  { terminal }: CommandContext,
  { workflowId }: Started,
  { ending, statuses }: Followed,
  json: boolean,
): ExitName {
  const say = (text: string) => (json ? terminal.note(text) : terminal.out(text));
  if (ending === null) {
    const waiting = statuses.filter(({ state }) =>
      ['waiting-for-approval', 'needs-operator', 'paused'].includes(state),
    );
    for (const status of waiting.length > 0 ? waiting : statuses) {
      say(`\n${renderStatus(status, new Date(), terminal.paint)}`);
    }
    return 'waiting';
  }
  return concludeEnding(workflowId, ending, say, terminal.paint);
}

function concludeEnding(
  workflowId: string,
  ending: Ending,
  say: (text: string) => void,
  paint: Paint,
): ExitName {
  const report = reportOf(ending);
  const reports = report === null ? [] : phasesOf(report);
  for (const one of reports) sayReport(one, say, paint);
  if (ending.failure !== null) {
    say(`\n${workflowId} ${paint('red', 'failed')}: ${failureText(ending.failure)}`);
    return exitOfFailure(ending.failure.type);
  }
  const { outcome } = ending.report;
  const failed = reports.flatMap(({ criteria }) => criteria.filter(({ pass }) => !pass));
  const good = outcome === 'done' || outcome === 'planned';
  say(`\n${workflowId} ended: ${paint(good && failed.length === 0 ? 'green' : 'red', outcome)}`);
  if (outcome === 'rejected' || outcome === 'expired') return 'refused';
  return good && failed.length === 0 ? 'done' : 'failed';
}

function sayReport(report: OperationReport, say: (text: string) => void, paint: Paint): void {
  const { operation, criteria, alreadyThere, recoveryPoint } = report;
  if (recoveryPoint !== null) {
    const missing = recoveryPoint.missing.map(
      (what) => `\n  ${paint('yellow', 'does not hold:')} ${printable(what)}`,
    );
    say(`\nRecovery point ${printable(recoveryPoint.id)}${missing.join('')}`);
  }
  const { drill } = report as Partial<RestoreDrillReport>;
  if (drill) say(`\n${renderDrill(drill, paint)}`);
  else if (criteria.length > 0) {
    const remark = alreadyThere ? ' (nothing had to be changed)' : '';
    say(`\nCriteria of ${operation}${remark}\n${indent(renderCriteria(criteria, paint), 2)}`);
  }
}
