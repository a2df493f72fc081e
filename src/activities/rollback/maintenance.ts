import type { Site } from '../../domain/site/schema.ts';
import type { ChangeResult, RollbackActivities } from '../contracts.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { siteCluster } from '../recovery/deps.ts';
import type { RollbackDeps } from './deps.ts';
import { phpPods } from '../kubernetes/php-pods.ts';

/** Maintenance mode ends by itself after this, should nobody come back to end it. */
const longestMs = 3_600_000;

export function createMaintenance(
  deps: RollbackDeps,
): Pick<RollbackActivities, 'beginMaintenance' | 'endMaintenance'> {
  const everywhere = async (site: Site, on: boolean): Promise<ChangeResult> => {
    const pods = await setMaintenance(deps, siteCluster(deps, site), site, on);
    return { maintenance: on, pods };
  };
  return {
    beginMaintenance: ({ site }) => everywhere(site, true),
    endMaintenance: ({ site }) => everywhere(site, false),
  };
}

/**
 * In every pod, because the file stands in the document root of each; on a shared volume the same one is written again. A
 * pod that starts later comes without it: probes that ask WordPress would never find it ready, and the rollout would stand.
 */
async function setMaintenance(
  deps: RollbackDeps,
  k: KubernetesClients,
  site: Site,
  on: boolean,
): Promise<string[]> {
  const until = Math.round((deps.now().getTime() + longestMs) / 1000);
  const pods = (await phpPods(k, site)).map(({ name }) => name);
  for (const pod of pods) {
    // The document root of an image is root's, and WordPress could not write there itself.
    await deps.agent.run(site, pod, 'maintenance', { on, until }, { keepUser: true });
  }
  return pods;
}
