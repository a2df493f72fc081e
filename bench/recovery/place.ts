/** Makes the namespace, claims, bucket, schemas and data that are measured, and removes all of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { sandboxCredentials } from '../../deploy/sandbox/credentials.ts';
import { ensureCertificateAuthority } from '../../deploy/sandbox/pki.ts';
import { endpoints } from '../../deploy/sandbox/settings.ts';
import { connectVerified } from '../../src/activities/database/connection.ts';
import { Secret } from '../../src/activities/secrets/secret.ts';
import { runJob, type FinishedJob, type PlainJob, type SandboxKube } from './cluster.ts';
import { fillSchema } from './fill-schema.ts';
import { place, type DataSet } from './settings.ts';

export const region = 'nyc3';
const databaseUser = 'doadmin';

/** Namespace, Secrets, the claim for restored files, and the bucket; first, what an earlier run has left goes. */
export async function makePlace(cluster: SandboxKube, log: (line: string) => void): Promise<void> {
  await cluster.kubectl([
    ...['delete', 'namespace', place.namespace, '--ignore-not-found', '--timeout=120s'],
  ]);
  log(`making namespace and bucket ${place.namespace}`);
  await cluster.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: place.namespace } },
    ...(await secrets()),
    claim(place.restoredClaim),
  ]);
  await rclone(cluster, ['mkdir', `:s3:${place.bucket}`]);
  await rclone(cluster, ['delete', `:s3:${place.bucket}`]);
}

/** Files and rows of one size. */
export async function makeData(
  cluster: SandboxKube,
  data: DataSet,
  log: (line: string) => void,
): Promise<void> {
  log(`making ${data.files} files, ${mib(data.fileBytes)}`);
  await cluster.apply([claim(data.claim)]);
  const program = await readFile(join(import.meta.dirname, 'scripts/generate-files.pl'), 'utf8');
  const { log: said } = await runJob(cluster, {
    name: `generate-${data.name}`,
    program: ['perl', '-e', program],
    env: { FILES: `${data.files}`, BYTES: `${data.fileBytes}`, SEED: '20261123' },
    volumes: { '/data': data.claim },
    timeoutSeconds: 300,
  });
  log(said.trim());
  log(`filling schema ${data.schema} with ${mib(data.databaseBytes)}`);
  await inDatabase((connection) => fillSchema(connection, data.schema, data.databaseBytes));
}

/** Takes restored files away; no part of any measurement. */
export async function emptyRestoredFiles(cluster: SandboxKube): Promise<void> {
  await rawJob(cluster, 'empty', {});
}

/** Makes the schema that is restored into anew; no part of any measurement. */
export async function emptyRestoredSchema(): Promise<void> {
  await inDatabase(async (connection) => {
    await connection.query(`DROP DATABASE IF EXISTS \`${place.restoredSchema}\``);
    await connection.query(`CREATE DATABASE \`${place.restoredSchema}\` CHARACTER SET utf8mb4`);
  });
}

/** Removes everything, whatever is there of it. */
export async function removePlace(
  cluster: SandboxKube,
  dataSets: readonly DataSet[],
  log: (line: string) => void,
): Promise<void> {
  log('removing schemas, bucket and namespace');
  await inDatabase(async (connection) => {
    for (const schema of [place.restoredSchema, ...dataSets.map((data) => data.schema)]) {
      await connection.query(`DROP DATABASE IF EXISTS \`${schema}\``);
    }
  });
  await rclone(cluster, ['purge', `:s3:${place.bucket}`]).catch((error: unknown) => {
    log(`the bucket stays: ${error instanceof Error ? error.message : String(error)}`);
  });
  await cluster.kubectl([
    ...['delete', 'namespace', place.namespace, '--ignore-not-found', '--timeout=120s'],
  ]);
}

/** Removes what is below a prefix of the bucket, so that no round finds another round's repository. */
export async function emptyPrefix(cluster: SandboxKube, prefix: string): Promise<void> {
  await rclone(cluster, ['purge', `:s3:${place.bucket}/${prefix}`]);
}

/** One task of the raw pipeline. `repository` is a prefix in the bucket. */
export async function rawJob(
  cluster: SandboxKube,
  task: string,
  env: { repository?: string; schema?: string; folder?: string },
  data?: DataSet,
): Promise<FinishedJob> {
  const program = await readFile(join(import.meta.dirname, 'scripts/raw.sh'), 'utf8');
  const job: PlainJob = {
    name: `raw-${task.replaceAll(' ', '-')}`,
    program: ['bash', '-c', program],
    env: {
      TASK: task,
      SCHEMA: env.schema ?? '',
      FOLDER: env.folder ?? '',
      RESTIC_REPOSITORY: `s3:${endpoints.objectStorage}/${place.bucket}/${env.repository ?? ''}`,
      RESTIC_PASSWORD_FILE: '/secrets/password',
      RESTIC_CACERT: '/secrets/ca.crt',
      RESTIC_CACHE_DIR: '/tmp/cache',
      ...storageEnv,
    },
    volumes: {
      '/restored': place.restoredClaim,
      ...(data === undefined ? {} : { '/data': data.claim }),
    },
    needsSecrets: true,
    timeoutSeconds: 540,
  };
  return runJob(cluster, job);
}

const storageEnv = {
  AWS_SHARED_CREDENTIALS_FILE: '/secrets/object-storage',
  AWS_DEFAULT_REGION: region,
};

async function rclone(cluster: SandboxKube, args: readonly string[]): Promise<void> {
  const settings = [
    ...['--s3-provider=Other', '--s3-env-auth', `--s3-endpoint=${endpoints.objectStorage}`],
    ...[`--s3-region=${region}`, '--s3-force-path-style', '--ca-cert=/secrets/ca.crt'],
  ];
  await runJob(cluster, {
    name: `bucket-${args[0]}`,
    program: ['rclone', ...settings, ...args],
    env: storageEnv,
    volumes: {},
    needsSecrets: true,
    timeoutSeconds: 120,
  });
}

type Connection = Awaited<ReturnType<typeof connectVerified>>;

async function inDatabase<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');
  const { databaseAdminPassword } = await sandboxCredentials();
  const connection = await connectVerified({
    ...endpoints.database,
    account: { username: databaseUser, password: new Secret(databaseAdminPassword) },
    ca: await readFile(certFile, 'utf8'),
  });
  try {
    return await work(connection);
  } finally {
    await connection.end();
  }
}

async function secrets(): Promise<KubernetesObject[]> {
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');
  const ca = await readFile(certFile, 'utf8');
  const credentials = await sandboxCredentials();
  const { databaseAdminPassword: password } = credentials;
  const storage = {
    accessKeyId: credentials.objectStorageAccessKey,
    secretAccessKey: credentials.objectStorageSecretKey,
  };
  return [
    secret('raw', {
      password: credentials.backupPassword,
      'ca.crt': ca,
      'object-storage': [
        '[default]',
        `aws_access_key_id = ${storage.accessKeyId}`,
        `aws_secret_access_key = ${storage.secretAccessKey}`,
        '',
      ].join('\n'),
      'client.cnf': [
        '[client]',
        `host = ${endpoints.database.host}`,
        `port = ${endpoints.database.port}`,
        `user = ${databaseUser}`,
        `password = ${password}`,
        'ssl-ca = /secrets/ca.crt',
        'ssl-verify-server-cert',
        '',
      ].join('\n'),
    }),
    secret(place.secrets.database, { username: databaseUser, password }),
    secret(place.secrets.ca, { 'ca.crt': ca }),
    secret(place.secrets.storage, storage),
    secret(place.secrets.password, { password: credentials.backupPassword }),
  ];
}

function secret(name: string, stringData: Record<string, string>): KubernetesObject {
  const metadata = { name, namespace: place.namespace };
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData } as KubernetesObject;
}

function claim(name: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: place.namespace },
    spec: {
      accessModes: ['ReadWriteMany'],
      storageClassName: place.storageClass,
      resources: { requests: { storage: '5Gi' } },
    },
  } as KubernetesObject;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1_000_000)} MB`;
}
