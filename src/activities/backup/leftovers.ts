import type { V1Job } from '@kubernetes/client-node';
import { managedLabels, operationKey } from '../../domain/kubernetes/names.ts';
import { selectorText } from '../../domain/kubernetes/rollout.ts';
import type { Site } from '../../domain/site/schema.ts';
import { remove } from '../kubernetes/apply.ts';
import { calling } from '../kubernetes/errors.ts';
import { siteCluster } from '../recovery/deps.ts';
import { removeToolboxJob } from '../recovery/toolbox.ts';
import type { BackupDeps } from './deps.ts';
import { jobPrefix, POINT_LABEL, roles } from './names.ts';

/** Jobs and temporary claims of points for which `mine` says so, from its labels and, as `name`, its name. */
export async function removeLeftovers(
  deps: BackupDeps,
  site: Site,
  mine: (labels: Record<string, string>) => boolean,
): Promise<void> {
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

/** Whether labels, with the object's name as `name`, are those of an object of the point `id`. */
export function isOf(id: string): (labels: Record<string, string>) => boolean {
  const key = operationKey(id);
  return (labels) => labels[POINT_LABEL] === key || labels['name']?.endsWith(`-${key}`) === true;
}
