/** The schedules of a site, by the last part of their ids. */
export const scheduleNames = ['backup', 'drill', 'backup-watch'] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** What `presslift schedules` does with them. */
export const scheduleActions = ['show', 'apply', 'pause', 'resume', 'trigger', 'delete'] as const;
export type ScheduleAction = (typeof scheduleActions)[number];
