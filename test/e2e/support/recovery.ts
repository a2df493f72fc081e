/** What tests of backups, drills and rollbacks share: a site at phase 1, and restic without Presslift. */
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { resetAcme } from '../../../deploy/sandbox/acme/reset.ts';
import { imageReference } from '../../../deploy/sandbox/build/image-catalogue.ts';
import { sandboxCredentials } from '../../../deploy/sandbox/credentials.ts';
import { endpoints, paths } from '../../../deploy/sandbox/settings.ts';
import { operationKey } from '../../../src/domain/kubernetes/names.ts';
import type { OperationReport } from '../../../src/domain/operation.ts';
import type { DrillReport } from '../../../src/domain/recovery/point.ts';
import {
  approve,
  closedAs,
  openGateDigest,
  resultOf,
  startWithTemporal,
  status,
} from './operations.ts';
import {
  command,
  eventually,
  kubectl,
  kubectlJson,
  presslift,
  readyPods,
  temporal,
} from './platform.ts';

/** Takes acme to phase 1 unless it is there; a worker must run. */
export async function ensurePhaseOne(): Promise<void> {
  if (await isAtPhaseOne()) return;
  // What an earlier, interrupted test left would go on meanwhile.
  const running = 'PressliftSite = "acme" AND ExecutionStatus = "Running"';
  const listed = await temporal(['workflow', 'list', '--query', running, '--output', 'json']);
  for (const { execution } of JSON.parse(listed) as { execution: { workflowId: string } }[]) {
    await temporal(['workflow', 'terminate', '--workflow-id', execution.workflowId]);
  }
  await resetAcme();
  const migrated = await presslift(
    ['migrate', 'acme', '--to', '1', '--wait', '--yes', '--as', 'alice', '--json'],
    { timeoutMs: 600_000 },
  );
  if (migrated.status !== 0) {
    throw new Error(`migrate ended with ${migrated.status}: ${migrated.stderr || migrated.stdout}`);
  }
}

async function isAtPhaseOne(): Promise<boolean> {
  // A test that failed may have left it damaged.
  if ((await visit('/')) !== 200) return false;
  const pods = await readyPods();
  const hybrid = pods.filter((pod) => pod.metadata.labels?.['presslift.dev/track'] === 'hybrid');
  if (hybrid.length < 2) return false;
  // After a point-in-time recovery the site is on another cluster.
  const deployment = await kubectl(['get', 'deployment', 'wordpress', '-n', 'acme', '-o', 'json']);
  if (!deployment.includes(`${endpoints.database.host}:${endpoints.database.port}"`)) return false;
  const keys = await kubectl([
    'get',
    'secret',
    'object-storage',
    '-n',
    'acme',
    '-o',
    'name',
    '--ignore-not-found',
  ]);
  return keys.trim() !== '';
}

const benchNamespace = 'presslift-e2e';
const benchPod = 'workbench';

export const repository = `s3:${endpoints.objectStorage}/acme-media/presslift/acme/restic`;

async function secretValue(namespace: string, name: string, key: string): Promise<string> {
  const secret = await kubectlJson<{ data: Record<string, string> }>([
    'get',
    'secret',
    name,
    '-n',
    namespace,
  ]);
  return Buffer.from(secret.data[key] ?? '', 'base64').toString('utf8');
}

/** A pod with restic, a MySQL client and the keys that an operator would have, in a namespace of its own. */
export async function openWorkbench(): Promise<void> {
  await closeWorkbench();
  const ca = await readFile(join(paths.pki, 'sandbox-ca.crt'), 'utf8');
  const { databaseAdminPassword } = await sandboxCredentials();
  const files = {
    'restic-password': await secretValue('presslift', 'acme-backup', 'password'),
    'aws-credentials': [
      '[default]',
      `aws_access_key_id=${await secretValue('acme', 'object-storage', 'accessKeyId')}`,
      `aws_secret_access_key=${await secretValue('acme', 'object-storage', 'secretAccessKey')}`,
      '',
    ].join('\n'),
    'ca.crt': ca,
    'client.cnf': [
      '[client]',
      'user=doadmin',
      `password=${databaseAdminPassword}`,
      `host=${endpoints.database.host}`,
      `port=${endpoints.database.port}`,
      'ssl-ca=/keys/ca.crt',
      'ssl-verify-server-cert',
      '',
    ].join('\n'),
  };
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: benchNamespace } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'keys', namespace: benchNamespace },
      stringData: files,
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: benchPod, namespace: benchNamespace },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'tools',
            image: imageReference('toolbox'),
            command: ['sleep', 'infinity'],
            env: [
              { name: 'RESTIC_REPOSITORY', value: repository },
              { name: 'RESTIC_PASSWORD_FILE', value: '/keys/restic-password' },
              { name: 'RESTIC_CACERT', value: '/keys/ca.crt' },
              { name: 'AWS_SHARED_CREDENTIALS_FILE', value: '/keys/aws-credentials' },
            ],
            volumeMounts: [{ name: 'keys', mountPath: '/keys', readOnly: true }],
          },
        ],
        volumes: [{ name: 'keys', secret: { secretName: 'keys' } }],
      },
    },
  ];
  await kubectl(
    ['apply', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  );
  await kubectl([
    'wait',
    '--for=condition=Ready',
    `pod/${benchPod}`,
    '-n',
    benchNamespace,
    '--timeout=120s',
  ]);
}

export async function closeWorkbench(): Promise<void> {
  await kubectl(['delete', 'namespace', benchNamespace, '--ignore-not-found', '--wait=true']);
}

/** Runs a fixed bash script on the workbench; further values reach it as arguments. */
export const onWorkbench = (script: string, ...args: string[]) =>
  kubectl([
    'exec',
    '-i',
    '-n',
    benchNamespace,
    benchPod,
    '--',
    'bash',
    '-ceu',
    '-o',
    'pipefail',
    script,
    'bash',
    ...args,
  ]);

/** SQL as the database's administrator; one line a row, tabs between columns. */
export const sql = (statement: string, database = 'wordpress') =>
  onWorkbench(
    'mariadb --defaults-extra-file=/keys/client.cnf --batch --skip-column-names "$1" -e "$2"',
    database,
    statement,
  );

/** Checksum of every table that visitors and WordPress's own housekeeping leave alone. */
export async function checksums(): Promise<string> {
  const names = await sql(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'wordpress' AND table_name NOT REGEXP 'options|usermeta' ORDER BY 1",
  );
  const list = names.split('\n').filter((table) => table !== '');
  return sql(`CHECKSUM TABLE ${list.map((table) => `\`${table}\``).join(', ')}`);
}

/**
 * What backups, drills and rollbacks made and did not take away: namespaces, schemas and accounts, Jobs with their Secrets,
 * claims and volumes, locks of the repository, copies and volume snapshots that belong to no recovery point, and the hold on updates.
 */
export async function leftovers(): Promise<string[]> {
  const points = new Set(await recoveryPoints());
  const keys = new Set([...points].map(operationKey));
  const named = async (kind: string) =>
    lines(await kubectl(['get', kind, '-n', 'acme', '-o', 'name']));
  const schemas = await sql('SHOW DATABASES', 'defaultdb');
  const volumes = await kubectl([
    'get',
    'persistentvolumes',
    '-o',
    'jsonpath={range .items[*]}{.metadata.name} of {.spec.claimRef.namespace}{"\\n"}{end}',
  ]);
  const users = await sql("SELECT user FROM mysql.user WHERE user LIKE 'presslift%'", 'defaultdb');
  const snapshots = await kubectlJson<{
    items: { metadata: { name: string; labels?: Record<string, string> } }[];
  }>(['get', 'volumesnapshots', '-n', 'acme', '-l', 'presslift.dev/role=volume-snapshot']);
  const copies = JSON.parse(await onWorkbench('restic snapshots --no-lock --json')) as {
    short_id: string;
    tags?: string[];
  }[];
  return [
    ...lines(await kubectl(['get', 'namespaces', '-o', 'name'])).filter((name) =>
      name.includes('presslift-drill-'),
    ),
    ...lines(schemas).filter(
      (name) => name.startsWith('presslift_drill_') || name.startsWith('presslift_rollback_'),
    ),
    ...lines(volumes).filter((volume) => volume.includes(' of presslift-drill-')),
    ...lines(users).map((user) => `database user ${user}`),
    ...(await named('jobs')),
    ...(await named('secrets')).filter((name) => /\/presslift-(?!recovery-)/.test(name)),
    ...(await named('pvc')).filter((name) => !/\/(wordpress|wp-content)$/.test(name)),
    ...lines(await onWorkbench('restic list locks --no-lock')).map((lock) => `restic lock ${lock}`),
    ...copies
      .filter(({ tags = [] }) => tags.some((tag) => tag.startsWith('point:')))
      .filter(({ tags = [] }) => !tags.some((tag) => points.has(tag.slice('point:'.length))))
      .map(({ short_id: id, tags }) => `restic snapshot ${id} (${tags?.join(', ')})`),
    ...snapshots.items
      .filter(({ metadata }) => !keys.has(metadata.labels?.['presslift.dev/point'] ?? ''))
      .map(({ metadata }) => `volume snapshot ${metadata.name}`),
    ...lines(await holdOnUpdates()).map((option) => `option ${option}`),
  ];
}

/** The options by which WordPress's updates are held, a line each; '' when they are not. */
export const holdOnUpdates = () =>
  sql(
    "SELECT option_name FROM wp_options WHERE option_name IN ('presslift_updates_held', 'auto_updater.lock')",
  );

/** Ids of the recovery points that the catalogue has, as its bucket shows them. */
async function recoveryPoints(): Promise<string[]> {
  const folder = join(
    paths.state,
    'object-storage/buckets/acme-media/presslift/acme/recovery-points',
  );
  // A folder may stay when all of its objects are deleted.
  const documents = await readdir(folder, { recursive: true }).catch(() => []);
  return documents.filter((path) => path.endsWith('/point.json')).map(dirname);
}

export const lines = (text: string) => text.split('\n').filter((line) => line.trim() !== '');

/** Status of a page that a visitor asks for, with the sandbox's authority. */
export async function visit(path: string): Promise<number> {
  const { stdout } = await command('curl', [
    '-sS',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '--max-time',
    '20',
    '--cacert',
    join(paths.pki, 'sandbox-ca.crt'),
    `${endpoints.acme}${path}`,
  ]);
  return Number(stdout);
}

export const untilSiteAnswers = () =>
  eventually('the front page', async () => ((await visit('/')) === 200 ? true : undefined));

/** Gives pods an image that nobody ever built. */
export async function setBadImage(): Promise<void> {
  const image = 'localhost:5000/presslift/wordpress:never-built';
  const path = '/spec/template/spec/containers/0/image';
  await kubectl([
    ...['patch', 'deployment', 'wordpress', '-n', 'acme', '--type', 'json', '-p'],
    JSON.stringify([{ op: 'replace', path, value: image }]),
  ]);
}

/** What `presslift … --wait --json` prints of one operation. */
export interface Followed {
  workflowId: string;
  outcome: string;
  report: OperationReport & { drill?: DrillReport };
}

/** Takes a recovery point as a person would and returns its id. */
export async function takePoint(): Promise<string> {
  const { stdout, stderr, status } = await presslift(
    ['backup', 'acme', '--wait', '--as', 'alice', '--json'],
    { timeoutMs: 300_000 },
  );
  if (status !== 0) throw new Error(`backup ended with ${status}: ${stderr || stdout}`);
  const { report } = JSON.parse(stdout) as Followed;
  if (report.recoveryPoint === null) throw new Error('the backup names no recovery point');
  return report.recoveryPoint.id;
}

/** Rolls back by the `temporal` CLI alone and returns the report with how long it took. */
export async function rollBack(
  name: string,
  input: object,
): Promise<{ report: OperationReport; seconds: number }> {
  const id = `acme/rollback/e2e-${name}`;
  await startWithTemporal('rollback', id, { site: 'acme', ...input });
  await approve(id, await openGateDigest(id));
  const began = Date.now();
  const closed = await eventually(
    `${id} closed`,
    async () => {
      const ended = await closedAs(id);
      if (ended !== undefined) return ended;
      // WordPress itself may deactivate a plugin whose files are gone in between: that is drift, and a new plan asks again.
      const now = await status(id);
      const again = now.gates.find(({ id: gate, state }) => gate === 'apply' && state === 'open');
      if (again !== undefined) await approve(id, again.digest);
      return now.state === 'needs-operator'
        ? `waiting for an operator: ${JSON.stringify(now.operatorQuestion)}`
        : undefined;
    },
    { timeoutMs: 600_000, everyMs: 1_000 },
  );
  if (closed !== 'COMPLETED') throw new Error(`${id} is ${closed}`);
  const seconds = (Date.now() - began) / 1_000;
  const report = await resultOf<OperationReport>(id);
  const notMet = report.criteria.filter(({ pass }) => !pass);
  if (report.outcome !== 'done' || notMet.length > 0) {
    throw new Error(`${id} ended as ${report.outcome}: ${JSON.stringify(notMet)}`);
  }
  console.log(`rollback of ${name}: ${seconds.toFixed(1)} s after the approval`);
  return { report, seconds };
}
