import type { Client } from '@temporalio/client';
import { failures, type FailureType } from '../../domain/failures.ts';
import type { OperationReport, PhaseOperation, RoadmapInput } from '../../domain/operation.ts';
import { asJson, speaker, withClient, type CommandContext, type OpenGate } from '../context.ts';
import { decisionText, gateText, sendDecision } from '../deciding.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { follow, type Followed, type Waiting } from '../follow.ts';
import {
  AlreadyRunningError,
  getStatus,
  startMigration,
  startOperation,
  type Ending,
  type Started,
} from '../operations.ts';
import { renderCriteria, renderStatus } from '../render/status.ts';
import { indent, printable } from '../terminal.ts';

export interface RunOptions {
  from?: number;
  to?: number;
  as?: string;
  requestedBy?: string;
  onFailure?: 'ask' | 'compensate';
  wait?: boolean;
  yes?: boolean;
  detach?: boolean;
  json?: boolean;
}

/** `presslift migrate <site>`: starts the roadmap and follows it as far as the options say. */
export function migrateCommand(
  context: CommandContext,
  site: string,
  options: RunOptions,
): Promise<ExitName> {
  const input: RoadmapInput = { ...inputOf(context, site, options) };
  if (options.from !== undefined) input.from = options.from;
  if (options.to !== undefined) input.to = options.to;
  return run(context, options, (client) => startMigration(client, input));
}

/** `presslift run <site> <operation>`: the same for one operation alone. */
export function runCommand(
  context: CommandContext,
  site: string,
  operation: PhaseOperation,
  options: RunOptions,
): Promise<ExitName> {
  const input = inputOf(context, site, options);
  return run(context, options, (client) => startOperation(client, operation, input));
}

function inputOf(context: CommandContext, site: string, options: RunOptions) {
  return {
    site,
    requestedBy: options.requestedBy ?? speaker(context, undefined),
    ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
  };
}

async function run(
  context: CommandContext,
  options: RunOptions,
  start: (client: Client) => Promise<Started>,
): Promise<ExitName> {
  const { terminal } = context;
  const json = options.json === true;
  const say = (line: string) => (json ? terminal.note(line) : terminal.out(line));
  const approver = speaker(context, options.as);
  return withClient<ExitName>(context, async (client) => {
    const started = await start(client).catch((error: unknown) => {
      throw error instanceof AlreadyRunningError ? conflict(error) : (error as Error);
    });
    say(`started ${started.workflowId} (run ${started.runId})`);
    if (options.detach === true) {
      if (json) terminal.out(asJson(started));
      else say(`\`presslift status ${started.workflowId} --watch\` shows it`);
      return 'done';
    }
    if (options.yes === true) {
      say(`--yes: every gate is approved by itself as ${approver}, without being looked at`);
    }
    const answer = answerer(context, client, approver, options, say);
    const patient = options.wait === true || options.yes === true;
    const followed = await follow(client, started, { patient, say, onWaiting: answer });
    if (json) terminal.out(asJson(result(started, followed)));
    return conclude(context, started, followed, json);
  });
}

function conflict({ workflowId }: AlreadyRunningError): CommandError {
  return new CommandError(
    'alreadyRunning',
    `${workflowId} runs already. \`presslift status ${workflowId}\` shows where it is, \`presslift abort ${workflowId}\` ends it.`,
  );
}

/** What is done when a person is waited for: approve by itself, ask here, wait, or stop. */
function answerer(
  context: CommandContext,
  client: Client,
  approver: string,
  options: RunOptions,
  say: (line: string) => void,
) {
  const answered = new Set<string>();
  return async ({ gates, stopped }: Waiting): Promise<'stop' | 'go on'> => {
    for (const open of gates) {
      const key = `${open.status.runId}/${open.gate.id}/${open.gate.openedAt}`;
      if (answered.has(key)) continue;
      answered.add(key);
      if (options.yes === true) {
        const made = await sendDecision(client, open, { approver, decision: 'approve' });
        say(decisionText(open.status.workflowId, made));
      } else if (options.wait === true && context.terminal.interactive) {
        await askHere(context, client, open, approver);
      } else if (options.wait !== true) {
        return 'stop';
      }
    }
    // Nobody is there to answer an operator question where gates are approved by themselves.
    return stopped.length > 0 && options.wait !== true ? 'stop' : 'go on';
  };
}

/** Shows the plan and asks; the question goes away when the gate is decided elsewhere. */
async function askHere(
  { terminal }: CommandContext,
  client: Client,
  open: OpenGate,
  approver: string,
): Promise<void> {
  terminal.note(`\n${await gateText(client, open, terminal.paint)}`);
  const elsewhere = new AbortController();
  const { workflowId, runId } = open.status;
  const watch = setInterval(() => {
    getStatus(client, workflowId, runId).then(
      ({ gates }) => {
        const now = gates.find(({ openedAt }) => openedAt === open.gate.openedAt);
        if (now?.state !== 'open') elsewhere.abort();
      },
      // Without an answer the question stays.
      () => undefined,
    );
  }, 2_000);
  try {
    for (;;) {
      const question = `\nType "yes" to approve this as ${approver}, "no" to reject it: `;
      const answer = (await terminal.ask(question, elsewhere.signal))?.trim().toLowerCase();
      if (answer === undefined) {
        terminal.note(elsewhere.signal.aborted ? '\ndecided elsewhere' : '\nnot decided here');
        return;
      }
      if (answer !== 'yes' && answer !== 'no') continue;
      const decision = answer === 'yes' ? 'approve' : 'reject';
      const made = await sendDecision(client, open, { approver, decision });
      terminal.note(decisionText(workflowId, made));
      return;
    }
  } catch (error) {
    if (!(error instanceof CommandError) || error.exit !== 'refused') throw error;
    // Somebody else may still decide, so the operation is followed further.
    terminal.note(error.message);
  } finally {
    clearInterval(watch);
  }
}

function result(started: Started, { ending, statuses }: Followed) {
  return {
    ...started,
    outcome: ending === null ? 'waiting' : (ending.report?.outcome ?? 'failed'),
    report: ending?.report ?? null,
    failure: ending?.failure ?? null,
    statuses,
  };
}

const reportsOf = (report: OperationReport): OperationReport[] =>
  'phases' in report ? (report.phases as OperationReport[]) : [report];

/** Advice for a failure type of the table; nothing for another one. */
export function adviceFor(type: string | null): string {
  return type !== null && Object.hasOwn(failures, type)
    ? ` ${failures[type as FailureType].advice}`
    : '';
}

/** Says how it ended and returns the exit for it. */
function conclude(
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
  { report, failure }: Ending,
  say: (text: string) => void,
  paint: CommandContext['terminal']['paint'],
): ExitName {
  if (report === null) {
    const type = failure.type === null ? '' : `${failure.type}: `;
    const message = printable(failure.message);
    say(`${workflowId} ${paint('red', 'failed')}: ${type}${message}${adviceFor(failure.type)}`);
    return 'failed';
  }
  const reports = reportsOf(report);
  for (const { operation, criteria, alreadyThere } of reports) {
    if (criteria.length === 0) continue;
    const remark = alreadyThere ? ' (nothing had to be changed)' : '';
    say(`\nCriteria of ${operation}${remark}\n${indent(renderCriteria(criteria, paint), 2)}`);
  }
  const failed = reports.flatMap(({ criteria }) => criteria.filter(({ pass }) => !pass));
  const good = report.outcome === 'done' || report.outcome === 'planned';
  say(
    `\n${workflowId} ended: ${paint(good && failed.length === 0 ? 'green' : 'red', report.outcome)}`,
  );
  if (report.outcome === 'rejected' || report.outcome === 'expired') return 'refused';
  return good && failed.length === 0 ? 'done' : 'failed';
}
