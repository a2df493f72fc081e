/** The stand-in as a process of the sandbox: `node deploy/sandbox/stand-ins/vault/main.ts`. */
import { join } from 'node:path';
import { sandboxCredentials } from '../../credentials.ts';
import { network, paths, ports } from '../../settings.ts';
import { serve } from '../http.ts';
import { JsonFile } from '../json-file.ts';
import type { Secrets } from './secrets.ts';
import { createVaultStandIn } from './server.ts';

const { vaultToken } = await sandboxCredentials();
const server = createVaultStandIn({
  token: vaultToken,
  secrets: new JsonFile<Secrets>(join(paths.state, 'vault', 'secrets.json'), () => ({})),
  log: (line) => console.log(new Date().toISOString(), line),
});
await serve(server, network.loopback, ports.vault);
