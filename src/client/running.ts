import type { Client } from '@temporalio/client';
import { conclude, resultOf } from './concluding.ts';
import { asJson, speaker, withClient, type CommandContext, type OpenGate } from './context.ts';
import { decisionText, gateText, sendDecision } from './deciding.ts';
import { CommandError } from './errors.ts';
import type { ExitName } from './exit-codes.ts';
import { follow, type Waiting } from './follow.ts';
import { AlreadyRunningError, getStatus, type Started } from './operations.ts';

/** Options of every command that starts an operation. */
export interface RunOptions {
  as?: string;
  requestedBy?: string;
  onFailure?: 'ask' | 'compensate';
  wait?: boolean;
  yes?: boolean;
  detach?: boolean;
  json?: boolean;
}

/**
 * The part of an operation's input that these options give. Who speaks asks for it, unless somebody else is named: the
 * two-person rule must not take `--as alice` for a second person beside whoever typed it.
 */
export function inputOf(context: CommandContext, site: string, options: RunOptions) {
  return {
    site,
    requestedBy: options.requestedBy ?? speaker(context, options.as),
    ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
  };
}

/**
 * Starts an operation and follows it as far as the options say: to the first question for a person, to its end, or not
 * at all.
 *
 * @throws CommandError `alreadyRunning`
 */
export async function run(
  context: CommandContext,
  options: RunOptions,
  start: (client: Client) => Promise<Started>,
): Promise<ExitName> {
  const { terminal } = context;
  const json = options.json === true;
  const say = (line: string) => (json ? terminal.note(line) : terminal.out(line));
  // Asked for a name before anything is started, and only where one decides.
  const decides = options.yes === true || options.wait === true;
  const approver = decides ? speaker(context, options.as) : '';
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
    if (json) terminal.out(asJson(resultOf(started, followed)));
    return conclude(context, started, followed, json);
  });
}

export function conflict({ workflowId }: AlreadyRunningError): CommandError {
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
