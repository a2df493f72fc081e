import { request } from 'undici';
import type { ServedPage, WordPressPart } from '../../domain/recovery/point.ts';
import { servedPage } from '../../domain/recovery/served-page.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { requirePod, type BackupDeps } from './deps.ts';

/** `describeWordPress`: what WordPress says of itself. */
export function createWordPressActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'describeWordPress'> {
  return {
    async describeWordPress({ site }) {
      const pod = await requirePod(deps, site);
      const part = (await deps.agent.run(site, pod, 'describe-site')) as unknown as WordPressPart;
      // Plugins may set other titles than WordPress's own, and the agent runs without plugins.
      const { samples } = part;
      const frontPage = await served(site, '/');
      const post = samples.post === null ? null : await served(site, samples.post.path);
      return {
        ...part,
        samples: {
          ...samples,
          frontPageTitle: frontPage?.title ?? samples.frontPageTitle,
          served: { frontPage, post },
        },
      };
    },
  };
}

/** A page as visitors get it; null when the site does not answer from here. */
async function served(site: Site, path: string): Promise<ServedPage | null> {
  try {
    const answer = await request(`https://${site.hosts.names[0]}${path}`, {
      headers: { 'user-agent': 'Presslift-Visitor', accept: 'text/html' },
      signal: AbortSignal.timeout(10_000),
    });
    const html = await answer.body.text();
    return answer.statusCode === 200 ? servedPage(html) : null;
  } catch {
    // The name may not resolve where the worker runs.
    return null;
  }
}
