import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultCacheDir } from '../../deploy/sandbox/build/go-programs.ts';
import { createCertificate } from '../../src/activities/database/x509.ts';
import { freePort } from './database-servers.ts';

export interface TestObjectStorage {
  endpoint: string;
  /** PEM of the CA that signed the server's certificate. */
  ca: string;
  region: string;
  /** The owner of everything. */
  root: { accessKeyId: string; secretAccessKey: string };
  /** Plain HTTP address of the IAM API, which makes accounts for single buckets. */
  iamEndpoint: string;
  stop(): Promise<void>;
}

/** The newest versitygw in the cache of built programs. */
async function versitygw(): Promise<string> {
  const folder = join(defaultCacheDir(), 'programs', 'versitygw');
  const keys = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    keys.map(async (key) => {
      const path = join(folder, key, 'versitygw');
      return {
        path,
        at: await stat(path).then(
          ({ mtimeMs }) => mtimeMs,
          () => 0,
        ),
      };
    }),
  );
  const newest = found.filter(({ at }) => at > 0).sort((a, b) => b.at - a.at)[0];
  if (!newest) {
    throw new Error(`versitygw is not built: ${folder} has none; \`npm test\` builds it first`);
  }
  return newest.path;
}

/** Starts object storage with TLS, versioning and accounts, in a folder of its own. */
export async function startVersitygw(region = 'nyc3'): Promise<TestObjectStorage> {
  const program = await versitygw();
  const base = await mkdtemp(join(tmpdir(), 'presslift-s3-'));
  const [port, iamPort] = [await freePort(), await freePort()];
  const authority = createCertificate({ commonName: 'Presslift test CA' });
  const leaf = createCertificate({
    commonName: 's3.test',
    issuer: authority,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  await writeFile(join(base, 'cert.pem'), leaf.certificate);
  await writeFile(join(base, 'key.pem'), leaf.privateKey, { mode: 0o600 });
  for (const name of ['buckets', 'versions', 'accounts']) await mkdir(join(base, name));
  const root = { accessKeyId: 'testroot', secretAccessKey: 'test-root-secret-key' };
  const env = {
    ...process.env,
    ROOT_ACCESS_KEY_ID: root.accessKeyId,
    ROOT_SECRET_ACCESS_KEY: root.secretAccessKey,
  };
  const start = (args: string[]): ChildProcess => spawn(program, args, { env, stdio: 'ignore' });
  const socket = join(base, 'iam.sock');
  const accounts = start([
    ...['--region', region, '--port', `127.0.0.1:${iamPort}`],
    ...['iam', '--dir', join(base, 'accounts')],
    ...['--private-ports', socket, '--private-socket-perm', '0600'],
  ]);
  const children = [accounts];
  const stop = async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    await rm(base, { recursive: true, force: true });
  };
  await until(
    async () =>
      stat(socket).then(
        () => true,
        () => false,
      ),
    accounts,
    stop,
  );
  const gateway = start([
    ...['--region', region, '--port', `127.0.0.1:${port}`],
    ...['--cert', join(base, 'cert.pem'), '--key', join(base, 'key.pem')],
    ...['--health', '/health', '--quiet', '--iam-standalone-endpoint', socket],
    ...['posix', '--versioning-dir', join(base, 'versions'), join(base, 'buckets')],
  ]);
  children.push(gateway);
  const endpoint = `https://127.0.0.1:${port}`;
  await until(() => isUp(`${endpoint}/health`, authority.certificate), gateway, stop);
  return {
    endpoint,
    ca: authority.certificate,
    region,
    root,
    iamEndpoint: `http://127.0.0.1:${iamPort}`,
    stop,
  };
}

async function until(
  ready: () => Promise<boolean>,
  child: ChildProcess,
  stop: () => Promise<void>,
): Promise<void> {
  for (let attempt = 0; attempt < 150 && child.exitCode === null; attempt += 1) {
    if (await ready()) return;
    await delay(100);
  }
  await stop();
  throw new Error(`versitygw does not start (status ${child.exitCode ?? 'none'})`);
}

function isUp(url: string, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { ca }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    }).once('error', () => resolve(false));
  });
}
