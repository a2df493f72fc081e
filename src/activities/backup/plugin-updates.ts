import { failureTypeOf } from '../failure.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import type { BackupActivities } from '../contracts.ts';
import { findPod, type BackupDeps } from './deps.ts';

/** Longer than a backup takes whose Job has to run twice; WordPress's lock expires by itself after it. */
const holdSeconds = 12 * 3_600;
/** An update of WordPress in the background takes minutes. */
const updateTimeoutMs = 900_000;

/** `holdPluginUpdates` and `releasePluginUpdates`: WordPress updates nothing by itself while a point is taken. */
export function createPluginUpdateActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'holdPluginUpdates' | 'releasePluginUpdates'> {
  return {
    async holdPluginUpdates({ site, id }) {
      const pod = await findPod(deps, site);
      if (pod === null) return { unheld: null };
      const unheld = await waitUntil<string | null>({
        what: "WordPress's own update is done",
        timeoutMs: updateTimeoutMs,
        intervalMs: 5_000,
        onTimeout: 'BackupIncomplete',
        check: async () => {
          const args = { point: id, seconds: holdSeconds };
          let answer: { held: boolean; since: string | null };
          try {
            answer = (await deps.agent.run(site, pod, 'hold-updates', args)) as typeof answer;
          } catch (error) {
            // A site that is broken is copied all the same, without the hold.
            if (failureTypeOf(error) === 'AgentFailed') return { done: (error as Error).message };
            throw error;
          }
          return answer.held
            ? { done: null }
            : { missing: `it runs since ${answer.since ?? 'a moment'}` };
        },
      });
      return { unheld };
    },

    async releasePluginUpdates({ site, id }) {
      const pod = await findPod(deps, site);
      // Where no PHP runs there is nobody to tell, and a rollback of such a site shall not wait; the hold ends by itself.
      if (pod !== null) await deps.agent.run(site, pod, 'release-updates', { point: id });
    },
  };
}
