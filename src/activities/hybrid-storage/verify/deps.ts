import type { Site } from '../../../domain/site/schema.ts';
import type { KubernetesClients } from '../../kubernetes/clients.ts';
import { failure } from '../../failure.ts';
import type { WordPressFacts } from '../../wordpress/agent.ts';
import type { AdminSession } from '../../wordpress-admin/session.ts';
import {
  isUsable,
  listPods,
  requireDeployment,
  selectorOf,
} from '../../kubernetes/site-objects.ts';
import { clusterOf, type HybridStorageDeps } from '../deps.ts';

export interface VerificationDeps extends HybridStorageDeps {
  /** Logs the site's administrator in; whoever asks closes the session. */
  openAdmin(site: Site): Promise<AdminSession>;
  /** A session that goes on with login cookies of an earlier one, each `name=value`. It does not log in. */
  resumeAdmin(site: Site, cookies: string[]): AdminSession;
}

/** Names of the ready pods behind the site. @throws SiteBroken when there is none. */
export async function readyPods(k: KubernetesClients, site: Site): Promise<string[]> {
  const pods = await listPods(k, site, selectorOf(await requireDeployment(k, site)));
  const ready = pods.filter(isUsable).map(({ name }) => name);
  if (ready.length === 0) throw failure('SiteBroken', 'No pod of the site is ready');
  return ready;
}

/** One answer of every ready pod, by pod name, asked one after the other. */
export async function fromEveryPod<T>(
  deps: VerificationDeps,
  site: Site,
  ask: (pod: string) => Promise<T>,
): Promise<Record<string, T>> {
  const answers: Record<string, T> = {};
  for (const pod of await readyPods(clusterOf(deps, site), site)) answers[pod] = await ask(pod);
  return answers;
}

export async function factsOfEveryPod(
  deps: VerificationDeps,
  site: Site,
): Promise<Record<string, WordPressFacts>> {
  return fromEveryPod(deps, site, (pod) => deps.agent.facts(site, pod));
}
