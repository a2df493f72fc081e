import type { Context } from '@temporalio/activity';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { heartbeatAgain } from '../activities/activity-context.ts';
import type { AllActivities } from '../activities/contracts.ts';
import { activityProfiles } from '../domain/retry-profiles.ts';

/** A third of the shortest heartbeat time-out among the activities that are beaten for. */
const everyMs = 5_000;

/**
 * Beats for every activity that must heartbeat, beside what it says itself: one long call to a pod or a slow page must not
 * look like a dead worker, and cancellation travels with heartbeats. Not for the watch over visitors, which beats every
 * second and whose details the next watch goes on from.
 */
export const heartbeatInterceptor: ActivityInterceptorsFactory = (context: Context) => ({
  inbound: {
    async execute(input, next) {
      const { heartbeatTimeoutMs, activityType } = context.info;
      const profile = activityProfiles[activityType as keyof AllActivities];
      if (heartbeatTimeoutMs === undefined || profile === 'watch') return next(input);
      const timer = setInterval(() => heartbeatAgain(context), everyMs);
      try {
        return await next(input);
      } finally {
        clearInterval(timer);
      }
    },
  },
});
