/** A new database cluster: here always one that is restored from another one's backup. */
import { randomUUID } from 'node:crypto';
import { ApiError } from './api-error.ts';
import type { FirewallRule, StoredBackup, StoredCluster } from './clusters.ts';
import { keptRules } from './clusters.ts';
import type { DatabaseOptions } from './databases.ts';

export interface ClusterRequest {
  name: string;
  engine: string;
  version?: string;
  region: string;
  size: string;
  num_nodes: number;
  storage_size_mib?: number;
  private_network_uuid?: string;
  project_id?: string;
  tags?: string[] | null;
  rules?: Partial<FirewallRule>[];
  backup_restore?: { database_name: string; backup_created_at?: string };
}

/**
 * Checks the request, finds the backup, and keeps the cluster as one that is being made.
 * @throws ApiError
 */
export async function createCluster(
  { file, backups, placeFor, now }: Pick<DatabaseOptions, 'file' | 'backups' | 'placeFor' | 'now'>,
  request: ClusterRequest,
): Promise<StoredCluster> {
  const refuse = (message: string): never => {
    throw new ApiError(422, 'unprocessable_entity', message);
  };
  const { name, backup_restore: restore } = request;
  if (!/^[a-z][a-z0-9-]{1,61}[a-z0-9]$/.test(name)) {
    refuse('invalid cluster name: 3 to 63 lower-case letters, digits and hyphens.');
  }
  if (request.engine !== 'mysql') refuse('this stand-in has MySQL alone.');
  if (!restore) refuse('this stand-in makes clusters from a backup alone (backup_restore).');
  const { clusters } = await file.read();
  if (clusters.some((each) => each.name === name)) refuse('cluster name is not available.');
  const source = clusters.find((each) => each.name === restore!.database_name);
  if (!source) throw new ApiError(404, 'not_found', 'The cluster to restore does not exist.');
  const at = restore!.backup_created_at;
  const wanted = at === undefined ? null : wholeSecond(at);
  if (wanted !== null && Date.parse(wanted) > now().getTime()) {
    refuse('backup_created_at is in the future.');
  }
  const backup = newestUntil(await backups.of(source.id), wanted);
  if (!backup) refuse('there is no backup from before that time.');
  const cluster: StoredCluster = {
    ...{ id: randomUUID(), name, region: request.region, size: request.size },
    nodes: request.num_nodes,
    storageMib: request.storage_size_mib ?? source.storageMib,
    privateNetwork: request.private_network_uuid ?? source.privateNetwork,
    projectId: request.project_id ?? source.projectId,
    tags: request.tags ?? [],
    createdAt: now().toISOString(),
    ...(await placeFor(name)),
    rules: keptRules(request.rules ?? [], now()),
    passwords: {},
    fork: { sourceId: source.id, at: wanted, backupId: backup!.id, state: 'creating' },
  };
  await file.update((state) => {
    // Again, now that nothing can come in between.
    if (state.clusters.some((each) => each.name === name)) refuse('cluster name is not available.');
    state.clusters.push(cluster);
  });
  return cluster;
}

/** The second that a time is in, ISO 8601. */
function wholeSecond(text: string): string {
  const ms = Date.parse(text);
  return new Date(ms - (ms % 1000)).toISOString();
}

function newestUntil(
  backups: readonly StoredBackup[],
  until: string | null,
): StoredBackup | undefined {
  return backups.filter(({ createdAt }) => until === null || createdAt <= until).at(-1);
}
