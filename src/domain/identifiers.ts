import type { PhaseOperation } from './operation.ts';

/** The task queue of the worker; one worker serves any number of sites. */
export const TASK_QUEUE = 'presslift';

/** Field manager of every server-side apply. */
export const FIELD_MANAGER = 'presslift';

/** Workflow ids: one running phase of a type a site, by construction; `time` is `compactTime`. */
export const workflowIds = {
  roadmap: (site: string) => `roadmap/${site}`,
  operation: (site: string, type: PhaseOperation) => `${site}/${type}`,
  backup: (site: string, time: string) => `${site}/backup/${time}`,
  drill: (site: string, time: string) => `${site}/drill/${time}`,
  rollback: (site: string, time: string) => `${site}/rollback/${time}`,
  recoveryPoints: (site: string, time: string) => `${site}/recovery-points/${time}`,
  backupWatch: (site: string) => `${site}/backup-watch`,
  siteLock: (site: string) => `${site}/lock`,
} as const;

/** Ids of the Schedules of a site. Temporal appends the time to the id of each workflow that it starts. */
export const scheduleIds = {
  backup: (site: string) => `${site}/backup`,
  drill: (site: string) => `${site}/drill`,
  backupWatch: (site: string) => `${site}/backup-watch`,
} as const;

/** `20261123T180000Z`: UTC, sorts by time, fit for names. */
export function compactTime(time: Date): string {
  return `${time.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}
