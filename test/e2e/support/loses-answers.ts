/**
 * Loaded before a worker (`node --import`): the process is killed by SIGKILL each time an activity has done its work for the
 * first time, before anybody hears of it. This is the hardest boundary between two activities: the outside is changed
 * already, the history does not know, and another worker has to do it again. Which activities were met so stands in the file
 * that PRESSLIFT_E2E_KILLS names, one line each, so that a second attempt is left alone.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Context } from '@temporalio/activity';
import { Worker, type ActivityInterceptorsFactory } from '@temporalio/worker';
import { activityKey } from './kills.ts';

const ledger = process.env.PRESSLIFT_E2E_KILLS;
if (ledger === undefined) throw new Error('PRESSLIFT_E2E_KILLS names no file');

const met = () => (existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n') : []);

const losesTheFirstAnswer: ActivityInterceptorsFactory = ({ info }: Context) => ({
  inbound: {
    async execute(input, next) {
      const result = await next(input);
      if (info.workflowExecution === undefined) return result;
      const key = activityKey(info.workflowExecution.runId, info.activityId);
      if (met().includes(key)) return result;
      appendFileSync(ledger, `${key}\n`);
      process.kill(process.pid, 'SIGKILL');
      return result;
    },
  },
});

const create = Worker.create.bind(Worker);
Worker.create = (options) =>
  create({
    ...options,
    interceptors: {
      ...options.interceptors,
      activity: [losesTheFirstAnswer, ...(options.interceptors?.activity ?? [])],
    },
  });
