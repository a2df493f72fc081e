import type { Json } from '../json.ts';
import type { Finding } from '../plan.ts';
import { finding } from './finding.ts';
import type { Losses } from './rollback-facts.ts';
import type { RollbackSituation } from './rollback-situation.ts';
import { lossSentence } from './rollback-words.ts';

/** What a move to another cluster makes wrong in the site file. */
const siteFileLines = [
  'database.host',
  'database.port',
  'database.ca',
  'database.credentials',
  'database.adminCredentials',
  'database.managed.clusterId',
];

/** What a person should know before the database goes back, or anything that says where it is. */
export function databaseFindings({ site, facts, layers, request }: RollbackSituation): Finding[] {
  const found: Finding[] = [];
  const { database, inUse } = facts;
  if (inUse.same === false && (layers.includes('database') || layers.includes('app'))) {
    const { host, port } = site.database;
    found.push(
      finding(
        'error',
        'other-database-in-use',
        `The site's pods use the database ${inUse.hosts.join(', ')}, and the site file names ${host}:${port}.`,
        `Change ${siteFileLines.join(', ')} of the site file to the database that the pods use; a rollback that moved them has the values in its report.`,
        { lines: siteFileLines, inUse: inUse.hosts, siteFile: `${host}:${port}` },
      ),
    );
  }
  if (!layers.includes('database')) return found;
  const inTime = request.databaseTime !== undefined;
  if (!inTime && site.database.adminCredentials === undefined) {
    found.push(
      finding(
        'error',
        'no-database-administrator',
        'The site file names no database.adminCredentials, which make the schema that is restored into.',
        'Name them; the site goes on with its own account.',
      ),
    );
  }
  if (database.tables === null && !inTime) {
    found.push(
      finding(
        'error',
        'database-not-read',
        `The live database could not be read: ${database.error ?? 'no answer'}`,
        'Without it the tables cannot be exchanged.',
      ),
    );
  }
  found.push(lossFinding(database.losses, database.error));
  if (inTime && layers.includes('app')) {
    found.push(
      finding(
        'error',
        'time-and-app',
        'The Deployment of the recovery point names the old database, so it cannot go back together with a move to another cluster.',
        'Roll back the application first, and the database to its time after it.',
      ),
    );
  }
  if (inTime) {
    found.push(
      finding(
        'warning',
        'site-file-lines',
        'Afterwards the site uses another database cluster, and the site file still names the old one.',
        `Change ${siteFileLines.join(', ')}; the report of the change names the values. Delete the old cluster at the provider when it is needed no more.`,
        {
          lines: siteFileLines,
          host: site.database.host,
          clusterId: site.database.managed?.clusterId ?? null,
        },
      ),
    );
  }
  return found;
}

function lossFinding(losses: Losses | null, error: string | null): Finding {
  if (losses === null) {
    return finding(
      'warning',
      'losses-since-point',
      `What would be lost could not be counted: ${error ?? 'no answer of the database'}`,
      'Everything that was written since then will be gone from the site.',
      { counted: false },
    );
  }
  return finding(
    'warning',
    'losses-since-point',
    lossSentence(losses),
    'The old tables are kept; what is in them does not come to the site by itself.',
    JSON.parse(JSON.stringify({ counted: true, ...losses })) as Json,
  );
}
