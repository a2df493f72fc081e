import type { CriterionResult } from '../../../domain/criterion.ts';
import type { Site } from '../../../domain/site/schema.ts';
import type { VerifyInput } from '../../contracts.ts';
import { heartbeat } from '../../activity-context.ts';
import type { KubernetesClients } from '../../kubernetes/clients.ts';
import { kubernetesFailure, statusCode } from '../../kubernetes/errors.ts';
import { waitUntil } from '../../kubernetes/wait.ts';
import type { AdminSession } from '../../wordpress-admin/session.ts';
import { listPods, requireDeployment, selectorOf } from '../../kubernetes/site-objects.ts';
import { clusterOf } from '../deps.ts';
import { awaitSettled } from '../rollout-waits.ts';
import { allSame, criterion, type Measurement } from './criteria.ts';
import { factsOfEveryPod, fromEveryPod, readyPods, type VerificationDeps } from './deps.ts';
import { probePlugin, probePluginZip } from './probe-plugin.ts';

/** Clients of NFS keep what they know of a folder for up to a minute. */
const propagationMs = 90_000;

/**
 * A plugin's life in WP Admin, on the real site: installed and activated, on every pod, still there after every pod was
 * replaced, updated, removed. What an attempt that was killed left behind is removed first.
 */
export async function verifyPluginLifecycle(
  deps: VerificationDeps,
  { site }: VerifyInput,
): Promise<CriterionResult[]> {
  const k = clusterOf(deps, site);
  const session = await deps.openAdmin(site);
  try {
    await removeProbe(session);
    const before = await activePlugins(deps, site);
    const results = [
      await criterion(
        'plugin-on-every-pod',
        'A plugin installed and activated in WP Admin is on every pod with the same files',
        'all pods, one digest',
        async () => {
          const { zip, fileName } = probePluginZip('1.0.0');
          await session.uploadPlugin(zip, fileName);
          await session.activatePlugin(probePlugin.file);
          return measureEverywhere(deps, site, '1.0.0');
        },
      ),
      await criterion(
        'plugin-survives-every-pod',
        'The plugin is still there and active after every pod was evicted and replaced',
        'all pods replaced, one digest',
        async () => {
          const evicted = await evictEveryPod(k, site);
          const { measured, pass, evidence } = await measureEverywhere(deps, site, '1.0.0');
          const left = (await readyPods(k, site)).filter((name) => evicted.includes(name));
          return {
            measured,
            pass: pass && left.length === 0,
            evidence: { evicted, left, now: evidence },
          };
        },
      ),
      await criterion(
        'plugin-updated-on-every-pod',
        'The plugin updated in WP Admin is on every pod in its new version',
        '1.1.0 on all pods',
        async () => {
          const { zip, fileName } = probePluginZip('1.1.0');
          await session.replacePlugin(zip, fileName);
          return measureEverywhere(deps, site, '1.1.0');
        },
      ),
    ];
    results.push(
      await criterion(
        'plugin-removed-everywhere',
        'The plugin removed in WP Admin is gone from every pod, and the active plugins are as before',
        'gone from all pods',
        async () => {
          await removeProbe(session);
          const left = await awaitGone(deps, site);
          const after = await activePlugins(deps, site);
          const same = after.join() === before.join();
          return {
            measured: left.length,
            pass: left.length === 0 && same,
            evidence: { before, after },
          };
        },
      ),
    );
    return results;
  } finally {
    await session.close();
  }
}

async function removeProbe(session: AdminSession): Promise<void> {
  const found = await session.plugin(probePlugin.file);
  if (found === null) return;
  if (found.active) await session.deactivatePlugin(probePlugin.file);
  await session.deletePlugin(probePlugin.file);
}

async function activePlugins(deps: VerificationDeps, site: Site): Promise<string[]> {
  const [pod] = await readyPods(clusterOf(deps, site), site);
  return (await deps.agent.facts(site, pod ?? '')).activePlugins;
}

/** Waits for the same files on every pod, then asks each for the version that WordPress sees. */
async function measureEverywhere(
  deps: VerificationDeps,
  site: Site,
  version: string,
): Promise<Measurement> {
  const deadline = Date.now() + propagationMs;
  for (;;) {
    const digests = await fromEveryPod(deps, site, async (pod) => {
      const trees = await deps.agent.treeDigests(site, pod, [probePlugin.folder]);
      return trees[probePlugin.folder] ?? null;
    });
    const facts = await factsOfEveryPod(deps, site);
    const states = Object.fromEntries(
      Object.entries(facts).map(([pod, { plugins }]) => {
        const plugin = plugins.find(({ file }) => file === probePlugin.file);
        return [
          pod,
          plugin === undefined ? null : { version: plugin.version, active: plugin.active },
        ];
      }),
    );
    const right = Object.values(states).filter((one) => one?.version === version && one.active);
    const present = Object.values(digests).every((one) => (one?.files ?? 0) > 0);
    const pods = Object.keys(states).length;
    const pass = allSame(digests) && present && right.length === pods && pods > 0;
    if (pass || Date.now() > deadline) {
      return {
        measured: `${right.length} of ${pods} pods`,
        pass,
        evidence: {
          digests: Object.fromEntries(
            Object.entries(digests).map(([pod, tree]) => [pod, tree?.digest ?? null]),
          ),
          states,
        },
      };
    }
    heartbeat({ waitingFor: `the plugin ${version} on every pod`, states });
  }
}

/** Pods on which the plugin's folder is still there after the time that a network file system may take. */
async function awaitGone(deps: VerificationDeps, site: Site): Promise<string[]> {
  const deadline = Date.now() + propagationMs;
  for (;;) {
    const trees = await fromEveryPod(deps, site, (pod) =>
      deps.agent.treeDigests(site, pod, [probePlugin.folder]),
    );
    const left = Object.entries(trees)
      .filter(([, one]) => (one[probePlugin.folder]?.files ?? 0) > 0)
      .map(([pod]) => pod);
    if (left.length === 0 || Date.now() > deadline) return left;
    heartbeat({ waitingFor: 'the plugin to be gone', left });
  }
}

/**
 * Evicts every pod that is there now, one after the other, each only when the one before has been replaced. Eviction
 * respects the disruption budget, as a drain of the node does. Gives the names.
 */
async function evictEveryPod(k: KubernetesClients, site: Site): Promise<string[]> {
  const { namespace } = site.cluster;
  const pods = await readyPods(k, site);
  for (const name of pods) {
    await waitUntil({
      what: `pod ${name} is evicted`,
      timeoutMs: 300_000,
      onTimeout: 'RolloutStuck',
      check: async () => {
        try {
          await k.core.createNamespacedPodEviction({
            name,
            namespace,
            body: { metadata: { name, namespace } },
          });
        } catch (error) {
          if (statusCode(error) === 404) return { done: true };
          if (statusCode(error) === 429)
            return { missing: 'the disruption budget does not allow it yet' };
          throw kubernetesFailure(error, 'create', `pods/eviction ${namespace}/${name}`);
        }
        return { done: true };
      },
    });
    await waitUntil({
      what: `pod ${name} is gone`,
      timeoutMs: 300_000,
      onTimeout: 'RolloutStuck',
      check: async () => {
        const selector = selectorOf(await requireDeployment(k, site));
        const left = (await listPods(k, site, selector)).some((pod) => pod.name === name);
        return left ? { missing: 'it is ending' } : { done: true };
      },
    });
    await awaitSettled(k, site);
  }
  return pods;
}
