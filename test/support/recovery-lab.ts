import { CreateBucketCommand } from '@aws-sdk/client-s3';
import {
  openObjectStorage,
  type ObjectStorage,
} from '../../src/activities/object-storage/client.ts';
import { databaseAccess } from '../../src/activities/recovery/database.ts';
import type { RecoveryCoreDeps } from '../../src/activities/recovery/deps.ts';
import { repositoryOf } from '../../src/activities/recovery/repository.ts';
import {
  resultOf,
  runToolboxJob,
  toolboxScript,
  type ScriptLibrary,
  type ToolboxJob,
} from '../../src/activities/recovery/toolbox.ts';
import { createSecretResolver, Secret } from '../../src/activities/secrets/index.ts';
import { createWordPressAgent } from '../../src/activities/wordpress/agent.ts';
import type { RecoveryPoint } from '../../src/domain/recovery/point.ts';
import type { Site } from '../../src/domain/site/schema.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startMySql, type TestDatabase } from './database-servers.ts';
import { acme } from './hybrid-fixtures.ts';
import { startControlPlane, type ControlPlane } from './kube-apiserver.ts';
import { startToolboxNode, type ToolboxNode } from './toolbox-node.ts';
import { startVersitygw, type TestObjectStorage } from './versitygw.ts';

/** Real servers around toolbox Jobs: API server, object storage, MySQL as a managed one is, and a node that runs them. */
export interface RecoveryLab {
  plane: ControlPlane;
  node: ToolboxNode;
  storage: TestObjectStorage;
  database: TestDatabase | null;
  deps: RecoveryCoreDeps;
  site: Site;
  /** Values behind the site file's references `env:…`; a test may change them. */
  env: Record<string, string>;
  /** Runs a script written for a test, with the repository's files unless the test gives others. */
  script<T>(text: string, job?: LabJob, libraries?: ScriptLibrary[]): Promise<T>;
  stop(): Promise<void>;
}

/** `site`: whose Job it is; default: the lab's. The repository is the lab's in any case. */
export type LabJob = Partial<ToolboxJob> & { site?: Site };

export const labNamespace = 'default';

/** MySQL as DigitalOcean sets it up. */
export const managedMySql = [
  'sql_mode=ANSI,TRADITIONAL',
  'sql_require_primary_key=ON',
  'log_bin_trust_function_creators=ON',
];

export async function startRecoveryLab(options: { database?: boolean } = {}): Promise<RecoveryLab> {
  const [plane, storage, database] = await Promise.all([
    startControlPlane(),
    startVersitygw(),
    options.database === false ? null : startMySql({ settings: managedMySql }),
  ]);
  const node = await startToolboxNode(plane.admin, labNamespace);
  const env: Record<string, string> = {
    KEYS: JSON.stringify(storage.root),
    STORAGE_CA: storage.ca,
    PASSWORD: JSON.stringify({ password: 'repository password' }),
    DATABASE_CA: database?.ca ?? 'none',
    SITE_ACCOUNT: JSON.stringify({ username: 'wordpress', password: 'wordpress' }),
    ADMIN_ACCOUNT: JSON.stringify({ username: 'boss', password: `it's a "boss" \\ #1` }),
  };
  await database?.admin(`
    CREATE DATABASE wordpress CHARACTER SET utf8mb4;
    CREATE USER 'wordpress'@'%' IDENTIFIED BY 'wordpress';
    GRANT ALL PRIVILEGES ON wordpress.* TO 'wordpress'@'%';
    CREATE USER 'boss'@'%' IDENTIFIED BY 'it''s a "boss" \\\\ #1';
    GRANT ALL PRIVILEGES ON *.* TO 'boss'@'%' WITH GRANT OPTION;
  `);
  const site = acme((file) => {
    const changed = file as unknown as {
      cluster: Record<string, unknown>;
      database: Record<string, unknown>;
      storage: { objects: Record<string, unknown> };
      backup: Record<string, unknown>;
    };
    changed.cluster['namespace'] = labNamespace;
    Object.assign(changed.database, {
      host: '127.0.0.1',
      port: database?.port ?? 3306,
      credentials: 'env:SITE_ACCOUNT',
      adminCredentials: 'env:ADMIN_ACCOUNT',
      ca: 'env:DATABASE_CA',
    });
    Object.assign(changed.storage.objects, {
      endpoint: storage.endpoint,
      region: storage.region,
      credentials: 'env:KEYS',
      ca: 'env:STORAGE_CA',
    });
    changed.backup['password'] = 'env:PASSWORD';
  });
  const deps: RecoveryCoreDeps = {
    kubernetes: plane.admin,
    secrets: createSecretResolver({ env }),
    agent: createWordPressAgent(plane.admin),
    now: () => new Date(),
  };
  const opened = openStorage(site, storage);
  await opened.client.send(new CreateBucketCommand({ Bucket: site.storage.objects.bucket }));
  opened.close();
  const scripts = await mkdtemp(join(tmpdir(), 'presslift-scripts-'));
  let count = 0;
  return {
    plane,
    node,
    storage,
    database,
    deps,
    site,
    env,
    async script<T>(
      text: string,
      { site: owner = site, ...job }: LabJob = {},
      libraries: ScriptLibrary[] = ['restic', 'locks', 'file-manifest', 'mysql'],
    ) {
      count += 1;
      const file = join(scripts, `${count}.sh`);
      await writeFile(file, text);
      const repository = await repositoryOf(deps, site);
      const outcome = await runToolboxJob(plane.admin, owner, {
        name: `test-${count}`,
        operationId: 'acme/test',
        script: toolboxScript(pathToFileURL(file), ...libraries),
        timeoutMs: 60_000,
        ...job,
        env: { ...repository.env, ...job.env },
        secretFiles: { ...repository.secretFiles, ...job.secretFiles },
      });
      return resultOf<T>(outcome, 'a test');
    },
    async stop() {
      await node.stop();
      await Promise.all([plane.stop(), storage.stop(), database?.stop()]);
      await rm(scripts, { recursive: true, force: true });
    },
  };
}

/** How the lab's administrator logs in to its database. */
export const labAdmin = (lab: RecoveryLab) => databaseAccess(lab.deps, lab.site, 'admin');

/** The lab's object storage with all rights; whoever opens it closes it. */
export function openLabStorage(
  lab: RecoveryLab,
  bucket = lab.site.storage.objects.bucket,
): ObjectStorage {
  const site = structuredClone(lab.site);
  site.storage.objects.bucket = bucket;
  return openStorage(site, lab.storage);
}

function openStorage(site: Site, { root, ca }: TestObjectStorage): ObjectStorage {
  const { accessKeyId, secretAccessKey } = root;
  const keys = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
  return openObjectStorage({ objects: site.storage.objects, keys, ca });
}

/** A recovery point of the site acme that holds nothing but what is given. */
export function pointOf(id: string, more: Partial<RecoveryPoint> = {}): RecoveryPoint {
  return {
    schema: 1,
    id,
    site: 'acme',
    reason: 'manual',
    operationId: 'acme/backup/1',
    takenAt: '2026-11-23T03:00:00.000Z',
    finishedAt: '2026-11-23T03:01:00.000Z',
    sentinel: null,
    wordpress: null,
    files: null,
    database: null,
    app: null,
    cdn: null,
    objectStorage: null,
    missing: ['everything'],
    ...more,
  };
}
