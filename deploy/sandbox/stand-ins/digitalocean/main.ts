/** The stand-in as a process of the sandbox: `node deploy/sandbox/stand-ins/digitalocean/main.ts`. */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sandboxCredentials } from '../../credentials.ts';
import { ensureCertificateAuthority } from '../../pki.ts';
import { databaseClusterId, hostNames, network, paths, ports } from '../../settings.ts';
import { serve } from '../http.ts';
import { JsonFile } from '../json-file.ts';
import { databaseHandlers } from './databases.ts';
import { createManagedDatabase } from './managed-database.ts';
import { createStandIn } from './server.ts';
import { createSpacesAccounts } from './spaces-accounts.ts';
import type { SpacesKeysState } from './spaces-keys.ts';
import { spacesKeyHandlers } from './spaces-keys.ts';

const home = join(paths.state, 'digitalocean');
await mkdir(home, { recursive: true, mode: 0o700 });
const credentials = await sandboxCredentials();
const ca = await readFile((await ensureCertificateAuthority('sandbox-ca')).certFile, 'utf8');
const administrator = 'doadmin';

const database = createManagedDatabase({
  ...{ host: hostNames.database, address: network.loopback, port: ports.database, ca },
  ...{ user: administrator, password: credentials.databaseAdminPassword },
});
const cluster = {
  ...{ id: databaseClusterId, name: 'presslift-sandbox', region: 'nyc3' },
  ...{ host: hostNames.database, port: ports.database, ca, administrator },
  passwords: {
    [administrator]: credentials.databaseAdminPassword,
    wordpress: credentials.wordpressDatabasePassword,
  },
  createdAt: (await stat(home)).birthtime.toISOString(),
};
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
    ...databaseHandlers(cluster, database),
    ...spacesKeyHandlers(keys, accounts, () => new Date()),
  },
  log: (line) => console.log(new Date().toISOString(), line),
});
await serve(server, network.loopback, ports.digitalocean);
