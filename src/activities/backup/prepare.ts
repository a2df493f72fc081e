import type { V1Job } from '@kubernetes/client-node';
import { managedLabels, operationKey } from '../../domain/kubernetes/names.ts';
import { selectorText } from '../../domain/kubernetes/rollout.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities, PointInput } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { remove } from '../kubernetes/apply.ts';
import { calling } from '../kubernetes/errors.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster, type RecoveryCoreDeps } from '../recovery/deps.ts';
import { recoverySecretName } from '../recovery/objects.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { removeToolboxJob, resultOf, runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';
import { findPod, type BackupDeps } from './deps.ts';
import { findLostPoints } from './lost-points.ts';
import { jobName, jobPrefix, lockHolders, POINT_LABEL, roles, snapshotName } from './names.ts';
import { createVolumeSnapshots } from './volume-snapshots.ts';

const prepareScript = toolboxScript(
  new URL('./scripts/prepare.sh', import.meta.url),
  'restic',
  'locks',
);
const discardScript = toolboxScript(new URL('./scripts/discard.sh', import.meta.url), 'restic');

/** Longer than a backup takes whose Job has to run twice; WordPress's lock expires by itself after it. */
const holdSeconds = 12 * 3_600;
/** An update of WordPress in the background takes minutes. */
const updateTimeoutMs = 900_000;

/** `prepareBackup` and `discardRecoveryPoint`: nothing of others before, nothing of ours after. */
export function createPrepareActivities(
  deps: BackupDeps,
): Pick<BackupActivities, 'prepareBackup' | 'discardRecoveryPoint'> {
  const kinds = createVolumeSnapshots(deps);

  /** Jobs and temporary claims of points for which `mine` says so. */
  async function removeObjects(site: Site, mine: (labels: Record<string, string>) => boolean) {
    const k = siteCluster(deps, site);
    const { namespace } = site.cluster;
    const jobs = await calling('list', `jobs in ${namespace}`, () =>
      k.batch.listNamespacedJob({
        namespace,
        labelSelector: selectorText(managedLabels(site, 'job')),
      }),
    );
    const isOurs = ({ metadata }: V1Job) => metadata?.name?.startsWith(jobPrefix) === true;
    for (const { metadata } of jobs.items.filter(isOurs)) {
      if (mine({ ...metadata?.labels, name: metadata?.name ?? '' })) {
        await removeToolboxJob(k, namespace, metadata?.name ?? '');
      }
    }
    const claims = await calling('list', `persistentvolumeclaims in ${namespace}`, () =>
      k.core.listNamespacedPersistentVolumeClaim({
        namespace,
        labelSelector: selectorText(managedLabels(site, roles.copy)),
      }),
    );
    for (const { metadata } of claims.items) {
      const name = metadata?.name ?? '';
      if (!mine({ ...metadata?.labels, name })) continue;
      await remove(k, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name });
    }
  }

  /** Snapshots of volumes that this point took. */
  async function removeSnapshots(site: Site, id: string) {
    for (const kind of kinds) {
      try {
        await kind.removeAll(site, ({ claim, name }) => snapshotName(id, claim) !== name);
      } catch (error) {
        // One that stays is in nobody's way, and retention removes it; the provider's API may be in trouble.
        if (failureTypeOf(error) === null) throw error;
      }
    }
  }

  return {
    async prepareBackup(input) {
      const { site, id, operationId } = input;
      // Under the site's lock: whatever another point has left, nobody works with it any more.
      const key = operationKey(id);
      await removeObjects(
        site,
        (labels) => labels[POINT_LABEL] !== key && !labels['name']?.endsWith(`-${key}`),
      );
      const repository = await repositoryOf(deps, site);
      const outcome = await runToolboxJob(siteCluster(deps, site), site, {
        name: jobName('prepare', id),
        operationId,
        script: prepareScript,
        env: { ...repository.env, ...lockHolders(site) },
        secretFiles: repository.secretFiles,
        timeoutMs: 600_000,
      });
      const result = resultOf<{ created: boolean; empty: boolean }>(outcome, 'the repository');
      const { created, empty } = result;
      const lost = empty ? await findLostPoints(deps, kinds, input, repository.url) : null;
      return { repository: repository.url, created, lost, unheld: await holdUpdates(deps, input) };
    },

    async discardRecoveryPoint({ site, id, operationId }) {
      const k = siteCluster(deps, site);
      const { namespace } = site.cluster;
      const key = operationKey(id);
      await removeObjects(
        site,
        (labels) => labels[POINT_LABEL] === key || labels['name']?.endsWith(`-${key}`) === true,
      );
      // An attempt that was cut off may have written it; no point is offered whose data goes.
      await withdraw(deps, site, id, operationId);
      await removeSnapshots(site, id);
      await remove(k, {
        apiVersion: 'v1',
        kind: 'Secret',
        namespace,
        name: recoverySecretName(id),
      });
      try {
        const repository = await repositoryOf(deps, site);
        await runToolboxJob(k, site, {
          name: jobName('discard', id),
          operationId,
          script: discardScript,
          env: { ...repository.env, POINT: id, RETRY_LOCK: '1m' },
          secretFiles: repository.secretFiles,
          timeoutMs: 300_000,
        });
      } catch (error) {
        // What the repository does not give up now, retention forgets later: no document names it.
        if (failureTypeOf(error) === null) throw error;
      }
    },
  };
}

/** Takes a point out of the catalogue; where nobody may delete there, nobody is to count on it. */
export async function withdraw(
  deps: RecoveryCoreDeps,
  site: Site,
  id: string,
  operationId: string,
): Promise<void> {
  const catalogue = await openCatalogue(deps, site);
  try {
    await catalogue.remove(id);
  } catch (error) {
    const type = failureTypeOf(error);
    // Without a bucket there is no document either.
    if (type === 'NotFound') return;
    if (type !== 'Forbidden') throw error;
    const bad = { at: deps.now().toISOString(), by: operationId, findings: ['half-finished'] };
    await catalogue.setState(id, { bad });
  } finally {
    catalogue.close();
  }
}

/**
 * A site that is broken is copied all the same, without the hold.
 *
 * @returns why there is none, where PHP runs that could update something.
 */
async function holdUpdates(deps: BackupDeps, { site, id }: PointInput): Promise<string | null> {
  const pod = await findPod(deps, site);
  if (pod === null) return null;
  return waitUntil<string | null>({
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
        if (failureTypeOf(error) === 'AgentFailed') return { done: (error as Error).message };
        throw error;
      }
      return answer.held
        ? { done: null }
        : { missing: `it runs since ${answer.since ?? 'a moment'}` };
    },
  });
}
