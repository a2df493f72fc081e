import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import type { DatabaseInUse } from '../../domain/planners/rollback-facts.ts';
import { databaseHosts, isDatabaseAt } from '../../domain/kubernetes/database-move.ts';
import type { Site } from '../../domain/site/schema.ts';
import { cancellationSignal } from '../activity-context.ts';
import { failureTypeOf } from '../failure.ts';
import { onePhpPod } from '../kubernetes/php-pods.ts';
import { databaseAccess, withDatabase } from './database.ts';
import { siteCluster, type RecoveryCoreDeps } from './deps.ts';

/** As the agent's operation `database-identity` asks; a server and its copy differ in at least one of these. */
const identity = "CONCAT_WS(' ', @@hostname, @@port, @@datadir, @@server_id) AS identity";

/**
 * Whether pods use the database that the site file names. By the names, and where these differ (one database may have several)
 * by what the server says of itself to WordPress and to us.
 */
export async function databaseInUse(
  deps: RecoveryCoreDeps,
  site: Site,
  template: V1PodTemplateSpec | undefined,
): Promise<DatabaseInUse> {
  const hosts = template === undefined ? [] : databaseHosts(template);
  if (hosts.length === 0) return { hosts, same: null };
  if (hosts.every((host) => isDatabaseAt(host, site.database))) return { hosts, same: true };
  const pods = await known(() => serverOfPods(deps, site));
  const file = pods === null ? null : await known(() => serverOfSiteFile(deps, site));
  return { hosts, same: pods !== null && pods === file };
}

/** The server as WordPress in a pod meets it. @throws Unavailable (PHP runs in no pod), AgentFailed */
export async function serverOfPods(deps: RecoveryCoreDeps, site: Site): Promise<string> {
  const pod = await onePhpPod(siteCluster(deps, site), site);
  return (await deps.agent.run(site, pod, 'database-identity')) as string;
}

async function serverOfSiteFile(deps: RecoveryCoreDeps, site: Site): Promise<string> {
  return withDatabase(await databaseAccess(deps, site, 'site'), serverOf);
}

/** The server of a connection, as `serverOfPods` tells it. */
export async function serverOf(connection: {
  query(sql: string): Promise<unknown>;
}): Promise<string> {
  const [rows] = (await connection.query(`SELECT ${identity}`)) as [{ identity: string }[]];
  return rows[0]?.identity ?? '';
}

/** Null where there is no answer: then nothing proves that two names mean one database. */
async function known(ask: () => Promise<string>): Promise<string | null> {
  try {
    return await ask();
  } catch (error) {
    cancellationSignal()?.throwIfAborted();
    if (failureTypeOf(error) === null) throw error;
    return null;
  }
}
