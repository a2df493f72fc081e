import { request } from 'undici';
import type { WordPressPart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { findPod, requirePod, type BackupDeps } from './deps.ts';

/** `describeWordPress` and `releasePluginUpdates`: what a backup asks of WordPress itself. */
export function createWordPressActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'describeWordPress' | 'releasePluginUpdates'> {
  return {
    async describeWordPress({ site }) {
      const pod = await requirePod(deps, site);
      const part = (await deps.agent.run(site, pod, 'describe-site')) as unknown as WordPressPart;
      // Plugins may set another title than WordPress's own, and the agent runs without plugins.
      const served = await frontPageTitle(site);
      return served === null
        ? part
        : { ...part, samples: { ...part.samples, frontPageTitle: served } };
    },

    async releasePluginUpdates({ site, id }) {
      const pod = await findPod(deps, site);
      // Where no PHP runs there is nobody to tell, and a rollback of such a site shall not wait; the hold ends by itself.
      if (pod !== null) await deps.agent.run(site, pod, 'release-updates', { point: id });
    },
  };
}

/** The title of the front page as visitors get it, as HTML has it; null when the site does not answer from here. */
async function frontPageTitle(site: Site): Promise<string | null> {
  try {
    const answer = await request(`https://${site.hosts.names[0]}/`, {
      headers: { 'user-agent': 'Presslift-Visitor', accept: 'text/html' },
      signal: AbortSignal.timeout(10_000),
    });
    const html = await answer.body.text();
    const title = /<title[^>]*>([^<]*)<\/title>/i.exec(html)?.[1]?.trim() ?? '';
    return answer.statusCode === 200 && title !== '' ? title : null;
  } catch {
    // The name may not resolve where the worker runs; the site's own name stands for it then.
    return null;
  }
}
