import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { OperationStatus } from '../../domain/operation.ts';
import { asJson, exitOfState, openGatesOf, withClient, type CommandContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { getStatus, getStatuses, waitingWorkflows } from '../operations.ts';
import { linesBetween } from '../render/progress.ts';
import { renderStatus } from '../render/status.ts';
import { workflowsOf } from '../targets.ts';
import { createScreen } from '../screen.ts';

const LOOK_EVERY_MS = 1_000;

interface Look {
  statuses: OperationStatus[];
  running: boolean;
}

/** What is worth showing of a site or workflow: what runs, else what ran last; a roadmap with its phases. */
async function lookAt(client: Client, target: string): Promise<Look> {
  const workflows = await workflowsOf(client, target);
  const running = workflows.filter((workflow) => workflow.running);
  const newest = workflows.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))[0];
  const roadmap = workflows.find(({ type }) => type === 'roadmap');
  const chosen =
    running.length > 0 ? running : [newest, roadmap].filter((one) => one !== undefined);
  const found = await Promise.all(
    chosen.map(({ workflowId, runId }) => getStatuses(client, workflowId, runId)),
  );
  // The newest operation may be a phase of the roadmap; then the roadmap shows it.
  const whole = found.at(-1) ?? [];
  const groups =
    running.length === 0 && whole.some(({ runId }) => runId === newest?.runId)
      ? [whole]
      : running.length > 0
        ? found
        : found.slice(0, 1);
  const unique = new Map(groups.flat().map((status) => [status.runId, status]));
  return { statuses: [...unique.values()], running: running.length > 0 };
}

function exitOf({ statuses }: Look): ExitName {
  const exits = statuses.map(({ state }) => exitOfState(state));
  return exits.includes('waiting') ? 'waiting' : (exits[0] ?? 'done');
}

const text = ({ statuses }: Look, { terminal }: CommandContext) =>
  statuses.map((status) => renderStatus(status, new Date(), terminal.paint)).join('\n\n');

/** The same with phases that are done as one line each, so that what runs fits on a screen. */
function briefText({ statuses }: Look, { terminal }: CommandContext): string {
  const now = new Date();
  const one = (status: OperationStatus) => renderStatus(status, now, terminal.paint);
  return statuses
    .map((status) => (status.state === 'done' ? one(status).split('\n')[0] : one(status)))
    .join('\n\n');
}

/** `presslift status <site|workflow> [--watch]` */
export async function statusCommand(
  context: CommandContext,
  target: string,
  options: { watch?: boolean; json?: boolean },
): Promise<ExitName> {
  return withClient<ExitName>(context, async (client) => {
    const look = await lookAt(client, target);
    if (options.watch !== true) {
      context.terminal.out(options.json === true ? asJson(look.statuses) : text(look, context));
      return exitOf(look);
    }
    const watch = context.terminal.redraws && options.json !== true ? redraw : lines;
    return exitOf(await watch(context, client, target, look, options.json === true));
  });
}

/** Redraws the whole screen every second until everything has ended. */
async function redraw(
  context: CommandContext,
  client: Client,
  target: string,
  first: Look,
): Promise<Look> {
  const screen = createScreen(context.terminal);
  let look = first;
  try {
    while (look.running) {
      screen.draw(briefText(look, context));
      await sleep(LOOK_EVERY_MS);
      look = await lookAt(client, target);
    }
  } finally {
    screen.close();
    context.terminal.out(text(look, context));
  }
  return look;
}

/** One line (with `--json` one JSON document) per change, for logs and pipes. */
async function lines(
  { terminal }: CommandContext,
  client: Client,
  target: string,
  first: Look,
  json: boolean,
): Promise<Look> {
  const seen = new Map<string, OperationStatus>();
  let look = first;
  for (;;) {
    for (const status of look.statuses) {
      const news = linesBetween(seen.get(status.runId) ?? null, status);
      seen.set(status.runId, status);
      if (news.length === 0) continue;
      terminal.out(json ? JSON.stringify(status) : news.join('\n'));
    }
    if (!look.running) return look;
    await sleep(LOOK_EVERY_MS);
    look = await lookAt(client, target);
  }
}

/** `presslift gates`: everything that waits for a person, of all sites. */
export async function gatesCommand(
  context: CommandContext,
  options: { json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  return withClient<ExitName>(context, async (client) => {
    const ids = await waitingWorkflows(client);
    const statuses = await Promise.all(ids.map((id) => getStatus(client, id)));
    // The search index may be a second behind what the workflows say.
    const waiting = statuses.filter(({ state }) => exitOfState(state) === 'waiting');
    if (options.json === true) {
      terminal.out(
        asJson(
          waiting.map((status) => ({
            workflowId: status.workflowId,
            site: status.site,
            operation: status.operation,
            state: status.state,
            gates: openGatesOf(status).map(({ gate }) => gate),
            operatorQuestion: status.operatorQuestion,
          })),
        ),
      );
    } else if (waiting.length === 0) {
      terminal.out('Nothing waits for a person.');
    } else {
      terminal.out(
        waiting
          .map((status) =>
            renderStatus({ ...status, steps: [], criteria: [] }, new Date(), terminal.paint),
          )
          .join('\n\n'),
      );
    }
    return 'done';
  });
}
