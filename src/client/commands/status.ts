import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { OperationStatus } from '../../domain/operation.ts';
import {
  asJson,
  exitOfState,
  exitOfStatus,
  openGatesOf,
  withClient,
  type CommandContext,
} from '../context.ts';
import { explain } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import {
  getStatus,
  getStatuses,
  waitingWorkflows,
  type OperationView,
  type WorkflowRef,
} from '../operations.ts';
import { activityLines, type Said } from '../render/activities.ts';
import { linesBetween } from '../render/progress.ts';
import { renderRecovery } from '../render/recovery.ts';
import { renderStatus } from '../render/status.ts';
import { settled, silentText, type Silent } from '../silent.ts';
import { workflowsOf } from '../targets.ts';
import { createScreen } from '../screen.ts';
import type { Paint } from '../terminal.ts';

const LOOK_EVERY_MS = 1_000;

interface Look {
  /** Workflows that do not answer, each with the reason; those that have ended stand in `silentBefore`. */
  silent: Silent[];
  silentBefore: Silent[];
  /** What is shown in full. */
  statuses: OperationView[];
  /** The newest of each recovery operation that is shown in one line. */
  recovery: OperationView[];
  running: boolean;
}

const isRecovery = ({ type }: WorkflowRef) =>
  type === 'backup' || type === 'restoreDrill' || type === 'rollback';

/**
 * What is worth showing of a site or workflow: what runs, else what ran last; a roadmap with its phases. Of a site besides
 * how its newest backup, drill and rollback ended.
 */
async function lookAt(client: Client, target: string): Promise<Look> {
  const workflows = await workflowsOf(client, target);
  const running = workflows.filter((workflow) => workflow.running);
  const phases = workflows.filter((workflow) => !isRecovery(workflow));
  const chosen =
    running.length > 0
      ? running.filter(({ parent }) => !running.some(({ workflowId }) => workflowId === parent))
      : lastOf(phases.length > 0 ? phases : workflows);
  const { found, silent } = await viewsOf(client, chosen);
  const groups = running.length > 0 ? found : [groupOfNewest(found, chosen[0])];
  const statuses = unique(groups.flat());
  const ended = workflows.filter(
    (workflow) =>
      !workflow.running &&
      isRecovery(workflow) &&
      !chosen.includes(workflow) &&
      !statuses.some(({ runId }) => runId === workflow.runId),
  );
  const before = await viewsOf(client, ended);
  const recovery = unique(before.found.flat());
  const silentBefore = before.silent;
  return { statuses, recovery, silent, silentBefore, running: running.length > 0 };
}

/** Views of all that answer; see silent.ts for those that do not. */
async function viewsOf(client: Client, workflows: WorkflowRef[]) {
  const ids = workflows.map(({ workflowId }) => workflowId);
  const { answers, silent } = await settled(
    ids,
    workflows.map(({ workflowId, runId }) => getStatuses(client, workflowId, runId)),
  );
  return { found: answers, silent };
}

const unique = (views: OperationView[]) => [
  ...new Map(views.map((view) => [view.runId, view])).values(),
];

/** What ran last, and the roadmap that it may be a phase of. */
function lastOf(workflows: WorkflowRef[]): WorkflowRef[] {
  const newest = workflows.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))[0];
  const roadmap = workflows.find(({ type }) => type === 'roadmap');
  return [newest, roadmap].filter((one) => one !== undefined);
}

/** The newest operation may be a phase of the roadmap; then the roadmap shows it. */
function groupOfNewest(found: OperationView[][], newest: WorkflowRef | undefined): OperationView[] {
  const whole = found.at(-1) ?? [];
  return whole.some(({ runId }) => runId === newest?.runId) ? whole : (found[0] ?? []);
}

function exitOf({ statuses, silent }: Look): ExitName {
  const exits = statuses.map((status) => exitOfStatus(status));
  if (exits.includes('waiting')) return 'waiting';
  return silent.length > 0 ? 'failed' : (exits[0] ?? 'done');
}

function text(look: Look, { terminal }: CommandContext): string {
  const now = new Date();
  return [
    ...look.statuses.map((status) => renderStatus(status, now, terminal.paint)),
    ...recoveryText(look, terminal.paint),
    ...silentTexts(look, terminal.paint),
  ].join('\n\n');
}

const silentTexts = ({ silent, silentBefore }: Look, paint: Paint) =>
  [...silent, ...silentBefore].map((one) => silentText(one, paint));

const recoveryText = ({ recovery }: Look, paint: Paint) =>
  recovery.length === 0 ? [] : [renderRecovery(recovery, paint)];

/** The same with phases that are done as one line each, so that what runs fits on a screen. */
function briefText(look: Look, { terminal }: CommandContext): string {
  const now = new Date();
  const one = (status: OperationStatus) => renderStatus(status, now, terminal.paint);
  return [
    ...recoveryText(look, terminal.paint),
    ...look.statuses.map((status) =>
      status.state === 'done' ? one(status).split('\n')[0] : one(status),
    ),
    ...silentTexts(look, terminal.paint),
  ].join('\n\n');
}

/** `presslift status <site|workflow> [--watch]` */
export async function statusCommand(
  context: CommandContext,
  target: string,
  options: { watch?: boolean; json?: boolean },
): Promise<ExitName> {
  return withClient<ExitName>(context, async (client) => {
    const look =
      options.watch === true
        ? await lookPatiently(client, target, context.terminal.note)
        : await lookAt(client, target);
    if (options.watch !== true) {
      context.terminal.out(
        options.json === true
          ? asJson([...look.statuses, ...look.recovery, ...look.silent, ...look.silentBefore])
          : text(look, context),
      );
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
      look = await lookPatiently(client, target, () => undefined);
    }
  } finally {
    screen.close();
    context.terminal.out(text(look, context));
  }
  return look;
}

/** Looks until somebody answers: worker and Temporal may be away for a while, of which `say` is told once. */
async function lookPatiently(
  client: Client,
  target: string,
  say: (line: string) => void,
): Promise<Look> {
  for (let away = false; ; away = true) {
    try {
      return await lookAt(client, target);
    } catch (error) {
      const { exit, message } = explain(error);
      if (exit !== 'unreachable') throw error;
      if (!away) say(message);
    }
    await sleep(LOOK_EVERY_MS);
  }
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
  const said: Said = new Map();
  let look = first;
  for (;;) {
    for (const status of look.statuses) {
      const news = [
        ...linesBetween(seen.get(status.runId) ?? null, status),
        ...activityLines(status.activities, said, new Date()),
      ];
      seen.set(status.runId, status);
      if (news.length === 0) continue;
      terminal.out(json ? JSON.stringify(status) : news.join('\n'));
    }
    if (!look.running) return look;
    await sleep(LOOK_EVERY_MS);
    look = await lookPatiently(client, target, terminal.note);
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
    const { answers: statuses, silent } = await settled(
      ids,
      ids.map((id) => getStatus(client, id)),
    );
    // The search index may be a second behind what the workflows say.
    const waiting = statuses.filter(({ state }) => exitOfState(state) === 'waiting');
    if (options.json === true) {
      terminal.out(
        asJson([
          ...waiting.map((status) => ({
            workflowId: status.workflowId,
            site: status.site,
            operation: status.operation,
            state: status.state,
            gates: openGatesOf(status).map(({ gate }) => gate),
            operatorQuestion: status.operatorQuestion,
          })),
          ...silent,
        ]),
      );
    } else if (waiting.length === 0 && silent.length === 0) {
      terminal.out('Nothing waits for a person.');
    } else {
      terminal.out(
        [
          ...waiting.map((status) =>
            renderStatus({ ...status, steps: [], criteria: [] }, new Date(), terminal.paint),
          ),
          ...silent.map((one) => silentText(one, terminal.paint)),
        ].join('\n\n'),
      );
    }
    return silent.length > 0 ? 'failed' : 'done';
  });
}
