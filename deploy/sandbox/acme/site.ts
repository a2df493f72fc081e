/** Setting up the site `acme` as it is before the roadmap. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { buildImages, hashFiles } from '../build/images.ts';
import type { SandboxCredentials } from '../credentials.ts';
import type { SandboxKube } from '../kube.ts';
import { ensureCertificateAuthority } from '../pki.ts';
import { endpoints, hostNames, network, paths } from '../settings.ts';
import { resetCdn } from './cdn.ts';
import { emptyNamespace, execText, runningPod } from './cluster.ts';
import {
  adminUser,
  claim,
  deployment,
  documentRoot,
  namespace,
  secrets,
  traffic,
} from './objects.ts';
import { activePlugins, catalogFolder, helloDollySource } from './plugins.ts';
import {
  emptyDatabase,
  findSnapshot,
  grantDatabase,
  restoreSnapshot,
  saveSnapshot,
  startHelper,
  stopHelper,
} from './snapshot.ts';

export const siteTitle = 'Acme Garden Supplies';

/** How much is in the site. */
const amounts = { posts: 200, comments: 50, images: 300 } as const;

/** On the namespace: the key of what was put into it, once it is complete. */
const markAnnotation = 'presslift.test/acme';

export interface SiteSetup {
  cluster: SandboxKube;
  credentials: SandboxCredentials;
  progress: (line: string) => void;
  signal?: AbortSignal;
}

/** What the seeding program tells in the end. */
export interface SeedReport {
  posts: number;
  comments: number;
  images: number;
  plugins: string[];
  theme: string;
  version: string;
  milliseconds: number;
}

/** The key of the site as it was set up here; undefined when it was not, or not to its end. */
export async function presentSite({ get }: SandboxKube): Promise<string | undefined> {
  const { metadata } = await get<{ metadata: { annotations?: Record<string, string> } }>(
    `/api/v1/namespaces/${namespace}`,
  );
  return metadata.annotations?.[markAnnotation];
}

/**
 * Hash of all that the seeded site comes from. The passwords are none of it: the administrator's is set anew after a
 * snapshot of an older sandbox is put back.
 */
async function siteKey(signal?: AbortSignal): Promise<string> {
  const { wordpress } = await buildImages({ names: ['wordpress'], cacheDir: paths.cache, signal });
  const files = ['seed.php', 'plugins.ts', 'plugins/acme-catalog'];
  const sources = await hashFiles(files.map((file) => join(import.meta.dirname, file)));
  const engine = process.env.PRESSLIFT_SANDBOX_DATABASE ?? 'mysql';
  const parts = JSON.stringify([wordpress.key, sources, amounts, activePlugins, engine]);
  return createHash('sha256').update(parts).digest('hex').slice(0, 16);
}

/**
 * Sets the site up from nothing, whatever is left of it: empties namespace and database, puts the CDN's rules back, makes volume and Deployment, and puts
 * the saved site back, or fills a new one and saves it. Done when a visitor gets the front page.
 */
export async function setUpSite(setup: SiteSetup): Promise<SeedReport> {
  const { cluster, credentials, progress, signal } = setup;
  const key = await siteKey(signal);
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');

  progress('removing what is there');
  await mark(cluster, undefined);
  await emptyNamespace(cluster);
  await cluster.apply([
    ...secrets(credentials, await readFile(certFile, 'utf8')),
    claim,
    ...traffic,
  ]);

  progress('starting the helper');
  await startHelper(cluster);
  await grantDatabase(credentials.databaseAdminPassword);
  await emptyDatabase(cluster);
  signal?.throwIfAborted();
  const snapshot = findSnapshot(paths.cache, key);
  if (snapshot) {
    progress('putting the saved site back');
    await restoreSnapshot(snapshot);
  }
  await resetCdn(credentials);
  await cluster.apply([deployment]);
  const pod = await runningPod(cluster, 'php');
  if (!snapshot) await placePlugins(cluster, pod, signal);
  signal?.throwIfAborted();
  progress(snapshot ? 'checking the content' : 'filling the site');
  const report = await seed(cluster, pod, { key, password: credentials.wordpressAdminPassword });
  if (!snapshot) {
    progress('saving the site for the next time');
    await saveSnapshot(paths.cache, key);
  }
  await stopHelper(cluster);
  progress('waiting for the front page');
  await cluster.waitFor(siteAnswers, `${endpoints.acme}/`, 120_000);
  await mark(cluster, key);
  return report;
}

/** Puts Akismet, Hello Dolly and Acme Catalog into the site's plugin folder. */
async function placePlugins(
  cluster: SandboxKube,
  pod: string,
  signal?: AbortSignal,
): Promise<void> {
  const target = { pod, container: 'php' };
  const plugins = `${documentRoot}/wp-content/plugins`;
  // The entrypoint copies WordPress to the empty volume; index.php comes last.
  await cluster.waitFor(
    async () => {
      await execText(cluster, target, ['test', '-s', `${documentRoot}/wp-config.php`]);
      return true;
    },
    'WordPress on the volume',
    60_000,
  );
  const files = [
    ['hello.php', await helloDollySource(paths.cache, signal)],
    [
      'acme-catalog/acme-catalog.php',
      await readFile(join(catalogFolder, 'acme-catalog.php'), 'utf8'),
    ],
  ] as const;
  await execText(cluster, target, asWebUser('cp', '-r', '/usr/src/plugins/akismet', plugins));
  await execText(cluster, target, asWebUser('mkdir', '-p', `${plugins}/acme-catalog`));
  for (const [name, source] of files) {
    await execText(cluster, target, asWebUser('tee', `${plugins}/${name}`), source);
  }
}

/** Runs the seeding program in the pod. */
async function seed(
  cluster: SandboxKube,
  pod: string,
  { key, password }: { key: string; password: string },
): Promise<SeedReport> {
  const program = await readFile(join(import.meta.dirname, 'seed.php'), 'utf8');
  const given = {
    url: endpoints.acme,
    title: siteTitle,
    adminUser,
    adminPassword: password,
    adminEmail: `${adminUser}@example.com`,
    key,
    ...amounts,
    plugins: activePlugins,
  };
  // On standard input, arguments included: other processes see the arguments of a command line.
  const encoded = Buffer.from(JSON.stringify(given)).toString('base64');
  const head = `<?php $presslift_seed = json_decode(base64_decode('${encoded}'), true); ?>\n`;
  const target = { pod, container: 'php' };
  const answer = await execText(cluster, target, asWebUser('php'), head + program);
  const line = answer.trim().split('\n').at(-1) ?? '';
  const report = parseReport(line);
  for (const what of ['posts', 'comments', 'images'] as const) {
    if (report[what] !== amounts[what]) {
      throw new Error(`The site has ${report[what]} ${what}, not ${amounts[what]}`);
    }
  }
  return report;
}

/** Reads the seeding program's last line. Anything else than its JSON is told as the failure that it is. */
export function parseReport(line: string): SeedReport {
  try {
    const report = JSON.parse(line) as SeedReport;
    if (typeof report.posts === 'number') return report;
  } catch {
    // Told below.
  }
  throw new Error(`Filling the site failed: ${line || 'it said nothing'}`);
}

function asWebUser(...command: string[]): string[] {
  return ['setpriv', '--reuid=33', '--regid=33', '--clear-groups', ...command];
}

/** Marks the namespace as set up with a key, or as not set up. */
async function mark({ kubectl }: SandboxKube, key: string | undefined): Promise<void> {
  const annotation = key === undefined ? `${markAnnotation}-` : `${markAnnotation}=${key}`;
  await kubectl(['annotate', '--overwrite', 'namespace', namespace, annotation]);
}

/** Whether a visitor gets the front page: by its name, through the ingress, with the sandbox's CA. */
export async function siteAnswers(): Promise<boolean> {
  const { certFile } = await ensureCertificateAuthority('sandbox-ca');
  const ca = await readFile(certFile);
  const page = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = request(`${endpoints.acme}/`, {
      timeout: 10_000,
      // Without it the request would name port 80, and WordPress redirect to its own address.
      defaultPort: 443,
      createConnection: () =>
        connectTls({
          socket: connect(443, network.ingressAddress),
          servername: hostNames.acme,
          ca,
        }),
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in 10 s')));
    sent.on('error', reject);
    sent.on('response', (response) => {
      text(response).then((body) => resolve({ status: response.statusCode!, body }), reject);
    });
    sent.end();
  });
  if (page.status !== 200) throw new Error(`the front page answers ${page.status}`);
  if (!page.body.includes(siteTitle)) throw new Error('the front page lacks the title of the site');
  return true;
}
