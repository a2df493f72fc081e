import type { OperationType } from './operation.ts';

/** The task queue of the worker; one worker serves any number of sites. */
export const TASK_QUEUE = 'presslift';

/** Field manager of every server-side apply. */
export const FIELD_MANAGER = 'presslift';

/** Workflow ids: one running operation of a type a site, by construction. */
export const workflowIds = {
  roadmap: (site: string) => `roadmap/${site}`,
  operation: (site: string, type: OperationType) => `${site}/${type}`,
  siteLock: (site: string) => `${site}/lock`,
} as const;
