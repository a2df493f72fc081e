/**
 * The process that orchestrates: Presslift's own activities, each in an activity's context of its own as the worker gives it,
 * one at a time as the parent process asks. A process of its own, so that its memory is that of the activities alone.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { imageReference } from '../../deploy/sandbox/build/image-catalogue.ts';
import { endpoints, paths } from '../../deploy/sandbox/settings.ts';
import { createBackupActivities } from '../../src/activities/backup/index.ts';
import { createKubernetesClients } from '../../src/activities/kubernetes/clients.ts';
import { restoreDatabase, restoreFiles } from '../../src/activities/recovery/restore.ts';
import { createSecretResolver } from '../../src/activities/secrets/index.ts';
import { createWordPressAgent } from '../../src/activities/wordpress/agent.ts';
import type { ContentVolume, RecoveryPoint } from '../../src/domain/recovery/point.ts';
import { siteSchema, type Site } from '../../src/domain/site/schema.ts';
import { restoredFolder, type TaskAnswer, type TaskRequest, type TaskResult } from './protocol.ts';
import { place, type DataSet } from './settings.ts';

const kubernetes = createKubernetesClients(paths.adminKubeconfig);
const deps = {
  kubernetes,
  secrets: createSecretResolver({ kubernetes, env: {} }),
  agent: createWordPressAgent(kubernetes),
  now: () => new Date(),
};
const backup = createBackupActivities(deps);

/** A site that is nothing but its data. */
function siteOf(name: string, data: DataSet): Site {
  const reference = (secret: string) => `kubernetes:${place.namespace}/${secret}`;
  const { hosts, ...site } = siteSchema.parse({
    name,
    hosts: { names: [`${name}.invalid`] },
    cluster: { namespace: place.namespace, deployment: 'wordpress', service: 'wordpress' },
    wordpress: {
      image: imageReference('wordpress'),
      toolboxImage: imageReference('toolbox'),
      adminCredentials: reference('none'),
    },
    database: {
      engine: 'mysql',
      ...endpoints.database,
      name: data.schema,
      credentials: reference(place.secrets.database),
      adminCredentials: reference(place.secrets.database),
      ca: `${reference(place.secrets.ca)}#ca.crt`,
    },
    storage: {
      sharedClaim: { name: data.claim, size: '5Gi', storageClass: place.storageClass },
      objects: {
        provider: 'spaces',
        bucket: place.bucket,
        region: 'nyc3',
        endpoint: endpoints.objectStorage,
        ca: `${reference(place.secrets.ca)}#ca.crt`,
        credentials: reference(place.secrets.storage),
      },
    },
    backup: { password: reference(place.secrets.password) },
    approvals: { approvers: ['nobody'] },
  });
  return { ...site, hosts: { ...hosts, names: hosts.names ?? [] } };
}

function volumeOf({ claim }: DataSet): ContentVolume {
  return {
    claim,
    subPath: '',
    provides: ['wp-content/plugins'],
    storageClass: place.storageClass,
    accessModes: ['ReadWriteMany'],
    size: '5Gi',
  };
}

type Made = Pick<TaskResult, 'files' | 'database'>;

async function run(request: TaskRequest): Promise<Made> {
  const { task, siteName, data, files, database } = request;
  const site = siteOf(siteName, data);
  const id = `20261123T180000Z-${siteName}`;
  const operationId = `${siteName}/backup/1`;
  const input = { site, id, operationId };
  const point = pointOf(request, id, operationId);
  switch (task) {
    case 'back up files': {
      const volumes = [volumeOf(data)];
      return { database, files: await backup.backUpFiles({ ...input, volumes, snapshots: [] }) };
    }
    case 'back up database':
      return { files, database: await backup.backUpDatabase(input) };
    case 'restore files': {
      const into = { claim: place.restoredClaim, folder: restoredFolder };
      const targets = [{ claim: data.claim, into }];
      const name = `restore-files-${siteName}`;
      const found = await restoreFiles(deps, site, { name, operationId, point, targets });
      const { missing, changed, extra } = found.counts;
      // The manifest names every file; the parent counts what is on the volume besides.
      if (!found.manifestIntact || missing + changed + extra > 0 || found.files !== data.files) {
        throw new Error(`Restored files differ: ${JSON.stringify(found)}`);
      }
      return { files, database };
    }
    case 'restore database': {
      const { manifest } = await restoreDatabase(deps, site, {
        ...{ name: `restore-database-${siteName}`, operationId, point },
        schema: place.restoredSchema,
      });
      const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
      const wanted = database?.manifest.tables.reduce((sum, table) => sum + table.rows, 0);
      if (rows !== wanted) throw new Error(`Restored ${rows} rows, not ${wanted}`);
      return { files, database };
    }
  }
}

/** As much of a recovery point as a restore reads. */
function pointOf(
  { siteName, files, database }: TaskRequest,
  id: string,
  operationId: string,
): RecoveryPoint {
  const at = '2026-11-23T18:00:00.000Z';
  return {
    ...{ schema: 1, id, site: siteName, reason: 'manual', operationId, takenAt: at },
    ...{ finishedAt: at, sentinel: null, wordpress: null, app: null, cdn: null },
    ...{ objectStorage: null, missing: [], files, database },
  };
}

async function measured(request: TaskRequest): Promise<TaskResult> {
  const before = process.memoryUsage().rss;
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 50);
  const from = performance.now();
  try {
    const environment = new MockActivityEnvironment({ activityType: request.task });
    const made: Made = await environment.run(run, request);
    return { ms: performance.now() - from, before, peak, ...made };
  } finally {
    clearInterval(sampling);
  }
}

function answer(message: TaskAnswer): void {
  process.send?.(message);
}

process.on('message', (request: TaskRequest) => {
  measured(request).then(
    (result) => answer({ result }),
    (error: unknown) => {
      answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    },
  );
});
process.on('disconnect', () => process.exit(0));
