/**
 * Object storage: versitygw on files below `paths.state/object-storage`, with TLS. Accounts live in its IAM service, a
 * second process, where each key has a policy of its own; so a key's rights are apart from a bucket's policy, as they
 * are with Spaces keys, and replacing the bucket's policy does not touch them. The gateway asks it by a UNIX socket; the
 * stand-in for DigitalOcean's API makes accounts by its IAM API on the admin port.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Component, ComponentContext } from '../component.ts';
import { ensureCertificateAuthority, issueCertificate } from '../pki.ts';
import { hostNames, network, paths, ports } from '../settings.ts';

const addresses = [network.loopback, network.nodeAddress];

const home = join(paths.state, 'object-storage');
const folders = {
  buckets: join(home, 'buckets'),
  versions: join(home, 'versions'),
  accounts: join(home, 'accounts'),
} as const;
const accountsSocket = join(home, 'accounts.sock');

/** Signatures are checked for this region, as sites/acme.yaml has it. */
const region = 'nyc3';

const healthPath = '/health';

function certificate(): Promise<{ certFile: string; keyFile: string }> {
  return issueCertificate({
    ca: 'sandbox-ca',
    name: 'object-storage',
    commonName: hostNames.objectStorage,
    dnsNames: [hostNames.objectStorage],
    ipAddresses: addresses,
    usages: ['server'],
  });
}

/** The root account goes by the environment, where only root sees it. */
function rootAccount({ credentials }: ComponentContext): Record<string, string> {
  return {
    ROOT_ACCESS_KEY_ID: credentials.objectStorageAccessKey,
    ROOT_SECRET_ACCESS_KEY: credentials.objectStorageSecretKey,
  };
}

/** Whether a GET over verified TLS is answered with 200. */
async function isHealthy(address: string, port: number, ca: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request(
      { host: address, port, path: healthPath, ca, servername: '', timeout: 2_000 },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    probe.on('timeout', () => probe.destroy());
    probe.on('error', () => resolve(false));
    probe.end();
  });
}

/** Waits for a process on this machine to answer; after ten seconds its log has to tell why it does not. */
async function untilHealthy(port: number, ca: Buffer, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await isHealthy(network.loopback, port, ca))) {
    if (Date.now() > deadline) throw new Error(`Port ${port} does not answer within ten seconds`);
    await sleep(50, undefined, { signal });
  }
}

export const objectStorage: Component = {
  name: 'object-storage',
  title: 'Object storage (versitygw)',
  needs: ['node-network'],
  programs: ['versitygw'],
  async start(context) {
    for (const folder of Object.values(folders))
      await mkdir(folder, { recursive: true, mode: 0o700 });
    const { certFile, keyFile } = await certificate();
    const program = join(context.programDir('versitygw'), 'versitygw');
    const env = rootAccount(context);
    const common = ['--region', region, '--cert', certFile, '--key', keyFile];

    const running = await context.isRunning('object-storage-accounts');
    // A gateway that was killed leaves its socket, which would refuse the next one.
    if (!running) await rm(accountsSocket, { force: true });
    await context.daemon(
      'object-storage-accounts',
      program,
      [
        ...common,
        ...['--port', `${network.loopback}:${ports.objectStorageAdmin}`, '--health', healthPath],
        ...['iam', '--dir', folders.accounts],
        ...['--private-ports', accountsSocket, '--private-socket-perm', '0600'],
      ],
      { env },
    );
    // The gateway asks for the service at its start, and when it is not there yet only two seconds later again.
    const { certFile: authority } = await ensureCertificateAuthority('sandbox-ca');
    await untilHealthy(ports.objectStorageAdmin, await readFile(authority), context.signal);
    await context.daemon(
      'object-storage',
      program,
      [
        ...common,
        ...addresses.flatMap((address) => ['--port', `${address}:${ports.objectStorage}`]),
        ...['--health', healthPath, '--keep-alive', '--quiet'],
        ...['--access-log', join(paths.logs, 'object-storage-access.log')],
        ...['--iam-standalone-endpoint', accountsSocket],
        ...['posix', '--versioning-dir', folders.versions, folders.buckets],
      ],
      { env },
    );
  },
  async ready() {
    const { certFile } = await ensureCertificateAuthority('sandbox-ca');
    const ca = await readFile(certFile);
    const listening = [
      isHealthy(network.loopback, ports.objectStorageAdmin, ca),
      ...addresses.map((address) => isHealthy(address, ports.objectStorage, ca)),
    ];
    return (await Promise.all(listening)).every(Boolean);
  },
  async stop(context) {
    await context.stopDaemon('object-storage');
    await context.stopDaemon('object-storage-accounts');
    await rm(accountsSocket, { force: true });
  },
  async reset() {
    await rm(home, { recursive: true, force: true });
  },
};
