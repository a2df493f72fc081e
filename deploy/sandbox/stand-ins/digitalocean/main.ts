/** The stand-in as a process of the sandbox: `node deploy/sandbox/stand-ins/digitalocean/main.ts`. */
import { Resolver } from 'node:dns/promises';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../command.ts';
import { rootedRuntime } from '../../components/mysql-root.ts';
import { selectedEngine } from '../../components/mysql-server.ts';
import { databaseFolders, unpacked } from '../../components/mysql.ts';
import { changeCredentials, sandboxCredentials } from '../../credentials.ts';
import { createDaemons } from '../../daemons.ts';
import { publishDatabaseNames, podHostsFile } from '../../names.ts';
import { ensureCertificateAuthority, issueCertificate } from '../../pki.ts';
import {
  databaseClusterId,
  databaseForkPorts,
  hostNames,
  network,
  paths,
  ports,
} from '../../settings.ts';
import { serve } from '../http.ts';
import { JsonFile } from '../json-file.ts';
import type { DatabasesState, StoredCluster } from './clusters.ts';
import { createDatabaseService } from './database-service.ts';
import { applyFirewall } from './firewall.ts';
import type { NfsState } from './nfs.ts';
import { createNfs } from './nfs.ts';
import { createStandIn } from './server.ts';
import { createSpacesAccounts } from './spaces-accounts.ts';
import type { SpacesKeysState } from './spaces-keys.ts';
import { spacesKeyHandlers } from './spaces-keys.ts';

const home = join(paths.state, 'digitalocean');
await mkdir(home, { recursive: true, mode: 0o700 });
const credentials = await sandboxCredentials();
const ca = await readFile((await ensureCertificateAuthority('sandbox-ca')).certFile, 'utf8');
const administrator = 'doadmin';
const now = () => new Date();
const log = (line: string) => console.log(now().toISOString(), line);

const engine = selectedEngine();
const tree = await unpacked(engine, { run: runCommand, progress: () => undefined });
const runtime = rootedRuntime(tree, engine);

const ownCluster: StoredCluster = {
  ...{ id: databaseClusterId, name: 'presslift-sandbox', region: 'nyc3' },
  ...{ size: 'db-s-1vcpu-1gb', nodes: 1, storageMib: 10_240, tags: [], rules: [], fork: null },
  privateNetwork: 'd455e75d-4858-4eec-8c95-da2f0a5f93a7',
  projectId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff31',
  createdAt: (await stat(home)).birthtime.toISOString(),
  ...{ host: hostNames.database, privateHost: hostNames.privateDatabase, port: ports.database },
  passwords: {
    [administrator]: credentials.databaseAdminPassword,
    wordpress: credentials.wordpressDatabasePassword,
  },
};

/** Name of a fork's certificate in `paths.pki`. */
const certificateName = ({ id }: StoredCluster): string => `database-${id.slice(0, 8)}`;

/** Pods ask CoreDNS, which reads its file again within seconds. */
async function awaitName(host: string): Promise<void> {
  const hasPods = await stat(podHostsFile).then(
    () => true,
    () => false,
  );
  if (!hasPods) return;
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([network.nodeAddress]);
  for (let attempt = 0; attempt < 60; attempt += 1) {
    const found = await resolver.resolve4(host).catch((): string[] => []);
    if (found.includes(network.nodeAddress)) return;
    await sleep(500);
  }
  log(`NAME ${host} is not known to pods`);
}

const databases = createDatabaseService({
  ...{ home, runtime, ca, administrator, now, log, ownCluster, component: 'digitalocean' },
  file: new JsonFile<DatabasesState>(join(home, 'databases.json'), () => ({
    ...{ clusters: [], backups: [] },
  })),
  daemons: createDaemons({ stateDir: paths.state, pidDir: paths.pids, logDir: paths.logs }),
  own:
    engine === 'mysql' ? { clusterId: databaseClusterId, folders: databaseFolders, runtime } : null,
  certificates: {
    authority: () => ensureCertificateAuthority('sandbox-ca'),
    issue: (cluster) =>
      issueCertificate({
        ca: 'sandbox-ca',
        name: certificateName(cluster),
        // A certificate's common name has 64 characters at most; clients read the other names.
        commonName: 'database cluster',
        dnsNames: [cluster.host, cluster.privateHost],
        usages: ['server'],
      }),
    async remove(cluster) {
      const files = ['cnf', 'crt', 'key'].map((part) => `${certificateName(cluster)}.${part}`);
      for (const file of files) await rm(join(paths.pki, file), { force: true });
    },
  },
  addresses: [network.loopback, network.nodeAddress],
  from: network.provider,
  hostsOf: (name) => ({
    host: `${name}.${hostNames.database}`,
    privateHost: `${name}.${hostNames.privateDatabase}`,
  }),
  ports: databaseForkPorts,
  network: { firewall: applyFirewall, publish: publishDatabaseNames, awaitName },
  async passwordChanged(user, password) {
    if (user === administrator) await changeCredentials({ databaseAdminPassword: password });
    if (user === 'wordpress') await changeCredentials({ wordpressDatabasePassword: password });
  },
});

const nfsFile = new JsonFile<NfsState>(join(home, 'nfs.json'), () => ({
  ...{ shares: [], snapshots: [] },
}));
const nfs = createNfs(nfsFile, join(home, 'nfs'), now);
const accounts = createSpacesAccounts({
  endpoint: `https://${network.loopback}:${ports.objectStorageAdmin}`,
  root: {
    accessKey: credentials.objectStorageAccessKey,
    secretKey: credentials.objectStorageSecretKey,
  },
});
const keys = new JsonFile<SpacesKeysState>(join(home, 'spaces-keys.json'), () => ({ keys: [] }));

const { server } = createStandIn({
  token: credentials.digitaloceanToken,
  handlers: {
    ...databases.handlers,
    ...nfs.handlers,
    ...spacesKeyHandlers(keys, accounts, now),
  },
  control: { takeBackup: databases.takeBackup, addShare: nfs.addShare },
  log,
});
await nfs.resume();
await databases.start();
await serve(server, network.loopback, ports.digitalocean);
