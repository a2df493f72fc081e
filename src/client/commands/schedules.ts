import type { ScheduleAction, ScheduleName } from '../../domain/schedules.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { loadSiteFile } from '../../activities/sites/load-site.ts';
import { confirm } from '../confirm.ts';
import { asJson, sitesDirOf, speaker, withClient, type CommandContext } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ExitName } from '../exit-codes.ts';
import { renderReconciled, renderSchedules } from '../render/schedules.ts';
import {
  applySchedules,
  describeSchedule,
  existingSchedules,
  viewSchedules,
} from '../schedules.ts';

export interface SchedulesOptions {
  as?: string;
  reason?: string;
  yes?: boolean;
  json?: boolean;
}

/** `presslift schedules <site> [action] [schedule]` */
export async function schedulesCommand(
  context: CommandContext,
  site: string,
  action: ScheduleAction,
  name: ScheduleName | undefined,
  options: SchedulesOptions,
): Promise<ExitName> {
  if ((action === 'show' || action === 'apply') && name !== undefined) {
    throw new CommandError('usage', `${action} is about all schedules of a site.`);
  }
  if (action === 'trigger' && name === undefined) {
    throw new CommandError('usage', 'trigger wants one of backup, drill, backup-watch.');
  }
  switch (action) {
    case 'show':
      return show(context, site, options);
    case 'apply':
      return apply(context, site, options);
    case 'trigger':
      return trigger(context, site, name, options);
    default:
      return change(context, site, action, name, options);
  }
}

async function show(
  context: CommandContext,
  name: string,
  { json }: SchedulesOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const site = await loadSiteFile(sitesDirOf(context), name);
  return withClient<ExitName>(context, async (client) => {
    const views = await viewSchedules(client, site);
    terminal.out(json === true ? asJson(views) : renderSchedules(name, views, terminal.paint));
    return 'done';
  });
}

async function apply(
  context: CommandContext,
  name: string,
  { json }: SchedulesOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const site = await loadSiteFile(sitesDirOf(context), name);
  return withClient<ExitName>(context, async (client) => {
    const { ensureSearchAttributes } = await import('../../config/search-attributes.ts');
    // A worker does this too, but there may have been none yet.
    await ensureSearchAttributes(client.connection, client.options.namespace, {
      info: () => undefined,
      warn: ({ commands }: { commands: string[] }, text: string) =>
        terminal.note([text, ...commands].join('\n')),
    });
    const done = await applySchedules(client, site);
    terminal.out(json === true ? asJson(done) : renderReconciled(done, terminal.paint));
    return 'done';
  });
}

const doneTo = { pause: 'paused', resume: 'goes on', delete: 'deleted' } as const;

async function change(
  context: CommandContext,
  site: string,
  action: keyof typeof doneTo,
  name: ScheduleName | undefined,
  options: SchedulesOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const by = speaker(context, options.as);
  const note = `${doneTo[action]}, by ${by}${options.reason === undefined ? '' : `: ${options.reason}`}`;
  return withClient<ExitName>(context, async (client) => {
    const found = await existingSchedules(client, site, name);
    if (found.length === 0) throw missing(site, name);
    const ids = found.map(({ id }) => id);
    if (action === 'delete') {
      const question = `${ids.join(', ')} would be deleted; nothing would be started any more.`;
      await confirm(context, question, options.yes);
    }
    for (const id of ids) {
      const handle = client.schedule.getHandle(id);
      if (action === 'pause') await handle.pause(note);
      else if (action === 'resume') await handle.unpause(note);
      else await handle.delete();
    }
    terminal.out(
      options.json === true
        ? asJson(ids.map((id) => ({ id, did: doneTo[action], by })))
        : ids.map((id) => `${id} ${note}`).join('\n'),
    );
    return 'done';
  });
}

const missing = (site: string, name: ScheduleName | undefined) =>
  new CommandError(
    'notFound',
    `${site} has no schedule${name === undefined ? '' : ` ${name}`} in Temporal; \`presslift schedules ${site} apply\` makes them.`,
  );

/** How long Temporal may take to start what was triggered. */
const STARTED_WITHIN_MS = 10_000;

async function trigger(
  context: CommandContext,
  site: string,
  name: ScheduleName | undefined,
  { json }: SchedulesOptions,
): Promise<ExitName> {
  const { terminal } = context;
  return withClient<ExitName>(context, async (client) => {
    const [found] = await existingSchedules(client, site, name);
    if (found === undefined) throw missing(site, name);
    const { id, description } = found;
    const before = new Set(
      description.info.recentActions.map(({ action }) => action.workflow.firstExecutionRunId),
    );
    await client.schedule.getHandle(id).trigger(description.policies.overlap);
    const started = await newestAction(client, id, before);
    if (json === true) terminal.out(asJson({ id, started }));
    else if (started === null) {
      terminal.out(
        `${id} was triggered and has started nothing yet: ${
          description.policies.overlap === 'SKIP'
            ? 'while one runs, another one is left out'
            : 'it starts when the one that runs has ended'
        }. \`presslift schedules ${site}\` shows it.`,
      );
    } else {
      terminal.out(
        `started ${started.workflowId} (run ${started.runId})\n\`presslift status ${started.workflowId} --watch\` shows it`,
      );
    }
    return 'done';
  });
}

async function newestAction(client: Client, id: string, before: Set<string>) {
  const until = Date.now() + STARTED_WITHIN_MS;
  while (Date.now() < until) {
    await sleep(250);
    const now = await describeSchedule(client, id);
    const started = now?.info.recentActions
      .map(({ action }) => action.workflow)
      .find(({ firstExecutionRunId }) => !before.has(firstExecutionRunId));
    if (started !== undefined) {
      return { workflowId: started.workflowId, runId: started.firstExecutionRunId };
    }
  }
  return null;
}
