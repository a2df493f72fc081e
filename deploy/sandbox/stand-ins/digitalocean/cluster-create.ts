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

/** What a cluster gets that names none; other than the sandbox's own cluster has, as an account's can be. */
const defaults = {
  storageMib: 10_240,
  privateNetwork: '5a4981aa-9653-4bd1-bef5-d6bff52042e4',
  projectId: '4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679',
} as const;

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
  const cluster: Omit<StoredCluster, 'host' | 'privateHost' | 'port'> = {
    ...{ id: randomUUID(), name, region: request.region, size: request.size },
    nodes: request.num_nodes,
    storageMib: request.storage_size_mib ?? defaults.storageMib,
    privateNetwork: request.private_network_uuid || defaults.privateNetwork,
    projectId: request.project_id ?? defaults.projectId,
    tags: request.tags ?? [],
    createdAt: now().toISOString(),
    rules: keptRules(request.rules ?? [], now()),
    passwords: {},
    fork: { sourceId: source.id, at: wanted, backupId: backup!.id, state: 'creating' },
  };
  return file.update(async (state) => {
    // Again, now that nothing can come in between; a port is free only until the next one takes it.
    if (state.clusters.some((each) => each.name === name)) refuse('cluster name is not available.');
    const kept = { ...cluster, ...(await placeFor(name, state.clusters)) };
    state.clusters.push(kept);
    return kept;
  });
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
